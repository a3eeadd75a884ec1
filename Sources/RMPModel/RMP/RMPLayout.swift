// SPDX-License-Identifier: Apache-2.0
// Where the segmented RMP itself lies: memory that is assigned for ever, so that its regions never get optimized.

/// One RMP segment: a piece of table and the memory that it covers.
public struct RMPSegment: Sendable, Hashable {
    /// Where the table lies, in bytes.
    public var table: Range<UInt64>
    /// The memory that it covers, in bytes.
    public var covered: Range<UInt64>
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
        self.segments = segments
    }

    /// Whether there is an RST: RMPOPT needs one.
    public var isSegmented: Bool { true }

    /// Bookkeeping and RST: 20 KB.
    public var head: Range<UInt64> { RMPLayout.base..<(RMPLayout.base + 0x5000) }

    /// All segments' tables: one piece without gaps.
    public var tables: Range<UInt64> {
        RMPLayout.firstSegment..<(segments.last?.table.upperBound ?? RMPLayout.firstSegment)
    }

    /// Whether the page at `spa` belongs to the RMP.
    public func contains(_ spa: SPA) -> Bool { head.contains(spa.rawValue) || tables.contains(spa.rawValue) }
}
