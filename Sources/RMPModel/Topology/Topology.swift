// SPDX-License-Identifier: Apache-2.0
// Which core, node and package each CPU belongs to: RMPOPT tables belong to cores, and passes run on chosen threads.

/// Where one CPU is.
public struct CPUPlace: Sendable, Hashable {
    /// The package (socket), from 0.
    public var package: Int
    /// The NUMA node, from 0.
    public var node: Int
    /// The core, from 0, numbered across the whole machine.
    public var core: Int
    /// The thread within its core, from 0. Thread 0 is the primary one: the low bits of its APIC id are 0.
    public var thread: Int

    /// A place by its numbers.
    public init(package: Int, node: Int, core: Int, thread: Int) {
        self.package = package
        self.node = node
        self.core = core
        self.thread = thread
    }
}

/// The packages of a machine and their contents; all packages are alike.
public struct TopologyShape: Sendable, Hashable {
    /// Packages (sockets), 1 or more.
    public var packages: Int
    /// NPS: NUMA nodes in a package, 1, 2 or 4 as the BIOS of EPYC offers them.
    public var nodesPerPackage: Int
    /// Cores in a package, a multiple of `nodesPerPackage`.
    public var coresPerPackage: Int
    /// Threads in a core: 1 or 2 (SMT).
    public var threadsPerCore: Int
    /// Nodes with memory but no CPUs (CXL), numbered after those of the packages.
    public var memoryOnlyNodes: Int

    /// A shape by its numbers; checked by ``Topology/init(_:present:online:)``.
    public init(
        packages: Int = 1,
        nodesPerPackage: Int = 1,
        coresPerPackage: Int,
        threadsPerCore: Int = 2,
        memoryOnlyNodes: Int = 0
    ) {
        self.packages = packages
        self.nodesPerPackage = nodesPerPackage
        self.coresPerPackage = coresPerPackage
        self.threadsPerCore = threadsPerCore
        self.memoryOnlyNodes = memoryOnlyNodes
    }
}

/// The CPUs of a machine and their places.
///
/// CPU numbers are Linux's: 0 ..< `cpuCount`, first the primary threads of all cores, then their siblings. An RMPOPT
/// table and RMPOPT_BASE belong to a core, whose threads share them (Ashish Kalra, 2026-03-04: RMPOPT on one thread
/// also programs the sibling's table).
public struct Topology: Sendable, Hashable {
    /// The numbers of CPUs that a machine can have: 1 ... 8192, Linux's NR_CPUS for x86 with MAXSMP.
    public static let cpuLimits = 1...8192
    /// The numbers of NUMA nodes that a machine can have: Linux's MAX_NUMNODES for x86 with MAXSMP.
    public static let nodeLimits = 1...1024

    /// The place of each possible CPU.
    public let places: [CPUPlace]
    /// The core of each CPU: `places[cpu].core`, kept contiguous for the renderers' inner loops.
    public let coreOfCPU: [Int]
    /// The number of cores.
    public let coreCount: Int
    /// The number of packages.
    public let packageCount: Int
    /// The number of NUMA nodes, including memory-only ones.
    public let nodeCount: Int
    /// The package of each node that has CPUs; nil for a memory-only one.
    public let packageOfNode: [Int?]
    /// The present CPUs, online or not.
    public let present: CPUSet
    /// The CPUs that are online, a subset of `present`.
    public internal(set) var online: CPUSet

    /// The number of possible CPUs, present or not.
    public var cpuCount: Int { places.count }

    /// A machine of one package and one node with `cpus` CPUs: two threads a core if the number is even, one if it is
    /// odd.
    ///
    /// - Throws: `ConfigurationError.cpus` when the number is outside `cpuLimits`.
    public init(cpus: Int) throws(ConfigurationError) {
        guard Topology.cpuLimits.contains(cpus) else { throw .cpus(cpus, limits: Topology.cpuLimits) }
        let threads = cpus.isMultiple(of: 2) ? 2 : 1
        try self.init(TopologyShape(coresPerPackage: cpus / threads, threadsPerCore: threads))
    }

    /// A machine with a given shape.
    ///
    /// - Parameters:
    ///   - shape: packages, nodes, cores, threads.
    ///   - present: the present CPUs; nil for all.
    ///   - online: the CPUs that are online at boot; nil for all present ones.
    /// - Throws: `ConfigurationError` naming the value and the limits.
    public init(
        _ shape: TopologyShape,
        present: CPUSet? = nil,
        online: CPUSet? = nil
    ) throws(ConfigurationError) {
        guard 1...64 ~= shape.packages else { throw .number("packages", shape.packages, limits: 1...64) }
        guard [1, 2, 4].contains(shape.nodesPerPackage) else { throw .nodesPerPackage(shape.nodesPerPackage) }
        guard 1...2 ~= shape.threadsPerCore else {
            throw .number("threads per core", shape.threadsPerCore, limits: 1...2)
        }
        let limits = Topology.cpuLimits
        guard 0...limits.upperBound ~= shape.coresPerPackage else { throw .cpus(shape.coresPerPackage, limits: limits) }
        let cores = shape.packages * shape.coresPerPackage
        let cpus = cores * shape.threadsPerCore
        guard limits ~= cpus else { throw .cpus(cpus, limits: limits) }
        guard shape.coresPerPackage.isMultiple(of: shape.nodesPerPackage) else {
            throw .coresPerNode(cores: shape.coresPerPackage, nodes: shape.nodesPerPackage)
        }
        let cpuNodes = shape.packages * shape.nodesPerPackage
        let memoryOnly = Topology.nodeLimits.upperBound - cpuNodes
        guard 0...memoryOnly ~= shape.memoryOnlyNodes else {
            throw .number("memory-only nodes", shape.memoryOnlyNodes, limits: 0...memoryOnly)
        }
        let coresPerNode = shape.coresPerPackage / shape.nodesPerPackage
        places = (0..<cpus).map { cpu in
            let core = cpu % cores
            return CPUPlace(
                package: core / shape.coresPerPackage,
                node: core / coresPerNode,
                core: core,
                thread: cpu / cores
            )
        }
        coreOfCPU = places.map(\.core)
        coreCount = cores
        packageCount = shape.packages
        nodeCount = cpuNodes + shape.memoryOnlyNodes
        packageOfNode =
            (0..<cpuNodes).map { $0 / shape.nodesPerPackage } + Array(repeating: nil, count: shape.memoryOnlyNodes)
        self.present = Topology.resized(present ?? CPUSet(all: cpus), to: cpus)
        self.online = Topology.resized(online ?? self.present, to: cpus)
        var first: Int?
        self.online.forEachRun { run in first = first ?? run.lowerBound }
        guard first != nil else { throw .noCPUOnline }
        for cpu in 0..<cpus where self.online.contains(cpu) && !self.present.contains(cpu) {
            throw .onlineNotPresent(cpu)
        }
    }

    private static func resized(_ set: CPUSet, to limit: Int) -> CPUSet {
        if set.limit == limit { return set }
        var resized = CPUSet(limit: limit)
        set.forEachRun { run in for cpu in run { resized.insert(cpu) } }
        return resized
    }

    /// One thread of each core that has one online: the first online one in CPU order.
    ///
    /// Source: series v1 patch 2/6 (primary or first online thread of each core).
    public var firstOnlineThreads: CPUSet {
        var first = CPUSet(limit: cpuCount)
        var seen = CoreSet(limit: coreCount)
        for cpu in 0..<cpuCount where online.contains(cpu) && !seen.contains(coreOfCPU[cpu]) {
            seen.insert(coreOfCPU[cpu])
            first.insert(cpu)
        }
        return first
    }

    /// The online CPUs that are thread 0 of their core. A core whose primary thread is offline is not represented.
    ///
    /// Source: series v5 patch 2/7; K Prateek Nayak, 2026-06-17 (primary: low bits of the APIC id are 0).
    public var onlinePrimaryThreads: CPUSet {
        var primaries = CPUSet(limit: cpuCount)
        for cpu in 0..<cpuCount where places[cpu].thread == 0 && online.contains(cpu) { primaries.insert(cpu) }
        return primaries
    }

    /// The CPUs that a rule currently selects.
    func select(_ selection: CPUSelection) -> CPUSet {
        switch selection {
        case .firstOnlineThreads: firstOnlineThreads
        case .allOnline: online
        case .onlinePrimaryThreads: onlinePrimaryThreads
        }
    }

    /// The threads of a core, ascending.
    func threads(ofCore core: Int) -> [Int] {
        // CPU numbers: first the first threads of all cores, then their second threads.
        Array(stride(from: core, to: cpuCount, by: coreCount))
    }

    /// The cores of some CPUs.
    func cores(of cpus: CPUSet) -> CoreSet {
        var cores = CoreSet(limit: coreCount)
        cpus.forEachRun { run in for cpu in run { cores.insert(coreOfCPU[cpu]) } }
        return cores
    }
}
