// SPDX-License-Identifier: Apache-2.0
// What can be asked of a machine without changing it. Nothing here advances time: the asker does that first.

extension Machine {
    /// The number of regions in the pass' range: the memory's end aligned up to 1 GB, divided by 1 GB.
    public var regionCount: Int { platform.rmp.regionCount }
    /// The number of CPUs, online or not.
    public var cpuCount: Int { topology.cpuCount }
    /// The number of cores, each of which has an RMPOPT table.
    public var coreCount: Int { topology.coreCount }
    /// The CPUs that are online.
    public var onlineCPUs: CPUSet { topology.online }
    /// The core of each CPU.
    public var coreOfCPU: [Int] { topology.coreOfCPU }
    /// Where the RMP lies.
    public var rmpLayout: RMPLayout { firmware.layout }
    /// Where firmware's own pages lie.
    public var firmwarePages: FirmwarePages { firmware.pages }

    // MARK: RMPOPT tables

    /// Whether the region's bit of the CPU's core is set: what RMPOPT with function 1 answers there. False for a region
    /// or CPU that does not exist.
    public func isOptimized(region: Int, cpu: Int) -> Bool {
        guard hasRegion(region), hasCPU(cpu) else { return false }
        return platform.rmpopt.isSet(region: region, core: topology.coreOfCPU[cpu])
    }

    /// Whether the region lies in the 2 TB above the RMPOPT_BASE of the CPU's core, with RMPOPT_EN set. False for a
    /// region or CPU that does not exist.
    public func isInWindow(region: Int, cpu: Int) -> Bool {
        guard hasRegion(region), hasCPU(cpu) else { return false }
        return platform.rmpopt.isInWindow(region: region, core: topology.coreOfCPU[cpu])
    }

    /// The regions in the window of the CPU's core, those beyond the memory included; empty for a CPU that does not
    /// exist or whose RMPOPT_EN is 0.
    public func window(ofCPU cpu: Int) -> Range<Int> {
        guard let base = rmpoptBase(ofCPU: cpu), base.isEnabled else { return 0..<0 }
        return RMPOPTWindow.regions(from: base)
    }

    /// Calls `body` for every region in order with whether it is optimized on the CPU, as ``isOptimized(region:cpu:)``
    /// tells.
    public func forEachRegion<E: Error>(
        ofCPU cpu: Int,
        _ body: (_ region: Int, _ isOptimized: Bool) throws(E) -> Void
    ) throws(E) {
        guard hasCPU(cpu) else { return }
        let core = topology.coreOfCPU[cpu]
        var word = core >> 6
        for region in 0..<regionCount {
            try body(region, platform.rmpopt.bits[word] >> UInt64(core & 63) & 1 != 0)
            word += platform.rmpopt.wordsPerRow
        }
    }

    /// RMPOPT_BASE of the CPU's core; nil for a CPU that does not exist.
    public func rmpoptBase(ofCPU cpu: Int) -> RMPOPTBase? {
        hasCPU(cpu) ? platform.rmpopt.bases[topology.coreOfCPU[cpu]] : nil
    }

    /// On how many cores the region is optimized, 0 ... `coreCount`; 0 for a region that does not exist.
    public func optimizedCoreCount(ofRegion region: Int) -> Int {
        hasRegion(region) ? platform.rmpopt.setCores[region] : 0
    }

    /// The number of words in a region's row: 64 cores a word.
    public var wordsPerRow: Int { platform.rmpopt.wordsPerRow }

    /// Calls `body` with a region's row without copying it: bit c % 64 of word c / 64 is core c's bit. The row of a
    /// region that does not exist is empty.
    public func withRow<Result, E: Error>(
        ofRegion region: Int,
        _ body: (Span<UInt64>) throws(E) -> Result
    ) throws(E) -> Result {
        let words = platform.rmpopt.wordsPerRow
        let first = hasRegion(region) ? region * words : 0
        return try body(platform.rmpopt.bits.span.extracting(first..<(hasRegion(region) ? first + words : first)))
    }

    /// Whether two regions have the same row, so that the text of one serves for the other. False when one of them does
    /// not exist.
    public func hasEqualRows(_ left: Int, _ right: Int) -> Bool {
        guard hasRegion(left), hasRegion(right) else { return false }
        if platform.rmpopt.setCores[left] != platform.rmpopt.setCores[right] { return false }
        let words = platform.rmpopt.wordsPerRow
        for word in 0..<words
        where platform.rmpopt.bits[left * words + word] != platform.rmpopt.bits[right * words + word] {
            return false
        }
        return true
    }

    /// Grows with each change of any bit of any RMPOPT table: as long as it stays the same, so does every row.
    public var rowGeneration: UInt64 { platform.rmpopt.generation }

    /// Puts into `cpus` the online CPUs whose core has the region optimized, as RMPOPT with function 1 on every online
    /// CPU would tell (series v1 patch 6/6); takes all others out.
    public func collectOptimizedCPUs(ofRegion region: Int, into cpus: inout CPUSet) {
        cpus.removeAll()
        guard hasRegion(region) else { return }
        for cpu in 0..<topology.cpuCount
        where topology.online.contains(cpu) && platform.rmpopt.isSet(region: region, core: topology.coreOfCPU[cpu]) {
            cpus.insert(cpu)
        }
    }

    // MARK: Passes

    /// What series v1's `action` shows: set by a request, cleared at the end of every pass.
    public var optimizationInProgress: Bool { driver.flag }
    /// Whether a pass is running, whatever asked for it.
    public var passIsRunning: Bool { driver.running != nil }
    /// The pass that is running.
    public var runningPass: PassRecord? { driver.running?.record }
    /// The last 64 passes that have ended, oldest first.
    public var passes: [PassRecord] { driver.records }

    // MARK: Guests

    /// What is known of a guest; nil when there is none, or when it was removed.
    public func guest(_ id: GuestID) -> GuestInfo? {
        guard let guest = guests[id], !guest.isRemoved else { return nil }
        return guest.info
    }

    /// The guest of a name.
    public func guestID(named name: [UInt8]) -> GuestID? { guests.id(named: name) }

    /// All guests in the order of their creation.
    public var guestIDs: [GuestID] { guests.order.filter { guest($0) != nil } }

    /// The regions that hold memory of a running guest, or what is left of it of an ending one, ascending; empty for
    /// any other.
    public func regions(ofGuest id: GuestID) -> [Int] {
        guard let guest = guests[id], !guest.isRemoved else { return [] }
        var regions: [Int] = []
        for (number, run) in guest.frames.enumerated() where number >= guest.teardown.run {
            let first = run.first + (number == guest.teardown.run ? guest.teardown.offset : 0)
            for frame in first..<(run.first + run.count) where regions.last != frame >> 9 { regions.append(frame >> 9) }
        }
        return regions
    }

    // MARK: RMP

    /// RMPREAD of the page at `spa`; throws FAIL_INPUT when no RMP entry covers the address.
    public func rmpread(_ spa: SPA) throws(RMPCode) -> RMPReadOutput { try platform.rmp.read(spa.rawValue) }

    /// The RMP entry of a page; nil when the RMP does not cover it.
    public func rmpEntry(_ page: PFN) -> RMPEntry? {
        guard platform.rmp.covers(page.rawValue) else { return nil }
        let frame = Int(truncatingIfNeeded: page.rawValue >> 9)
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        return RMPEntry(rawLow: platform.rmp.entry(frame: frame, index: index).bits)
    }

    /// The 16 bytes of a page's RMP entry in raw form; nil when the RMP does not cover it.
    public func rawRMP(_ page: PFN) -> RawRMPEntry? {
        rmpEntry(page).map { RawRMPEntry($0, subpageCount: platform.rmp.subpageCount(page.rawValue)) }
    }

    /// The state of a page; nil for an entry that the manual's table of states does not know.
    public func pageState(_ page: PFN) -> PageState? { platform.rmp.state(of: page) }

    /// The raw low quadword of a page's RMP entry, with its subpage count; nil when the RMP does not cover it.
    public func rawRMPEntry(_ page: PFN) -> UInt64? {
        rmpEntry(page)?.rawLow(subpageCount: platform.rmp.subpageCount(page.rawValue))
    }

    /// The number of assigned 4 KB pages in a region, 0 ... 262,144; 0 for a region that does not exist.
    public func assignedPages(ofRegion region: Int) -> Int {
        hasRegion(region) ? platform.rmp.assignedPages[region] : 0
    }

    func hasRegion(_ region: Int) -> Bool { region >= 0 && region < platform.rmp.regionCount }
    private func hasCPU(_ cpu: Int) -> Bool { cpu >= 0 && cpu < topology.cpuCount }
}
