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
    private let again = ScanBuffer(count: ChunkComparison.bytes)
    private let piece = ScanBuffer(count: ChunkComparison.bytes)
    /// Pages with an entry of 4 KB by ``OwnerKey``.
    private let small: UnsafeMutablePointer<UInt32>
    /// Those of chunks whose entries differ, by ``OwnerKey/place(_:)``; two sums, so that equal neighbours do not have
    /// to wait for each other.
    private let mixed: UnsafeMutablePointer<UInt32>
    private var hasMixed = false
    /// Pages in entries of 2 MB by ``OwnerKey``.
    private let large: UnsafeMutablePointer<UInt32>
    /// The low quadwords of a chunk that others may change or whose entries are not in raw form.
    private let copy: UnsafeMutablePointer<UInt64>
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
        copy = .allocate(capacity: ChunkComparison.entries)
        copy.initialize(repeating: 0, count: ChunkComparison.entries)
    }

    deinit {
        small.deallocate()
        mixed.deallocate()
        large.deallocate()
        copy.deallocate()
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
                let offset = chunk &* ChunkComparison.bytes
                let address = part.lowerBound + UInt64(chunk) * Granularity.chunk
                let place = hasPlaces ? rmp.places.first { $0.overlaps(address..<address + Granularity.chunk) } : nil
                try scanChunk(base + offset, at: entries + UInt64(offset), of: address, hasPlace: place != nil)
            }
        }
    }

    /// Adds what was counted by place to the sums by key.
    private func foldMixed() {
        if !hasMixed { return }
        hasMixed = false
        for first in stride(from: 0, to: OwnerKey.places, by: Keys.scalarCount) {
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
        var free = (small: 0, large: 0)
        for first in stride(from: 0, to: OwnerKey.count, by: Keys.scalarCount) {
            let pages = UnsafeMutableRawPointer(small + first)
            let chunks = UnsafeMutableRawPointer(large + first)
            let sum = pages.loadUnaligned(as: Keys.self)
            let inChunks = chunks.loadUnaligned(as: Keys.self)
            if sum | inChunks == .zero { continue }
            pages.storeBytes(of: .zero, as: Keys.self)
            chunks.storeBytes(of: .zero, as: Keys.self)
            var byRank: [(small: Int, large: Int)] = Array(repeating: (0, 0), count: OwnerKey.unowned.count)
            var guest = (small: 0, large: 0)
            for lane in 0..<Keys.scalarCount where sum[lane] | inChunks[lane] != 0 {
                let key = first + lane
                let (inSmall, inLarge) = (Int(sum[lane]), Int(inChunks[lane]))
                // An entry of 2 MB is one entry.
                if OwnerKey.isUndescribed(key) {
                    tally.oddities.undescribed += inSmall + inLarge / Granularity.pagesPerChunk
                }
                switch OwnerKey.owner(key) {
                case .guest:
                    guest.small += inSmall
                    guest.large += inLarge
                case .free:
                    free.small += inSmall
                    free.large += inLarge
                case let owner:
                    for (rank, other) in OwnerKey.unowned.enumerated() where other == owner {
                        byRank[rank].small += inSmall
                        byRank[rank].large += inLarge
                    }
                }
            }
            add(OwnerKey.owner(first | OwnerKey.assigned), guest)
            for (owner, pages) in zip(OwnerKey.unowned, byRank) { add(owner, pages) }
        }
        add(.free, free)
        tally.owners = owners.sorted { ($1.pages, $0.owner.rank) < ($0.pages, $1.owner.rank) }
    }

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
            return count(outcome, place, head, of: address, hasPlace: hasPlace)
        }
    }

    /// Reads a chunk's entries again, into their own space.
    private func readAgain(_ entries: UInt64) throws(MemoryError) -> UnsafeRawPointer {
        let range = entries..<entries + UInt64(ChunkComparison.bytes)
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
        /// They differ; they are in the chunk itself or in `copy`.
        case mixed(isCopied: Bool)
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
        bytesRead &+= UInt64(ChunkComparison.bytes)
        if isRaw {
            if isLarge {
                return .large(isRegular: ChunkComparison.isUniform(chunk, as: head & 1, mask: .max))
            }
            if ChunkComparison.isUniform(chunk, as: head, mask: OwnerKey.mask) { return .uniform }
            if !isLive { return .mixed(isCopied: false) }
        } else if isLarge {
            return .large(isRegular: true)
        }
        let words = chunk.assumingMemoryBound(to: UInt64.self)
        for entry in 0..<ChunkComparison.entries {
            copy[entry] = rmp.form.rawLow(words[2 &* entry], words[2 &* entry &+ 1])
        }
        return .mixed(isCopied: true)
    }

    /// Whether the first entry has not changed.
    private func isStill(_ head: UInt64, _ chunk: UnsafeRawPointer, at entries: UInt64) throws(MemoryError) -> Bool {
        if showsItself { return first(of: reread(chunk)) == head }
        let second = isRaw ? 0 : try memory.word(at: entries + 8)
        return rmp.form.rawLow(try memory.word(at: entries), second) == head
    }

    private func count(
        _ outcome: Outcome,
        _ chunk: UnsafeRawPointer,
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
        case .mixed(let isCopied):
            // Two calls, so that the stride is a constant in each.
            if isCopied {
                countEach(UnsafePointer(copy), stride: 1, head, of: address, hasPlace: hasPlace)
            } else {
                let words = chunk.assumingMemoryBound(to: UInt64.self)
                countEach(words, stride: 2, head, of: address, hasPlace: hasPlace)
            }
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
    @inline(__always)
    private func countEach(
        _ words: UnsafePointer<UInt64>,
        stride: Int,
        _ head: UInt64,
        of address: UInt64,
        hasPlace: Bool
    ) {
        hasMixed = true
        let (even, odd) = (mixed, mixed + OwnerKey.places)
        var fixed: UInt64 = 0
        var assigned: UInt64 = 0
        var all: UInt64 = 0
        var index = 0
        while index < ChunkComparison.entries {
            let one = words[index &* stride]
            let two = words[(index &+ 1) &* stride]
            even[OwnerKey.place(one)] &+= 1
            odd[OwnerKey.place(two)] &+= 1
            fixed |= OwnerKey.fixedBit(one) | OwnerKey.fixedBit(two)
            assigned &+= (one & 1) &+ (two & 1)
            all |= one | two
            index &+= 2
        }
        if fixed >> 63 != 0 { tally.fixedChunks += 1 }
        // Neither assigned nor immutable: they differ in bits that do not matter.
        if all & 5 == 0 { tally.freeChunks += 1 }
        if all & 2 != 0 { tally.oddities.irregular += 1 }
        let stated = Int(head & OwnerKey.countMask) >> 3
        let others = Int(assigned) - Int(head & 1)
        if isRaw ? stated != others : (stated != 0) != (others != 0) { tally.oddities.miscounted += 1 }
        if !hasPlace { return }
        for index in 0..<ChunkComparison.entries {
            let key = OwnerKey.of(words[index * stride])
            let page = address + UInt64(index) * Granularity.page
            guard OwnerKey.isUnowned(key), ownPages(page, count: 1) > 0 else { continue }
            (index & 1 == 0 ? even : odd)[OwnerKey.place(words[index * stride])] -= 1
            ofTable.small += 1
        }
    }
}

/// Returns the same pointer without letting the compiler know, so that what it points to is loaded again.
@inline(never)
private func reread(_ pointer: UnsafeRawPointer) -> UnsafeRawPointer { pointer }
