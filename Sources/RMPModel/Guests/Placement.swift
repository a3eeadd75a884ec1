// SPDX-License-Identifier: Apache-2.0
// Where the host puts a guest's memory: this decides how many regions the guest costs.

/// How a host chooses the memory of a guest: always free chunks of 2 MB, or, with a backing of 1 GB, whole free aligned
/// gigabytes.
///
/// Source: the model's own. Linux takes what its allocator has; the list asked how much a placement by the gigabyte
/// would give back (Ashish Kalra, 2026-02-18).
public enum Placement: Sendable, Hashable {
    /// The lowest free memory (first fit).
    case packed
    /// The lowest free memory of one node: the guest's, or, if it has none, the lowest node with enough memory.
    case local
    /// Whole free gigabytes, the lowest first; the rest goes where pages are already assigned, as that costs no further
    /// region, then to the regions with the most free memory. A guest of less than a gigabyte starts at a gigabyte.
    case aligned
    /// At random from all free memory, by a seed: the same host and seed give the same chunks.
    case scattered(seed: UInt64)
    /// These addresses in this order, multiples of the chunk (or of a gigabyte with that backing), all of them free.
    case ranges([Range<SPA>])

    /// Appends the text form, which ``init(text:)`` reads back: `packed`, `local`, `aligned`, `scattered 42`, `ranges
    /// 0x100000000-0x140000000,0x180000000-0x1c0000000` (the second address is the first one after the range).
    public func append(to text: inout [UInt8]) {
        switch self {
        case .packed: text += PlacementWord.packed
        case .local: text += PlacementWord.local
        case .aligned: text += PlacementWord.aligned
        case .scattered(let seed):
            text += PlacementWord.scattered
            text += " \(seed)".utf8
        case .ranges(let ranges):
            text += PlacementWord.ranges
            for (number, range) in ranges.enumerated() {
                text.append(UInt8(ascii: number == 0 ? " " : ","))
                text += PlacementError.text(range).utf8
            }
        }
    }
}

/// The first words of the text form.
enum PlacementWord {
    static let packed = Array("packed".utf8)
    static let local = Array("local".utf8)
    static let aligned = Array("aligned".utf8)
    static let scattered = Array("scattered".utf8)
    static let ranges = Array("ranges".utf8)
}

/// Why a guest's memory cannot be where it should be.
public enum PlacementError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A list of ranges is empty.
    case noRanges
    /// A range is empty or does not consist of whole units of `unit` bytes.
    case granularity(Range<SPA>, unit: UInt64)
    /// A range is wholly or partly not memory.
    case notMemory(Range<SPA>)
    /// A range is not free: in use, firmware's, assigned by hand, leaked, or named twice.
    case notFree(Range<SPA>)
    /// A range is not memory of the guest's node.
    case otherNode(Range<SPA>, node: Int)
    /// The node does not exist.
    case noSuchNode(Int)
    /// The node has no memory.
    case nodeWithoutMemory(Int)

    /// The error as a sentence that names value and remedy.
    public var description: String {
        switch self {
        case .noRanges: "no range given; give one such as 0x100000000-0x140000000"
        case .granularity(let range, let unit):
            "\(PlacementError.text(range)): start and end must be multiples of \(unit) bytes, the end above the start"
        case .notMemory(let range): "\(PlacementError.text(range)) is not memory; choose a range inside a memory span"
        case .notFree(let range): "\(PlacementError.text(range)) is not free; choose another range or end its owner"
        case .otherNode(let range, let node):
            "\(PlacementError.text(range)) is not memory of node \(node); choose a range there or unset the node"
        case .noSuchNode(let node): "there is no node \(node)"
        case .nodeWithoutMemory(let node): "node \(node) has no memory; choose another one"
        }
    }

    fileprivate static func text(_ range: Range<SPA>) -> String {
        "0x\(String(range.lowerBound.rawValue, radix: 16))-0x\(String(range.upperBound.rawValue, radix: 16))"
    }
}
