// SPDX-License-Identifier: Apache-2.0
// Where the RMP itself lies: memory that is always assigned, so its regions never get optimized.

/// One RMP segment: a part of the table and the memory that it covers.
public struct RMPSegment: Sendable, Hashable {
    /// The number of its entry in the RST; 0 for the one table of a contiguous RMP.
    public var index: Int
    /// Where the table lies, in bytes.
    public var table: Range<UInt64>
    /// The memory that it covers, in bytes; clipped to the segment size.
    public var covered: Range<UInt64>
    /// How much its RST entry says it covers, in bytes. This is more than `covered` if it exceeds the segment size:
    /// Linux then logs that it was reduced.
    public var statedBytes: UInt64

    /// Whether it covers less than its RST entry says.
    public var isClipped: Bool { statedBytes > covered.upperBound - covered.lowerBound }
}

/// The place of the RMP's parts in memory, as the BIOS reserves them: in segments or contiguous.
///
/// Source: APM vol 2 15.36.3 (contiguous), 15.36.22 (segmented). A layout from ``init(regionCount:)``, which takes no
/// addresses, has those of a published kernel log (segment 0 at 0x8800000, 128 GB a segment); that its other segments
/// follow without gaps is a choice.
public struct RMPLayout: Sendable, Hashable {
    /// The usual RMP_BASE: 16 KB of bookkeeping, then the 4 KB RMP segment table (RST).
    public static let base: UInt64 = 0x870_0000
    /// The usual table of segment 0.
    public static let firstSegment: UInt64 = 0x880_0000
    /// The usual segment size, as a shift: 128 GB. 512 segments, the most an RST holds, cover 64 TB.
    public static let segmentShift: UInt64 = 37
    /// Bytes of RMP for each GB of memory: 262,144 entries of 16 bytes.
    public static let bytesPerRegion: UInt64 = 4 << 20
    /// Bytes of bookkeeping at RMP_BASE.
    public static let bookkeepingBytes: UInt64 = 0x4000
    /// Bytes of the RST after it.
    public static let rstBytes: UInt64 = 0x1000
    /// Bytes of an entry.
    public static let entryBytes: UInt64 = 16
    /// Segment sizes that can be given, as shifts: from 2 MB, so that no chunk is half covered, to the most that an
    /// address holds. ``problems(with:memory:)`` decides which of them a processor supports.
    public static let shiftLimits: ClosedRange<UInt8> = 21...51

    /// Whether the RMP has an RST: RMPOPT needs one.
    public let isSegmented: Bool
    /// RMP_BASE: where bookkeeping begins; 0 if the BIOS has reserved nothing.
    public let rmpBase: UInt64
    /// RMP_END: the last byte of a contiguous RMP, 0 for a segmented one.
    public let rmpEnd: UInt64
    /// RMP_CFG's segment size, as a shift; 0 for a contiguous RMP.
    public let shift: UInt8
    /// The segments, in the order of the memory that they cover. A contiguous RMP has one, its whole table.
    public let segments: [RMPSegment]
    /// The entries of the RST that define a segment, by index.
    public let entries: [RSTEntry]
    /// Bookkeeping and tables in the order of their addresses, for searching.
    let places: [Range<UInt64>]

    private init(
        isSegmented: Bool,
        base: UInt64,
        end: UInt64,
        shift: UInt8,
        entries: [RSTEntry],
        _ segments: [RMPSegment]
    ) {
        self.isSegmented = isSegmented
        rmpBase = base
        rmpEnd = end
        self.shift = shift
        self.entries = entries
        self.segments = segments
        let head = RMPLayout.head(isSegmented: isSegmented, base: base)
        places = ([head] + segments.map(\.table)).filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
    }

    /// The usual segmented layout for memory that ends after `regionCount` regions.
    public init(regionCount: Int) {
        let total = UInt64(max(regionCount, 0))
        let perSegment = UInt64(1) << (RMPLayout.segmentShift - 30)
        var entries: [RSTEntry] = []
        var table = RMPLayout.firstSegment
        for index in 0..<Int(truncatingIfNeeded: (total + perSegment - 1) / perSegment) {
            let gigabytes = min(perSegment, total - UInt64(index) * perSegment)
            entries.append(RSTEntry(index: index, base: table, gigabytes: Int(truncatingIfNeeded: gigabytes)))
            table += gigabytes * RMPLayout.bytesPerRegion
        }
        let shift = UInt8(truncatingIfNeeded: RMPLayout.segmentShift)
        self.init(
            isSegmented: true,
            base: RMPLayout.base,
            end: 0,
            shift: shift,
            entries: entries,
            entries.map { RMPLayout.segment($0, shift: shift) }
        )
    }

    /// What the kernel finds if the BIOS has reserved no memory for an RMP.
    public static let unreserved = RMPLayout(isSegmented: false, base: 0, end: 0, shift: 0, entries: [], [])

    /// A contiguous RMP: 16 KB of bookkeeping, then one entry for each page from address 0 on.
    ///
    /// - Parameters:
    ///   - base: RMP_BASE, a multiple of 1 MB above 0. (The register takes multiples of 8 KB; firmware requires 1 MB.)
    ///   - end: RMP_END, the last byte: one less than a multiple of 8 KB, so that the table covers whole 2 MB chunks.
    /// - Throws: `ConfigurationError.address` naming the value and the rule.
    public static func contiguous(base: UInt64, end: UInt64) throws(ConfigurationError) -> RMPLayout {
        try check(base: base)
        guard end & 0x1fff == 0x1fff, end >> 52 == 0 else {
            throw .address("the end of the RMP", end, rule: "give the last byte, one less than a multiple of 8 KB")
        }
        let first = base + bookkeepingBytes
        guard end > first else {
            throw .address("the end of the RMP", end, rule: "give one above the 16 KB of bookkeeping at its base")
        }
        let table = first..<(end + 1)
        let covered = (table.upperBound - table.lowerBound) / entryBytes * Granularity.page
        let segment = RMPSegment(index: 0, table: table, covered: 0..<covered, statedBytes: covered)
        return RMPLayout(isSegmented: false, base: base, end: end, shift: 0, entries: [], [segment])
    }

    /// A segmented RMP: 16 KB of bookkeeping and the RST at `base`, segments wherever the entries say.
    ///
    /// - Parameters:
    ///   - base: RMP_BASE, a multiple of 1 MB above 0.
    ///   - shift: the segment size as a shift, in `shiftLimits`.
    ///   - entries: in any order, each index once. An entry of 0 GB defines no segment. An entry of more than the
    ///     segment size is clipped.
    /// - Throws: `ConfigurationError` naming the value and the rule.
    public static func segmented(
        base: UInt64,
        shift: UInt8,
        entries: [RSTEntry]
    ) throws(ConfigurationError) -> RMPLayout {
        try check(base: base)
        guard shiftLimits.contains(shift) else {
            throw .number(
                "as the shift of the RMP's segment size",
                Int(shift),
                limits: Int(shiftLimits.lowerBound)...Int(shiftLimits.upperBound)
            )
        }
        var present: [RSTEntry] = []
        for entry in entries {
            try check(entry, shift: shift)
            if present.contains(where: { $0.index == entry.index }) { throw .segmentTwice(entry.index) }
            if entry.gigabytes > 0 { present.append(entry) }
        }
        present.sort { $0.index < $1.index }
        let segments = present.map { segment($0, shift: shift) }
        return RMPLayout(isSegmented: true, base: base, end: 0, shift: shift, entries: present, segments)
    }

    private static func check(base: UInt64) throws(ConfigurationError) {
        guard base > 0, base >> 52 == 0, base & 0xf_ffff == 0 else {
            throw .address("the base of the RMP", base, rule: "give a multiple of 1 MB above 0 and below 2^52")
        }
    }

    private static func check(_ entry: RSTEntry, shift: UInt8) throws(ConfigurationError) {
        guard 0..<RSTEntry.limit ~= entry.index else {
            throw .number("as the index of an RMP segment", entry.index, limits: 0...(RSTEntry.limit - 1))
        }
        guard 0...RSTEntry.gigabyteLimit ~= entry.gigabytes else {
            throw .number("GB covered by an RMP segment", entry.gigabytes, limits: 0...RSTEntry.gigabyteLimit)
        }
        if entry.gigabytes == 0 { return }
        guard entry.base > 0, entry.base >> 52 == 0, entry.base & 0xf_ffff == 0 else {
            throw .address("RMP segment \(entry.index)", entry.base, rule: "give a multiple of 1 MB above 0")
        }
        guard UInt64(entry.index + 1) <= 1 << (52 - UInt64(shift)) else {
            throw .number(
                "as the index of an RMP segment of this size",
                entry.index,
                limits: 0...(1 << (52 - Int(shift)) - 1)
            )
        }
    }

    private static func segment(_ entry: RSTEntry, shift: UInt8) -> RMPSegment {
        let stated = UInt64(truncatingIfNeeded: entry.gigabytes) << 30
        let bytes = min(stated, 1 << UInt64(shift))
        let start = UInt64(truncatingIfNeeded: entry.index) << UInt64(shift)
        return RMPSegment(
            index: entry.index,
            table: entry.base..<(entry.base + bytes / Granularity.page * entryBytes),
            covered: start..<(start + bytes),
            statedBytes: stated
        )
    }

    // MARK: Places

    private static func head(isSegmented: Bool, base: UInt64) -> Range<UInt64> {
        base == 0 ? 0..<0 : base..<(base + bookkeepingBytes + (isSegmented ? rstBytes : 0))
    }

    /// Bookkeeping and RST, 20 KB; without an RST 16 KB; empty if nothing is reserved.
    public var head: Range<UInt64> { RMPLayout.head(isSegmented: isSegmented, base: rmpBase) }

    /// The RST; nil for a contiguous RMP.
    public var rst: Range<UInt64>? { isSegmented ? (head.upperBound - RMPLayout.rstBytes)..<head.upperBound : nil }

    /// From the first segment's table to the end of the last one's, by address; empty without segments.
    public var tables: Range<UInt64> {
        let lower = segments.map(\.table.lowerBound).min() ?? 0
        return lower..<(segments.map(\.table.upperBound).max() ?? lower)
    }

    /// Whether the page at `spa` belongs to the RMP.
    public func contains(_ spa: SPA) -> Bool {
        let page = spa.rawValue & ~0xfff
        return bytes(in: page..<(page &+ 0x1000 < page ? .max : page + 0x1000)) > 0
    }

    /// How many bytes of a range belong to the RMP.
    func bytes(in range: Range<UInt64>) -> UInt64 {
        var sum: UInt64 = 0
        for place in places[firstPlace(endingAfter: range.lowerBound)...] {
            if place.lowerBound >= range.upperBound { break }
            let common = place.clamped(to: range)
            sum += common.upperBound - common.lowerBound
        }
        return sum
    }

    /// Whether any byte of the RMP is in a range of addresses.
    func hasBytes(in range: Range<UInt64>) -> Bool {
        let first = firstPlace(endingAfter: range.lowerBound)
        return first < places.count && places[first].lowerBound < range.upperBound
    }

    private func firstPlace(endingAfter address: UInt64) -> Int {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].upperBound <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Where the entry of a page lies; nil if no segment covers the page.
    ///
    /// Source: contiguous, RMP_BASE + 0x4000 + page * 16; segmented, the same from the start of the segment's table.
    public func entryAddress(of page: PFN) -> SPA? {
        guard page.rawValue >> 52 == 0 else { return nil }
        let spa = page.rawValue << 12
        guard let segment = segments.first(where: { $0.covered.contains(spa) }) else { return nil }
        let number = (spa - segment.covered.lowerBound) / Granularity.page
        return SPA(segment.table.lowerBound + number * RMPLayout.entryBytes)
    }
}
