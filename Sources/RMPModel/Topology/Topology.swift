// SPDX-License-Identifier: Apache-2.0
// Which CPU is a thread of which core, node and package: RMPOPT tables belong to cores, passes run on chosen threads.

/// Where one CPU sits.
public struct CPUPlace: Sendable, Hashable {
    /// The package (socket), from 0.
    public var package: Int
    /// The NUMA node, from 0.
    public var node: Int
    /// The core, from 0, numbered through the whole machine.
    public var core: Int
    /// The thread within its core, from 0.
    public var thread: Int
}

/// The CPUs of a machine and their places.
///
/// CPU numbers are Linux's: 0 ..< `cpuCount`. An RMPOPT table and RMPOPT_BASE belong to a core, whose threads share
/// them (Ashish Kalra, 2026-03-04: RMPOPT on one thread also programs the sibling's table).
public struct Topology: Sendable, Hashable {
    /// The numbers of CPUs that a machine can have: 1 ... 8192, Linux's NR_CPUS for x86 with MAXSMP.
    public static let cpuLimits = 1...8192

    /// The place of each CPU.
    public let places: [CPUPlace]
    /// The core of each CPU: `places[cpu].core`, kept side by side for the renderers' inner loops.
    public let coreOfCPU: [Int]
    /// The number of cores.
    public let coreCount: Int
    /// The CPUs that are online; at boot, all of them.
    public internal(set) var online: CPUSet

    /// The number of CPUs, online or not.
    public var cpuCount: Int { places.count }

    /// A machine of one package and one node with `cpus` CPUs: two threads a core when the number is even, one when it
    /// is odd. The threads of core c are CPU c and CPU c + cores, as Linux numbers them.
    ///
    /// - Throws: `ConfigurationError.cpus` when the number is outside `cpuLimits`.
    public init(cpus: Int) throws(ConfigurationError) {
        guard Topology.cpuLimits.contains(cpus) else { throw .cpus(cpus, limits: Topology.cpuLimits) }
        let threads = cpus.isMultiple(of: 2) ? 2 : 1
        let cores = cpus / threads
        places = (0..<cpus).map { CPUPlace(package: 0, node: 0, core: $0 % cores, thread: $0 / cores) }
        coreOfCPU = places.map(\.core)
        coreCount = cores
        online = CPUSet(all: cpus)
    }

    /// One thread of each core that has any online: the first online one in CPU order.
    ///
    /// Source: series v1 patch 4/6 (primary or first online thread of each core).
    public var primaryThreads: CPUSet {
        var primaries = CPUSet(limit: cpuCount)
        var seen = CPUSet(limit: coreCount)
        for cpu in 0..<cpuCount where online.contains(cpu) && !seen.contains(coreOfCPU[cpu]) {
            seen.insert(coreOfCPU[cpu])
            primaries.insert(cpu)
        }
        return primaries
    }
}
