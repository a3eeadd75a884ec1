// SPDX-License-Identifier: Apache-2.0
// Everything that must be known before a machine can boot, checked once, so that booting cannot fail.

/// Why a machine cannot be built as asked for.
public enum ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The number of CPUs is outside the limits.
    case cpus(Int, limits: ClosedRange<Int>)
    /// The size of the memory, in bytes, is outside the limits.
    case memory(UInt64, limits: ClosedRange<UInt64>)
    /// The size of the memory, in bytes, is not a multiple of 2 MB.
    case memoryGranularity(UInt64)

    /// The error as a sentence that names value and remedy.
    public var description: String {
        switch self {
        case .cpus(let value, let limits):
            "\(value) CPUs: a machine has \(limits.lowerBound) to \(limits.upperBound)"
        case .memory(let value, let limits):
            "\(value) bytes of memory: a machine has \(limits.lowerBound >> 30) GB (\(limits.lowerBound) bytes) to "
                + "\(limits.upperBound >> 40) TB (\(limits.upperBound) bytes)"
        case .memoryGranularity(let value):
            "\(value) bytes of memory: the size must be a multiple of 2 MB, such as "
                + "\(value.alignedDown(to: Granularity.frame)) bytes"
        }
    }
}

/// A machine as ordered: CPUs, memory, the version of the patch series that it runs, and its cost model.
public struct MachineConfiguration: Sendable, Hashable {
    /// The CPUs.
    public var topology: Topology
    /// The memory.
    public var memory: MemoryMap
    /// The version of the RMPOPT series that the host runs.
    public var series: Series
    /// How long things take.
    public var costs: CostModel

    /// A uniform machine: one package, one node, one span of memory from 0, series v1, the default cost model.
    ///
    /// - Parameters:
    ///   - cpus: 1 ... 8192.
    ///   - memoryBytes: 1 GB ... 64 TB, a multiple of 2 MB.
    /// - Throws: `ConfigurationError` naming the value and the limits.
    public init(cpus: Int, memoryBytes: UInt64) throws(ConfigurationError) {
        topology = try Topology(cpus: cpus)
        memory = try MemoryMap(bytes: memoryBytes)
        series = .v1
        costs = .standard
    }
}
