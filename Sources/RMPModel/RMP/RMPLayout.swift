// SPDX-License-Identifier: Apache-2.0
// Where the RMP itself lies: memory that is assigned for ever, so that its regions never get optimized.

/// One RMP segment: a piece of table and the memory that it covers.
public struct RMPSegment: Sendable, Hashable {
    /// Where the table lies, in bytes.
    public var table: Range<UInt64>
    /// The memory that it covers, in bytes.
    public var covered: Range<UInt64>
}

/// One entry of the RMP segment table (RST), as the BIOS writes it.
public struct RSTEntry: Sendable, Hashable {
    /// Which segment of memory it is for: address >> shift.
    public var index: Int
    /// Where the segment's table lies: a multiple of 1 MB.
    public var base: UInt64
    /// How much memory it covers, in GB; 0: none.
    public var gigabytes: Int

    /// An entry by its numbers.
    public init(index: Int, base: UInt64, gigabytes: Int) {
        self.index = index
        self.base = base
        self.gigabytes = gigabytes
    }
}

/// The place of the RMP's parts in memory, as the BIOS reserves it.
///
/// Source: APM vol 2 15.36.22. The addresses are those of a published kernel log (segment 0 at 0x8800000, 128 GB a
/// segment); that the other segments follow without gaps is a choice.
public struct RMPLayout: Sendable, Hashable {
    /// RMP_BASE: 16 KB of bookkeeping, then the 4 KB RMP segment table (RST).
    public static let base: UInt64 = 0x870_0000
    /// The table of segment 0.
    public static let firstSegment: UInt64 = 0x880_0000
    /// RMP_CFG's segment size, as a shift: 128 GB. 512 segments, the most an RST holds, cover 64 TB.
    public static let segmentShift: UInt64 = 37
    /// Bytes of RMP for each GB of memory: 262,144 entries of 16 bytes.
    public static let bytesPerRegion: UInt64 = 4 << 20

    /// The segments, in the order of the memory that they cover.
    public let segments: [RMPSegment]
    /// Bookkeeping, and the RST of a segmented RMP.
    public let head: Range<UInt64>

    /// The layout for memory that ends after `regionCount` regions.
    public init(regionCount: Int) {
        var segments: [RMPSegment] = []
        let end = UInt64(max(regionCount, 0)) << 30
        var covered: UInt64 = 0
        var table = RMPLayout.firstSegment
        while covered < end {
            let next = min(covered + 1 << RMPLayout.segmentShift, end)
            let bytes = (next - covered) >> 30 * RMPLayout.bytesPerRegion
            segments.append(RMPSegment(table: table..<(table + bytes), covered: covered..<next))
            covered = next
            table += bytes
        }
        self.init(head: RMPLayout.base..<(RMPLayout.base + 0x5000), segments: segments)
    }

    private init(head: Range<UInt64>, segments: [RMPSegment]) {
        self.head = head
        self.segments = segments
    }

    /// Whether there is an RST: RMPOPT needs one.
    public var isSegmented: Bool { head.count > 0x4000 }

    /// One table without segments: RMP_BASE and RMP_END (the address of its last byte) of a processor or BIOS without
    /// the segmented RMP.
    public static func contiguous(base: UInt64, end: UInt64) throws(ConfigurationError) -> RMPLayout {
        let range = base..<max(end &+ 1, base)
        guard base.isMultiple(of: 1 << 20), end < 1 << 52, end > base, range.upperBound.isMultiple(of: 0x2000) else {
            throw .place("the RMP", range, rule: "its base must be a multiple of 1 MB, its end the last byte of 8 KB")
        }
        let table = min(base + 0x4000, end)..<range.upperBound
        let covered = 0..<(UInt64(table.count) / 16 * Granularity.page)
        return RMPLayout(head: base..<table.lowerBound, segments: [RMPSegment(table: table, covered: covered)])
    }

    /// Segments as the RST has them.
    public static func segmented(
        base: UInt64,
        shift: UInt8,
        entries: [RSTEntry]
    ) throws(ConfigurationError) -> RMPLayout {
        let head = base..<(base &+ 0x5000)
        guard base.isMultiple(of: 1 << 20), base < 1 << 51 else {
            throw .place("the RMP's bookkeeping", head, rule: "its base must be a multiple of 1 MB")
        }
        guard 30...45 ~= shift else { throw .number("as the RMP's segment shift", Int(shift), limits: 30...45) }
        var seen: Set<Int> = []
        var segments: [RMPSegment] = []
        for entry in entries {
            guard 0...511 ~= entry.index, seen.insert(entry.index).inserted else {
                throw .number("as the index of an RMP segment", entry.index, limits: 0...511)
            }
            guard 0...0xf_ffff ~= entry.gigabytes else {
                throw .number("GB covered by an RMP segment", entry.gigabytes, limits: 0...0xf_ffff)
            }
            let covered = min(UInt64(entry.gigabytes) << 30, 1 << UInt64(shift))
            let table = entry.base..<(entry.base &+ covered >> 30 * bytesPerRegion)
            guard entry.base.isMultiple(of: 1 << 20), entry.base < 1 << 51 else {
                throw .place("an RMP segment", table, rule: "its base must be a multiple of 1 MB")
            }
            if covered == 0 { continue }
            let start = UInt64(entry.index) << UInt64(shift)
            segments.append(RMPSegment(table: table, covered: start..<(start + covered)))
        }
        segments.sort { $0.covered.lowerBound < $1.covered.lowerBound }
        return RMPLayout(head: head, segments: segments)
    }

    /// From the first segment's table to the end of the last one's.
    public var tables: Range<UInt64> {
        let start = segments.map(\.table.lowerBound).min() ?? head.upperBound
        return start..<max(segments.map(\.table.upperBound).max() ?? start, start)
    }

    /// Whether the page at `spa` belongs to the RMP.
    public func contains(_ spa: SPA) -> Bool {
        head.contains(spa.rawValue) || segments.contains { $0.table.contains(spa.rawValue) }
    }
}
