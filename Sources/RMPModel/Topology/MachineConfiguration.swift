// SPDX-License-Identifier: Apache-2.0
// Everything that must be known before a machine can boot, checked once, so that booting cannot fail.

/// A machine's configuration: its processor, CPUs, memory and firmware, the version of the patch series that it runs,
/// and how long things take.
///
/// Parts that must fit together are checked when they are combined, and cannot be set one by one afterwards. The others
/// can: any value of theirs fits any machine.
public struct MachineConfiguration: Sendable, Hashable {
    /// What the processor can do.
    public var processor: Processor
    /// The CPUs.
    public internal(set) var topology: Topology
    /// The memory.
    public internal(set) var memory: MemoryMap
    /// The distances between the nodes.
    public internal(set) var distances: NUMADistances
    /// Where the RMP is, as reserved by the BIOS.
    public internal(set) var rmp: RMPLayout
    /// Firmware's own pages, and those that may never be assigned.
    public internal(set) var firmware: FirmwarePages
    /// The version of the RMPOPT series that the host runs.
    public var series: Series {
        _read { yield boxedSeries.value }
        set { boxedSeries.value = newValue }
    }
    private var boxedSeries: Boxed<Series>
    /// Which 2 TB each core's table covers.
    public var windows: WindowPolicy
    /// How far the host boots, and what goes wrong on the way; ``booting(_:)`` changes it.
    public internal(set) var boot: BootPlan
    /// How long things take.
    public var costs: CostModel

    /// A uniform machine: one package, one node, one span of memory from 0, everything else at its default.
    ///
    /// - Parameters:
    ///   - cpus: 1 ... 8192.
    ///   - memoryBytes: 1 GB ... 64 TB, a multiple of 2 MB.
    ///   - series: the version of the series.
    /// - Throws: `ConfigurationError` naming the value and the limits.
    public init(cpus: Int, memoryBytes: UInt64, series: Series = .v1) throws(ConfigurationError) {
        try self.init(topology: Topology(cpus: cpus), memory: MemoryMap(bytes: memoryBytes), series: series)
    }

    /// A machine with the given CPUs and memory; the other parts default to what is usual for them.
    ///
    /// - Throws: `ConfigurationError` if the parts do not fit together.
    public init(
        processor: Processor = .venice,
        topology: Topology,
        memory: MemoryMap,
        distances: NUMADistances? = nil,
        rmp: RMPLayout? = nil,
        firmware: FirmwarePages? = nil,
        series: Series = .v1,
        windows: WindowPolicy = .series,
        boot: BootPlan = BootPlan(),
        costs: CostModel = .standard
    ) throws(ConfigurationError) {
        self.processor = processor
        self.topology = topology
        self.memory = memory
        self.distances = distances ?? NUMADistances(topology)
        let layout = rmp ?? RMPLayout(regionCount: memory.regionCount)
        self.rmp = layout
        self.firmware = firmware ?? FirmwarePages(memory: memory, layout: layout)
        boxedSeries = Boxed(series)
        self.windows = windows
        self.boot = boot
        self.costs = costs
        try check()
    }

    /// The same machine with another plan.
    ///
    /// - Throws: `ConfigurationError` if it does not fit the machine: the worker CPU must be present, and memory that
    ///   is added later must leave memory at boot, and hold neither the RMP nor firmware's own pages.
    public func booting(_ plan: BootPlan) throws(ConfigurationError) -> MachineConfiguration {
        var other = self
        other.boot = plan
        try other.check()
        return other
    }

    /// The same machine with the RMP of another host, whose entries say what firmware holds (``RMPAdoption``).
    ///
    /// - Throws: `ConfigurationError` if the layout does not fit the machine's memory.
    public func adopting(_ layout: RMPLayout) throws(ConfigurationError) -> MachineConfiguration {
        var other = self
        other.rmp = layout
        other.firmware = try FirmwarePages(assigned: [], hypervisorFixed: FirmwarePages.usualFixed)
        try other.check()
        return other
    }

    /// The addresses that come online only when memory is added; empty if all memory is online at boot.
    public var lateMemory: Range<UInt64> {
        let end = memory.end.rawValue
        let start = (end - min(end, boot.lateMemoryBytes)).alignedDown(to: Granularity.region)
        return boot.lateMemoryBytes == 0 ? end..<end : start..<end
    }

    /// Checks the rules between the parts.
    private func check() throws(ConfigurationError) {
        guard distances.rows.count == topology.nodeCount else {
            throw .distances("\(topology.nodeCount) rows of \(topology.nodeCount) numbers each are needed")
        }
        for span in memory.spans where span.node >= topology.nodeCount {
            throw .number("node of a memory span", span.node, limits: 0...(topology.nodeCount - 1))
        }
        let tables = rmp.segments.map(\.table)
        var taken: [(name: String, range: Range<UInt64>)] = [("the RMP's bookkeeping and segment table", rmp.head)]
        taken += tables.map { ("an RMP segment", $0) }
        taken += firmware.assigned.map { ("firmware's memory", $0) }
        for item in taken where !memory.contains(item.range) {
            throw .place(item.name, item.range, rule: "there is no memory; move it into a memory span")
        }
        let sorted = taken.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (left, right) in zip(sorted, sorted.dropFirst()) where left.range.upperBound > right.range.lowerBound {
            throw .overlap(right.range, with: left.name)
        }
        for fixed in firmware.hypervisorFixed + FirmwarePages.knownFixed(in: memory) {
            for item in sorted where item.range.overlaps(fixed) { throw .overlap(fixed, with: item.name) }
        }
        if !topology.present.contains(boot.workerCPU) {
            throw .number("worker CPU", boot.workerCPU, limits: 0...(topology.cpuCount - 1))
        }
        let late = boot.lateMemoryBytes
        guard late.isMultiple(of: Granularity.region), late < memory.end.rawValue else { throw .lateMemory(late) }
        for item in sorted where late > 0 && item.range.upperBound > lateMemory.lowerBound {
            throw .overlap(item.range, with: "memory that is added later")
        }
    }
}

/// How far a host boots before anything is asked of it, and what goes wrong on the way.
public struct BootPlan: Sendable, Hashable {
    /// How far the host boots.
    public enum Stage: Sendable, Hashable, CaseIterable {
        /// The kernel has booted; the ccp driver has not initialised SNP firmware.
        case kernel
        /// SNP_INIT_EX has succeeded and everything that it started has ended.
        case firmware
    }

    /// How far the host has booted.
    public var stage = Stage.firmware
    /// Virtual time from the end of everything that the kernel's boot started to the ccp driver's SNP_INIT_EX; a
    /// negative one counts as 0.
    public var firmwareDelay = Duration.seconds(1)
    /// Whether series v1's long path finds no memory for its lists: no RMPOPT_BASE is then programmed, but the thread
    /// still starts (series v1 patch 2/6).
    public var windowAllocationFails = false
    /// What the kernel cannot allocate when the driver of the series asks for it.
    public var driverFailures: Set<DriverFailure> = []
    /// How much of the kernel's log is shown.
    public var logView = LogView.plain
    /// The CPU on which unbound work and timers run while it is online; otherwise they run on the first online CPU. A
    /// choice: a kernel lets them run anywhere.
    public var workerCPU = 0
    /// Whether KVM is built into the kernel: SNP_INIT_EX then comes before the kernel's own device initcalls.
    public var kvmIsBuiltIn = false
    /// Memory at the end of the machine's memory that comes online only when it is added, in bytes: a multiple of 1 GB.
    public var lateMemoryBytes: UInt64 = 0

    /// A host that has booted without trouble.
    public init() {}
}
