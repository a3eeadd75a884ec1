// SPDX-License-Identifier: Apache-2.0
// Counts the pages of one region after another: whole chunks at once if their entries are alike, else entry by entry.

public import RMPModel

/// How much of an RMP is read.
public enum ScanDepth: String, Sendable, Hashable, CaseIterable {
    /// All of it; this checks the subpage counts.
    case full
    /// The entries of 2 MB-aligned pages, and all of a chunk only if its subpage count says that its pages differ. This
    /// relies on the counts, which a full scan checks.
    case quick
}

/// An RMP to scan.
public struct ScannedRMP: Sendable {
    /// Where it lies.
    public let layout: RMPLayout
    /// How its entries are written.
    public let form: EntryForm
    /// Bookkeeping, RST and segments: pages with ASID 0 in it are the RMP's own.
    let places: [Range<UInt64>]

    /// An RMP.
    public init(_ layout: RMPLayout, form: EntryForm = .raw) {
        self.layout = layout
        self.form = form
        places = ([layout.head] + layout.segments.map(\.table)).filter { !$0.isEmpty }
    }

    /// The regions that it covers, in whole or in part.
    public var regions: Range<Int> {
        let end = layout.segments.map(\.covered.upperBound).max() ?? 0
        return 0..<Int(truncatingIfNeeded: (end + Granularity.region - 1) / Granularity.region)
    }
}

/// Scans regions of an RMP, one at a time; for one thread.
///
/// Not generic over its memory, so that the innermost loops are compiled once.
final class RegionScanner {
    private let rmp: ScannedRMP
    private let memory: any PhysicalMemory
    private let isLive: Bool
    private let showsItself: Bool
    private let isRaw: Bool
    private let depth: ScanDepth
    private let buffer = ScanBuffer(count: Int(RMPLayout.bytesPerRegion))
    /// Space for reading one chunk again.
    private let again = ScanBuffer(count: ChunkEntries.bytes)
    private let piece = ScanBuffer(count: ChunkEntries.bytes)
    /// Pages with an entry of 4 KB by ``OwnerKey``.
    private let small: UnsafeMutablePointer<UInt32>
    /// Those of chunks whose entries differ, by ``OwnerKey/place(_:)``; two sums, so that equal neighbours do not have
    /// to wait for each other.
    private let mixed: UnsafeMutablePointer<UInt32>
    /// The bits of the places that have been counted in `mixed`.
    private var usedByMixed = 0
    /// Pages in entries of 2 MB by ``OwnerKey``.
    private let large: UnsafeMutablePointer<UInt32>
    /// Those of a chunk whose entries differ.
    private let entries: ChunkEntries
    private var tally = RegionTally(region: 0)
    private var ofTable = (small: 0, large: 0)
    /// How many bytes of table were looked at.
    private(set) var bytesRead: UInt64 = 0

    init(_ rmp: ScannedRMP, in memory: any PhysicalMemory, _ depth: ScanDepth) {
        self.rmp = rmp
        self.memory = memory
        isLive = memory.isLive
        showsItself = memory.showsItself
        isRaw = rmp.form == .raw
        self.depth = depth
        small = .allocate(capacity: OwnerKey.count)
        small.initialize(repeating: 0, count: OwnerKey.count)
        mixed = .allocate(capacity: 2 * OwnerKey.places)
        mixed.initialize(repeating: 0, count: 2 * OwnerKey.places)
        large = .allocate(capacity: OwnerKey.count)
        large.initialize(repeating: 0, count: OwnerKey.count)
        entries = ChunkEntries(rmp.form)
    }

    deinit {
        small.deallocate()
        mixed.deallocate()
        large.deallocate()
    }

    // MARK: A region

    func scan(_ region: Int) throws(MemoryError) -> RegionTally {
        tally = RegionTally(region: region)
        ofTable = (0, 0)
        let start = UInt64(region) * Granularity.region
        var covered: UInt64 = 0
        for segment in rmp.layout.segments {
            let part = segment.covered.clamped(to: start..<start + Granularity.region)
            if part.isEmpty { continue }
            covered += part.upperBound - part.lowerBound
            let entries =
                segment.table.lowerBound
                + (part.lowerBound - segment.covered.lowerBound) / Granularity.page * RMPLayout.entryBytes
            try scan(part, entries: entries)
        }
        tally.uncovered = Granularity.pagesPerRegion - Int(covered / Granularity.page)
        collectOwners()
        return tally
    }

    /// A piece of memory whose entries are contiguous.
    private func scan(_ part: Range<UInt64>, entries: UInt64) throws(MemoryError) {
        let pages = Int((part.upperBound - part.lowerBound) / Granularity.page)
        let range = entries..<entries + UInt64(pages) * RMPLayout.entryBytes
        guard let data = memory.nextData(from: entries), data < range.upperBound else {
            small[0] += UInt32(pages)
            tally.freeChunks += pages / Granularity.pagesPerChunk
            return
        }
        let hasPlaces = rmp.places.contains { $0.overlaps(part) }
        try memory.withBytes(of: range, buffer: buffer) { bytes throws(MemoryError) in
            guard let base = bytes.baseAddress else { return }
            for chunk in 0..<pages / Granularity.pagesPerChunk {
                let offset = chunk &* ChunkEntries.bytes
                let address = part.lowerBound + UInt64(chunk) * Granularity.chunk
                let place = hasPlaces ? rmp.places.first { $0.overlaps(address..<address + Granularity.chunk) } : nil
                try scanChunk(base + offset, at: entries + UInt64(offset), of: address, hasPlace: place != nil)
            }
        }
    }

    /// Adds what was counted by place to the sums by key.
    private func foldMixed() {
        if usedByMixed == 0 { return }
        // Only places whose bits have been used: with few of them that is a small part.
        let unused = ~usedByMixed
        usedByMixed = 0
        for first in stride(from: 0, to: OwnerKey.places, by: Keys.scalarCount) where first & unused == 0 {
            let even = UnsafeMutableRawPointer(mixed + first)
            let odd = UnsafeMutableRawPointer(mixed + OwnerKey.places + first)
            let sum = even.loadUnaligned(as: Keys.self) &+ odd.loadUnaligned(as: Keys.self)
            if sum == .zero { continue }
            even.storeBytes(of: .zero, as: Keys.self)
            odd.storeBytes(of: .zero, as: Keys.self)
            for lane in 0..<Keys.scalarCount { small[OwnerKey.of(place: first + lane)] &+= sum[lane] }
        }
    }

    private typealias Keys = SIMD16<UInt32>

    /// Turns the sums into owners and clears them: each ASID has 16 keys.
    private func collectOwners() {
        foldMixed()
        var owners: [OwnedPages] = []
        func add(_ owner: PageOwner, _ pages: (small: Int, large: Int)) {
            if pages.small + pages.large > 0 {
                owners.append(OwnedPages(owner: owner, small: pages.small, large: pages.large))
            }
        }
        add(.rmpTable, ofTable)
        var others = [(small: Int, large: Int)](repeating: (0, 0), count: PageOwner.ranks)
        for first in stride(from: 0, to: OwnerKey.count, by: Keys.scalarCount) {
            let pages = UnsafeMutableRawPointer(small + first)
            let chunks = UnsafeMutableRawPointer(large + first)
            let inSmall = pages.loadUnaligned(as: Keys.self)
            let inLarge = chunks.loadUnaligned(as: Keys.self)
            if inSmall | inLarge == .zero { continue }
            pages.storeBytes(of: .zero, as: Keys.self)
            chunks.storeBytes(of: .zero, as: Keys.self)
            var sum = (small: 0, large: 0)
            // A guest's as a whole if all of them are assigned: such entries are described.
            if first >= OwnerKey.firstGuest && (inSmall | inLarge) & Self.unassignedLanes == .zero {
                sum = (Int(inSmall.wrappedSum()), Int(inLarge.wrappedSum()))
            } else {
                for lane in 0..<Keys.scalarCount where inSmall[lane] | inLarge[lane] != 0 {
                    let key = first + lane
                    let (small, large) = (Int(inSmall[lane]), Int(inLarge[lane]))
                    // An entry of 2 MB is one entry.
                    if OwnerKey.isUndescribed(key) {
                        tally.oddities.undescribed += small + large / Granularity.pagesPerChunk
                    }
                    let owner = OwnerKey.owner(key)
                    if case .guest = owner {
                        sum.small += small
                        sum.large += large
                    } else {
                        others[owner.rank].small += small
                        others[owner.rank].large += large
                    }
                }
            }
            add(OwnerKey.owner(first | OwnerKey.assigned), sum)
        }
        for owner in OwnerKey.unowned { add(owner, others[owner.rank]) }
        tally.owners = owners.mostPagesFirst()
    }

    /// Keys without ``OwnerKey/assigned``, which is their lowest bit.
    private static let unassignedLanes = Keys((0..<Keys.scalarCount).map { $0 & OwnerKey.assigned == 0 ? .max : 0 })

    // MARK: A chunk

    /// - Parameters:
    ///   - chunk: its entries.
    ///   - entries: where they lie.
    ///   - address: the memory that they describe.
    ///   - hasPlace: whether it holds memory of the RMP itself.
    private func scanChunk(
        _ chunk: UnsafeRawPointer,
        at entries: UInt64,
        of address: UInt64,
        hasPlace: Bool
    ) throws(MemoryError) {
        // Any change of a chunk's entries changes its first one: the 2 MB entry, or the count of assigned subpages.
        var place = chunk
        for attempt in 0..<4 {
            if attempt > 0 && !showsItself { place = try readAgain(entries) }
            let head = first(of: place)
            let outcome = look(place, head)
            if isLive {
                let isStill = try isStill(head, place, at: entries)
                if !isStill && attempt < 3 { continue }
                // It changed each time: count what was read last, and mark it.
                if !isStill { tally.oddities.changed += 1 }
            }
            return count(outcome, head, of: address, hasPlace: hasPlace)
        }
    }

    /// Reads a chunk's entries again, into their own space.
    private func readAgain(_ entries: UInt64) throws(MemoryError) -> UnsafeRawPointer {
        let range = entries..<entries + UInt64(ChunkEntries.bytes)
        try memory.withBytes(of: range, buffer: piece) { bytes throws(MemoryError) in
            again.bytes.copyMemory(from: bytes)
        }
        return UnsafeRawPointer(again.start)
    }

    /// What a chunk's entries look like.
    private enum Outcome {
        /// An entry of 2 MB; the others are as they must be, or not.
        case large(isRegular: Bool)
        /// All 512 equal the first, except for GPA and count.
        case uniform
        /// The first, and 511 that are not assigned and have not been read.
        case alone
        /// They differ; they are in `entries`.
        case mixed
    }

    @inline(__always)
    private func first(of chunk: UnsafeRawPointer) -> UInt64 {
        let words = chunk.assumingMemoryBound(to: UInt64.self)
        return rmp.form.rawLow(words[0], words[1])
    }

    @inline(__always)
    private func look(_ chunk: UnsafeRawPointer, _ head: UInt64) -> Outcome {
        let isLarge = head & 2 != 0
        if depth == .quick {
            bytesRead &+= RMPLayout.entryBytes
            if isLarge { return .large(isRegular: true) }
            if head & OwnerKey.countMask == 0 { return .alone }
        }
        bytesRead &+= UInt64(ChunkEntries.bytes)
        if isRaw {
            if isLarge {
                return .large(isRegular: ChunkEntries.isUniform(chunk, as: head & 1, mask: .max))
            }
            if ChunkEntries.isUniform(chunk, as: head, mask: OwnerKey.mask) { return .uniform }
        } else if isLarge {
            return .large(isRegular: true)
        }
        entries.read(chunk)
        return .mixed
    }

    /// Whether the first entry has not changed.
    private func isStill(_ head: UInt64, _ chunk: UnsafeRawPointer, at entries: UInt64) throws(MemoryError) -> Bool {
        if showsItself { return first(of: reread(chunk)) == head }
        let second = isRaw ? 0 : try memory.word(at: entries + 8)
        return rmp.form.rawLow(try memory.word(at: entries), second) == head
    }

    private func count(
        _ outcome: Outcome,
        _ head: UInt64,
        of address: UInt64,
        hasPlace: Bool
    ) {
        let key = OwnerKey.of(head)
        let pages = Granularity.pagesPerChunk
        switch outcome {
        case .large(let isRegular):
            if !isRegular { tally.oddities.irregular += 1 }
            noteWhole(key)
            let own = hasPlace && OwnerKey.isUnowned(key) ? ownPages(address, count: pages) : 0
            ofTable.large += own
            large[key] += UInt32(pages - own)
        case .uniform:
            if Int(head & OwnerKey.countMask) >> 3 != (head & 1 != 0 ? pages - 1 : 0) { tally.oddities.miscounted += 1 }
            noteWhole(key)
            let own = hasPlace && OwnerKey.isUnowned(key) ? ownPages(address, count: pages) : 0
            ofTable.small += own
            small[key] += UInt32(pages - own)
        case .alone:
            noteWhole(key)
            let own = hasPlace && OwnerKey.isUnowned(key) ? ownPages(address, count: 1) : 0
            ofTable.small += own
            small[key] += UInt32(1 - own)
            tally.unread += pages - 1
        case .mixed:
            countEach(head, of: address, hasPlace: hasPlace)
        }
    }

    /// Counts a chunk whose pages are alike as far as is known.
    private func noteWhole(_ key: Int) {
        if OwnerKey.isFixed(key) { tally.fixedChunks += 1 }
        if OwnerKey.owner(key) == .free { tally.freeChunks += 1 }
    }

    /// How many of some pages lie in the RMP's own memory.
    private func ownPages(_ address: UInt64, count: Int) -> Int {
        let range = address..<address + UInt64(count) * Granularity.page
        return rmp.places.reduce(0) { sum, place in
            let common = place.clamped(to: range)
            return sum + Int((common.upperBound - common.lowerBound) / Granularity.page)
        }
    }

    /// 512 entries one by one.
    private func countEach(_ head: UInt64, of address: UInt64, hasPlace: Bool) {
        let (even, odd) = (mixed, mixed + OwnerKey.places)
        entries.count(even: even, odd: odd)
        let used = entries.used
        // All lanes of a vector count as used, and a place without bits lies among the first ones.
        usedByMixed |= used | (Keys.scalarCount - 1)
        if entries.hasFixed { tally.fixedChunks += 1 }
        // Neither assigned nor immutable: they differ in bits that do not matter.
        if used & OwnerKey.place(5) == 0 { tally.freeChunks += 1 }
        if used & OwnerKey.place(2) != 0 { tally.oddities.irregular += 1 }
        let stated = Int(head & OwnerKey.countMask) >> 3
        let others = entries.assigned - Int(head & 1)
        if isRaw ? stated != others : (stated != 0) != (others != 0) { tally.oddities.miscounted += 1 }
        if !hasPlace { return }
        for index in 0..<ChunkEntries.count {
            let place = entries.place(index)
            let page = address + UInt64(index) * Granularity.page
            guard OwnerKey.isUnowned(OwnerKey.of(place: place)), ownPages(page, count: 1) > 0 else { continue }
            (index & 1 == 0 ? even : odd)[place] -= 1
            ofTable.small += 1
        }
    }
}

/// Returns the same pointer without letting the compiler know, so that what it points to is loaded again.
@inline(never)
private func reread(_ pointer: UnsafeRawPointer) -> UnsafeRawPointer { pointer }
