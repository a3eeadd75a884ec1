// SPDX-License-Identifier: Apache-2.0
// All records of a sequence file made at one moment, kept while making them again would give the same text.

/// The whole text of a sequence file, and where its records end.
public final class Rendering: Sendable {
    /// The text of all records.
    let snapshot: Snapshot
    /// Where each record ends in the text.
    let ends: [Int]
    /// Whether a fill of the buffer that starts at the last record misses it, because start() takes the last position
    /// for the end.
    let hidesLastRecordFromItself: Bool

    /// - Parameters:
    ///   - write: appends the records to `text`, one after another, and the end of each to `ends`.
    public init(
        hidesLastRecordFromItself: Bool = false,
        _ write: (_ text: inout TextBuffer, _ ends: inout [Int]) throws(Errno) -> Void
    ) throws(Errno) {
        let snapshot = Snapshot(capacity: FileLimits.page)
        var ends: [Int] = []
        try write(&snapshot.text, &ends)
        self.snapshot = snapshot
        self.ends = ends
        self.hidesLastRecordFromItself = hidesLastRecordFromItself
    }

    /// The memory used, in bytes.
    var byteCount: Int { snapshot.text.count + ends.count * MemoryLayout<Int>.size }

    /// Where a record starts in the text; the end of the text for records past the last. A reader can be past the end:
    /// the text may have become shorter since its last read, even empty.
    func start(of record: Int) -> Int {
        record <= 0 || ends.isEmpty ? 0 : ends[min(record, ends.count) - 1]
    }

    /// The first of `records` that ends at `position` or later; their upper bound if none does.
    func record(endingAtOrBehind position: Int, in records: Range<Int>) -> Int {
        var (low, high) = (records.lowerBound, records.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if ends[middle] >= position { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The records that one fill of the buffer gets, starting with record `first`.
    func records(from first: Int) -> Range<Int> {
        guard first < ends.count else { return first..<first }
        if hidesLastRecordFromItself && first == ends.count - 1 && first > 0 { return first..<first }
        return first..<ends.count
    }
}

/// The most recently used renderings, up to a number of bytes.
///
/// A version identifies what a rendering was made from: renderings of another version are never returned.
public struct RenderingCache: Sendable {
    private struct Entry: Sendable {
        let key: Int
        let version: UInt64
        let rendering: Rendering
    }

    /// The oldest first.
    private var entries: [Entry] = []
    private var bytes = 0
    private let limit: Int

    /// A cache that holds at most `limit` bytes.
    public init(limit: Int) {
        self.limit = limit
    }

    /// The rendering under `key`, if it was made from `version`.
    public func rendering(_ key: Int, version: UInt64) -> Rendering? {
        entries.last { $0.key == key && $0.version == version }?.rendering
    }

    /// Keeps a rendering; older ones of other versions are dropped at once, others when there is no room.
    public mutating func keep(_ rendering: Rendering, _ key: Int, version: UInt64) {
        entries.removeAll { $0.version != version || $0.key == key }
        entries.append(Entry(key: key, version: version, rendering: rendering))
        bytes = entries.reduce(0) { $0 + $1.rendering.byteCount }
        while bytes > limit, !entries.isEmpty { bytes -= entries.removeFirst().rendering.byteCount }
    }
}
