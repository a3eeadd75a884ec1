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
            // Most rows hold no core or all. The counts lie side by side, the rows of large machines far apart.
            let cores = platform.rmpopt.setCores[region]
            let isSet = cores != 0 && (cores == coreCount || platform.rmpopt.bits[word] >> UInt64(core & 63) & 1 != 0)
            try body(region, isSet)
            word += platform.rmpopt.wordsPerRow
        }
    }

    /// The windows of all cores with RMPOPT enabled, each with the CPUs of its cores, in the order of their first core.
    public var windows: [(regions: Range<Int>, cpus: CPUSet)] {
        platform.rmpopt.windows.map { window in
            var cpus = CPUSet(limit: cpuCount)
            for cpu in 0..<cpuCount {
                let core = topology.coreOfCPU[cpu]
                if window.cores[core >> 6] >> UInt64(core & 63) & 1 != 0 { cpus.insert(cpu) }
            }
            return (window.regions, cpus)
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
        let cores = platform.rmpopt.setCores[left]
        if cores != platform.rmpopt.setCores[right] { return false }
        // Rows that hold none or all of the cores, as most do, need no comparison.
        if cores == 0 || cores == coreCount { return true }
        let words = platform.rmpopt.wordsPerRow
        for word in 0..<words
        where platform.rmpopt.bits[left * words + word] != platform.rmpopt.bits[right * words + word] {
            return false
        }
        return true
    }

    /// Grows with each change of any bit of any RMPOPT table, of RMPOPT_BASE, of SNP_EN and of the online CPUs: as long
    /// as it stays the same, so does every text about them.
    public var rowGeneration: UInt64 { platform.rmpopt.generation &+ platform.events.generation }

    /// Puts into `cpus` the online CPUs on which the region is optimized, and takes all others out: those whose core
    /// has its bit set. ``isOptimized(region:cpu:)`` says the same of one CPU; every report goes by these two.
    public func collectOptimizedCPUs(ofRegion region: Int, into cpus: inout CPUSet) {
        guard hasRegion(region), platform.rmpopt.setCores[region] > 0 else { return cpus.removeAll() }
        withRow(ofRegion: region) { collectCPUs(ofCores: $0, into: &cpus) }
        cpus.formIntersection(topology.online)
    }

    /// Puts into `cpus` the CPUs of some cores, online or not, and takes all others out.
    /// - Parameter cores: a mask of cores, in words of 64.
    func collectCPUs(ofCores cores: Span<UInt64>, into cpus: inout CPUSet) {
        cpus.removeAll()
        // CPU numbers are those of all cores' first threads, then those of their second ones.
        for first in stride(from: 0, to: cpuCount, by: coreCount) { cpus.insert(mask: cores, from: first) }
    }

    /// The regions from the start of memory to its end, holes included.
    public var configuredRegions: Range<Int> { Int(configuration.memory.start.region)..<regionCount }

    /// What is optimized where, for all of ``configuredRegions``.
    public var optimizationMap: OptimizationMap {
        var map = OptimizationMap(online: onlineCPUs, from: configuredRegions.lowerBound)
        var cpus = CPUSet(limit: cpuCount)
        for region in configuredRegions {
            // Rows come in runs of equal ones.
            if region > configuredRegions.lowerBound && hasEqualRows(region - 1, region) {
                map.appendLast()
            } else {
                collectOptimizedCPUs(ofRegion: region, into: &cpus)
                map.append(cpus)
            }
        }
        return map
    }

    // MARK: Passes

    /// What series v1's `action` shows: set by a request, cleared at the end of every pass.
    public var optimizationInProgress: Bool { driver.flag }
    /// Whether a pass is running, whatever asked for it.
    public var passIsRunning: Bool { driver.running != nil }
    /// The pass that waits for its delay, or for the running one.
    public var pendingPass: PendingPass? { driver.pending }
    /// How many requests had an outcome since boot.
    public func requests(_ outcome: RequestOutcome) -> UInt64 { platform.events.passes.outcomes[outcome] ?? 0 }
    /// How many passes have begun since boot.
    public var passCount: UInt64 { platform.events.passes.count }
    /// The pass that is running.
    public var runningPass: PassRecord? { driver.running?.record }
    /// The last 64 passes that have ended, oldest first.
    public var passes: [PassRecord] { platform.events.passes.records }
    /// What all passes that have ended since the kernel started have cost together.
    public var passTotals: PassTotals { platform.events.passes.totals }

    // MARK: Host

    /// Where SNP firmware is in its life.
    public var firmwareState: FirmwareState { firmware.state }
    /// How many SNP_INIT_EX commands are still to fail.
    public var firmwareFailuresLeft: UInt64 { firmware.failuresLeft }
    /// How many SNP_DECOMMISSION commands are still to fail.
    public var decommissionFailuresLeft: UInt64 { firmware.decommissionFailuresLeft }
    /// Whether `action` and `description` are in configfs.
    public var hasConfigfs: Bool { driver.hasConfigfs }
    /// Whether processor, RMP and its form allow RMPOPT at all.
    public var isRMPOPTPossible: Bool {
        isSNPPossible && configuration.processor.rmpopt && (firmware.layout.isSegmented || hasFeatureFlag)
    }
    /// Whether SYSCFG.SNP_EN is set, so that RMP checks are done.
    public var isSNPEnabled: Bool { platform.snpEnabled }
    /// Whether the driver of the series is set up, so that passes are possible.
    public var isDriverSetUp: Bool { driver.isSetUp }
    /// Whether CPU hotplug is forbidden now.
    public var isHotplugForbidden: Bool { hotplugIsForbidden }
    /// The CPUs that are there, online or not.
    public var presentCPUs: CPUSet { topology.present }
    /// How many #UD faults the kernel took because it executed RMPOPT on a core whose RMPOPT_EN is 0.
    public var undefinedOpcodes: UInt64 { platform.events.opcodeFaults }
    /// The kernel's log, oldest line first; debug lines among them.
    public var logLines: [LogLine] { platform.events.log.lines }
    /// Whether the kernel's `rmpopt-table` is there.
    public var hasTable: Bool { driver.hasTable }
    /// The number of the table that is there: another one each time it was removed and made again. nil for none.
    public var tableNumber: Int? { driver.hasTable ? driver.tablesMade : nil }
    /// The regions of which the kernel's `rmpopt-table` has a line; none where it has been cleaned up.
    public var tableRegions: Range<Int> {
        let first = configuredRegions.lowerBound
        guard let table = configuration.series.table, driver.hasTable else { return first..<first }
        // Without a limit the iterator goes by the kernel's end of memory, else by the range of set-up.
        return table.limit == nil ? first..<endOfMemory : driver.range
    }

    /// Whether the memory that the configuration keeps for later is online; true where there is none.
    public var hasAllMemory: Bool { hasLateMemory }

    /// The memory that a guest could get, in bytes: whole 2 MB frames that nobody holds, wherever they are.
    public var freeMemory: UInt64 {
        let allocator = guests.allocator
        let frames = allocator.free(in: allocator.memory(ofNode: nil), avoiding: platform.rmp.assignedFrames)
        return UInt64(frames) * Granularity.frame
    }

    // MARK: Events

    /// Records what happens from now on, at most so many events, the oldest of which go first; nil stops and forgets.
    public mutating func recordEvents(limit: Int?) { platform.events.record(limit: limit) }

    /// The events recorded since the last call, oldest first, and how many were dropped.
    public mutating func takeEvents() -> (events: [TimedEvent], lost: UInt64) { platform.events.takeRecorded() }

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

    // MARK: Registers

    /// RDMSR on a CPU that is online.
    ///
    /// - Throws: `.generalProtection` for a register or CPU that is not there.
    public func rdmsr(_ number: UInt32, cpu: Int) throws(MSRFault) -> UInt64 {
        guard hasCPU(cpu), topology.online.contains(cpu) else { throw .generalProtection }
        return try platform.rdmsr(number, cpu: cpu, core: topology.coreOfCPU[cpu])
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

    /// The state of a page, Default for one without an RMP entry; nil for an entry that no row of the manual's table
    /// describes.
    public func pageState(_ page: PFN) -> PageState? { platform.rmp.state(of: page) }

    /// The number of assigned 4 KB pages in a region, 0 ... 262,144; 0 for a region that does not exist.
    public func assignedPages(ofRegion region: Int) -> Int {
        hasRegion(region) ? platform.rmp.assignedPages[region] : 0
    }

    func hasRegion(_ region: Int) -> Bool { region >= 0 && region < platform.rmp.regionCount }
    private func hasCPU(_ cpu: Int) -> Bool { cpu >= 0 && cpu < topology.cpuCount }
}
