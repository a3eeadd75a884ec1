// SPDX-License-Identifier: Apache-2.0
// Why a machine cannot be built as configured: one closed list, each reason a sentence with value, limits and remedy.

/// Why a machine cannot be built as configured.
public enum ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The number of CPUs is outside the limits.
    case cpus(Int, limits: ClosedRange<Int>)
    /// The size of the memory, in bytes, is outside the limits.
    case memory(UInt64, limits: ClosedRange<UInt64>)
    /// A size or start of memory, in bytes, is not a multiple of 2 MB.
    case memoryGranularity(UInt64)
    /// Some other number is outside the limits.
    case number(String, Int, limits: ClosedRange<Int>)
    /// Nodes per socket other than 1, 2 and 4.
    case nodesPerPackage(Int)
    /// The cores of a package cannot be divided evenly among its nodes.
    case coresPerNode(cores: Int, nodes: Int)
    /// No CPU is online at boot.
    case noCPUOnline
    /// A CPU is online but not present.
    case onlineNotPresent(Int)
    /// A range of bytes overlaps with something.
    case overlap(Range<UInt64>, with: String)
    /// A range of bytes that must be memory is not, or is not aligned as required.
    case place(String, Range<UInt64>, rule: String)
    /// An address that is not allowed for its purpose.
    case address(String, UInt64, rule: String)
    /// Two RMP segments have the same index.
    case segmentTwice(Int)
    /// Memory that is added later, in bytes, is not whole gigabytes, or is all of the memory.
    case lateMemory(UInt64)
    /// The NUMA distances are not a square of valid numbers.
    case distances(String)

    /// The error as a sentence that names the value and the remedy.
    public var description: String {
        switch self {
        case .cpus(let value, let limits):
            "\(value) CPUs: a machine has \(limits.lowerBound) to \(limits.upperBound)"
        case .memory(let value, let limits):
            "\(value) bytes of memory: a machine has \(limits.lowerBound >> 30) GB (\(limits.lowerBound) bytes) to "
                + "\(limits.upperBound >> 40) TB (\(limits.upperBound) bytes)"
        case .memoryGranularity(let value):
            "\(value) bytes of memory: the size must be a multiple of 2 MB, such as "
                + "\(value.alignedDown(to: Granularity.chunk)) bytes"
        case .number(let name, let value, let limits):
            "\(value) \(name): give \(limits.lowerBound) to \(limits.upperBound)"
        case .nodesPerPackage(let value): "\(value) nodes per socket: give 1, 2 or 4"
        case .coresPerNode(let cores, let nodes):
            "\(cores) cores in a package of \(nodes) nodes: give a multiple of \(nodes)"
        case .noCPUOnline: "no CPU is online: at least one must be"
        case .onlineNotPresent(let cpu): "CPU \(cpu) is online and not present: add it to the present ones"
        case .overlap(let range, let other):
            "\(ConfigurationError.text(range)) overlaps with \(other): move one of them"
        case .place(let name, let range, let rule): "\(name) at \(ConfigurationError.text(range)): \(rule)"
        case .address(let name, let value, let rule): "\(name) at 0x\(String(value, radix: 16)): \(rule)"
        case .segmentTwice(let index): "RMP segment \(index) is given twice: give each index once"
        case .lateMemory(let bytes):
            "\(bytes) bytes of memory that is added later: give a multiple of 1 GB and less than all memory"
        case .distances(let rule): "NUMA distances: \(rule)"
        }
    }

    private static func text(_ range: Range<UInt64>) -> String {
        "[0x\(String(range.lowerBound, radix: 16)) - 0x\(String(range.upperBound &- 1, radix: 16))]"
    }
}
