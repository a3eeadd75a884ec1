// SPDX-License-Identifier: Apache-2.0
// What can be asked of a machine without changing it. Nothing here advances time: the caller does that first.

extension Machine {
    /// The number of regions in a pass' range: the end of memory aligned up to 1 GB, divided by 1 GB.
    public var regionCount: Int { platform.rmp.regionCount }
    /// The number of CPUs, online or not.
    public var cpuCount: Int { topology.cpuCount }
    /// The number of cores; each has an RMPOPT table.
    public var coreCount: Int { topology.coreCount }
    /// The online CPUs.
    public var onlineCPUs: CPUSet { topology.online }
    /// The core of each CPU.
    public var coreOfCPU: [Int] { topology.coreOfCPU }
    /// Where the RMP is.
    public var rmpLayout: RMPLayout { firmware.layout }
    /// Where firmware's own pages are.
    public var firmwarePages: FirmwarePages { firmware.pages }

    // MARK: RMPOPT tables

    /// Whether the region's bit of the CPU's core is set: the answer of RMPOPT with function 1. False for a region or
    /// CPU that does not exist.
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

    /// The regions in the window of the CPU's core, including those beyond memory; empty for a CPU that does not exist
    /// or whose RMPOPT_EN is 0.
    public func window(ofCPU cpu: Int) -> Range<Int> {
        guard let base = rmpoptBase(ofCPU: cpu), base.isEnabled else { return 0..<0 }
        return RMPOPTWindow.regions(from: base)
    }

    /// Calls `body` for every region in order, with whether it is optimized on the CPU (see
    /// ``isOptimized(region:cpu:)``).
    public func forEachRegion<E: Error>(
        ofCPU cpu: Int,
        _ body: (_ region: Int, _ isOptimized: Bool) throws(E) -> Void
    ) throws(E) {
        guard hasCPU(cpu) else { return }
        let core = topology.coreOfCPU[cpu]
        var word = core >> 6
        for region in 0..<regionCount {
            // Most rows hold no core or all. The counts are adjacent in memory; the rows of large machines are far
            // apart.
            let cores = platform.rmpopt.setCores[region]
            let isSet = cores != 0 && (cores == coreCount || platform.rmpopt.bits[word] >> UInt64(core & 63) & 1 != 0)
            try body(region, isSet)
            word += platform.rmpopt.wordsPerRow
        }
    }

    /// The windows of all cores with RMPOPT enabled, each with the CPUs of its cores, ordered by first core.
    public var windows: [(regions: Range<Int>, cpus: CPUSet)] {
        platform.rmpopt.windows.map { window in
            var cpus = CPUSet(limit: cpuCount)
            for cpu in 0..<cpuCount {
                let core = topology.coreOfCPU[cpu]
                if window.cores.contains(core) { cpus.insert(cpu) }
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

    /// The number of words in a region's row, with 64 cores a word.
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

    /// Whether two regions have the same row, so that the text of one also fits the other. False if one of them does
    /// not exist.
    public func hasEqualRows(_ left: Int, _ right: Int) -> Bool {
        guard hasRegion(left), hasRegion(right) else { return false }
        let cores = platform.rmpopt.setCores[left]
        if cores != platform.rmpopt.setCores[right] { return false }
        // Rows that hold none or all of the cores, which is most rows, need no comparison.
        if cores == 0 || cores == coreCount { return true }
        let words = platform.rmpopt.wordsPerRow
        for word in 0..<words
        where platform.rmpopt.bits[left * words + word] != platform.rmpopt.bits[right * words + word] {
            return false
        }
        return true
    }

    /// The regions from `region` on, that one included, whose rows are equal to its own; at most `limit` of them.
    public func equalRows(from region: Int, limit: Int) -> Range<Int> {
        var end = region + 1
        guard hasRegion(region) else { return region..<end }
        let last = min(regionCount, region + limit)
        let cores = platform.rmpopt.setCores[region]
        if cores == 0 || cores == coreCount {
            // As ``hasEqualRows(_:_:)``, for nearly all rows.
            while end < last && platform.rmpopt.setCores[end] == cores { end += 1 }
        } else {
            while end < last && hasEqualRows(end, region) { end += 1 }
        }
        return region..<end
    }

    /// Grows with each change of any bit of any RMPOPT table, of RMPOPT_BASE, of SNP_EN and of the online CPUs: while
    /// it stays the same, so does every text about them.
    public var rowGeneration: UInt64 { platform.rmpopt.generation &+ platform.events.generation }

    /// Sets `cpus` to the online CPUs on which the region is optimized: those whose core has its bit set.
    /// ``isOptimized(region:cpu:)`` says the same of one CPU; every report uses one of these two.
    public func collectOptimizedCPUs(ofRegion region: Int, into cpus: inout CPUSet) {
        guard hasRegion(region), platform.rmpopt.setCores[region] > 0 else { return cpus.removeAll() }
        withRow(ofRegion: region) { collectCPUs(ofCores: $0, into: &cpus) }
        cpus.formIntersection(topology.online)
    }

    /// Sets `cpus` to the CPUs of some cores, online or not.
    /// - Parameter cores: a mask of cores, in words of 64.
    func collectCPUs(ofCores cores: Span<UInt64>, into cpus: inout CPUSet) {
        cpus.removeAll()
        // CPU numbers: first the first threads of all cores, then their second threads.
        for first in stride(from: 0, to: cpuCount, by: coreCount) { cpus.insert(mask: cores, from: first) }
    }

    /// The regions from the start of memory to its end, including holes.
    public var configuredRegions: Range<Int> { configuration.memory.start.region..<regionCount }

    /// Which regions are optimized on which CPUs, for all of ``configuredRegions``.
    public var optimizationMap: OptimizationMap {
        var map = OptimizationMap(online: onlineCPUs, from: configuredRegions.lowerBound)
        var cpus = CPUSet(limit: cpuCount)
        for region in configuredRegions {
            // Equal rows come in runs.
            if region > configuredRegions.lowerBound && hasEqualRows(region - 1, region) {
                map.appendLast()
            } else {
                collectOptimizedCPUs(ofRegion: region, into: &cpus)
                map.append(cpus)
            }
        }
        return map
    }

    /// The regions that are optimized on every online CPU, ascending.
    public var optimizedRegions: [Int] {
        var cpus = CPUSet(limit: cpuCount)
        return (0..<regionCount).filter {
            if optimizedCoreCount(ofRegion: $0) == coreCount { return true }
            collectOptimizedCPUs(ofRegion: $0, into: &cpus)
            return cpus == topology.online
        }
    }

    // MARK: Passes

    /// What series v1's `action` shows: set by a request, cleared at the end of every pass.
    public var optimizationInProgress: Bool { driver.flag }
    /// Whether a pass is running, whatever requested it.
    public var passIsRunning: Bool { driver.running != nil }
    /// The pass that waits for its delay, or for the running pass to end.
    public var pendingPass: PendingPass? { driver.pending }
    /// How many requests since boot had this outcome.
    public func requests(_ outcome: RequestOutcome) -> UInt64 { platform.events.passes.outcomes[outcome] ?? 0 }
    /// How many passes have begun since boot.
    public var passCount: UInt64 { platform.events.passes.count }
    /// The running pass.
    public var runningPass: PassRecord? { driver.running?.record }
    /// The last 64 ended passes, oldest first.
    public var passes: [PassRecord] { platform.events.passes.records }
    /// Totals over all passes that have ended since the kernel started.
    public var passTotals: PassTotals { platform.events.passes.totals }

    // MARK: Host

    /// The state of SNP firmware.
    public var firmwareState: FirmwareState { firmware.state }
    /// How many more SNP_INIT_EX commands will fail.
    public var firmwareFailuresLeft: UInt64 { firmware.failuresLeft }
    /// How many more SNP_DECOMMISSION commands will fail.
    public var decommissionFailuresLeft: UInt64 { firmware.decommissionFailuresLeft }
    /// Whether configfs has `action` and `description`.
    public var hasConfigfs: Bool { driver.hasConfigfs }
    /// Whether the processor and the RMP's location and form allow RMPOPT at all.
    public var isRMPOPTPossible: Bool {
        isSNPPossible && configuration.processor.rmpopt && (firmware.layout.isSegmented || hasFeatureFlag)
    }
    /// Whether SYSCFG.SNP_EN is set, so that RMP checks are active.
    public var isSNPEnabled: Bool { platform.snpEnabled }
    /// Whether the driver of the series is set up, so that passes are possible.
    public var isDriverSetUp: Bool { driver.isSetUp }
    /// Whether CPU hotplug is currently forbidden.
    public var isHotplugForbidden: Bool { hotplugIsForbidden }
    /// The present CPUs, online or not.
    public var presentCPUs: CPUSet { topology.present }
    /// How many #UD faults the kernel took by executing RMPOPT on a core whose RMPOPT_EN is 0.
    public var undefinedOpcodes: UInt64 { platform.events.opcodeFaults }
    /// The kernel's log, oldest line first, including debug lines.
    public var logLines: [LogLine] { platform.events.log.lines }
    /// Whether the kernel's `rmpopt-table` exists.
    public var hasDebugfsTable: Bool { driver.hasDebugfsTable }
    /// Whether it exists and has one more line than there are regions.
    public var debugfsTableHasEndLine: Bool {
        driver.hasDebugfsTable && driver.series.debugfsTable?.hasEndLine == true
    }
    /// The number of the existing table, which changes each time it is removed and made again. nil if there is no
    /// table.
    public var debugfsTableNumber: Int? { driver.hasDebugfsTable ? driver.debugfsTablesMade : nil }
    /// The regions that have a line in the kernel's `rmpopt-table`; none after it has been cleaned up.
    public var tableRegions: Range<Int> {
        let first = configuredRegions.lowerBound
        guard let table = configuration.series.debugfsTable, driver.hasDebugfsTable else { return first..<first }
        // Without a limit the iterator stops at the kernel's end of memory, otherwise at the end of the range from
        // set-up.
        return table.limit == nil ? first..<endOfMemory : driver.range
    }

    /// Whether the memory that the configuration keeps for later is online; true if there is none.
    public var hasAllMemory: Bool { hasLateMemory }

    /// The memory that a guest could get, in bytes: whole free 2 MB chunks, wherever they are.
    public var freeMemory: UInt64 {
        let allocator = guests.allocator
        let chunks = allocator.free(in: allocator.memory(ofNode: nil), avoiding: platform.rmp.assignedChunks)
        return UInt64(chunks) * Granularity.chunk
    }

    // MARK: Events

    /// Records events from now on, at most `limit` of them, dropping the oldest first; nil stops recording and forgets
    /// them.
    public mutating func recordEvents(limit: Int?) { platform.events.record(limit: limit) }

    /// The events recorded since the last call, oldest first, and how many were dropped.
    public mutating func takeEvents() -> (events: [TimedEvent], lost: UInt64) { platform.events.takeRecorded() }

    /// The events since boot, as far as they are kept.
    public var eventLog: EventLog { platform.events.history }

    // MARK: Guests

    /// The state of a guest; nil if it does not exist or was removed.
    public func guest(_ id: GuestID) -> GuestInfo? {
        guard let guest = guests[id], !guest.isRemoved else { return nil }
        return guest.info
    }

    /// The guest with a name.
    public func guestID(named name: String) -> GuestID? { guests.id(named: GuestName(name)) }

    /// The guest with a name that may not be UTF-8.
    public func guestID(named name: GuestName) -> GuestID? { guests.id(named: name) }

    /// All guests in order of creation.
    public var guestIDs: [GuestID] { guests.order.filter { guest($0) != nil } }

    // MARK: Registers

    /// RDMSR on an online CPU.
    ///
    /// - Throws: `.generalProtection` for a register that does not exist or a CPU that is not online.
    public func rdmsr(_ number: UInt32, cpu: Int) throws(MSRFault) -> UInt64 {
        guard hasCPU(cpu), topology.online.contains(cpu) else { throw .generalProtection }
        return try platform.rdmsr(number, cpu: cpu, core: topology.coreOfCPU[cpu])
    }

    // MARK: RMP

    /// RMPREAD of the page at `spa`; throws FAIL_INPUT if no RMP entry covers the address.
    public func rmpread(_ spa: SPA) throws(RMPCode) -> RMPReadOutput { try platform.rmp.read(spa.rawValue) }

    /// The RMP entry of a page; nil if the RMP does not cover it.
    public func rmpEntry(_ page: PFN) -> RMPEntry? {
        guard platform.rmp.covers(page.rawValue) else { return nil }
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        return RMPEntry(rawLow: platform.rmp.entry(chunk: chunk, index: index).bits)
    }

    /// The 16 bytes of a page's RMP entry in raw form; nil if the RMP does not cover it.
    public func rawRMP(_ page: PFN) -> RawRMPEntry? {
        rmpEntry(page).map { RawRMPEntry($0, subpageCount: platform.rmp.subpageCount(page.rawValue)) }
    }

    /// The state of a page, which is Default for one without an RMP entry; nil for an entry that matches no row of the
    /// manual's table.
    public func pageState(_ page: PFN) -> PageState? { platform.rmp.state(of: page) }

    /// The number of assigned 4 KB pages in a region, 0 ... 262,144; 0 for a region that does not exist.
    public func assignedPages(ofRegion region: Int) -> Int {
        hasRegion(region) ? platform.rmp.assignedPages(ofRegion: region) : 0
    }

    func hasRegion(_ region: Int) -> Bool { region >= 0 && region < platform.rmp.regionCount }
    private func hasCPU(_ cpu: Int) -> Bool { cpu >= 0 && cpu < topology.cpuCount }
}
