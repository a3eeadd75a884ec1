// SPDX-License-Identifier: Apache-2.0
// Random RMPs of every kind of chunk, with the answer for each page worked out beside them, entry by entry.

import RMPImage
import RMPModel

/// A random RMP, and the owner of each page.
struct RandomRMP {
    let layout: RMPLayout
    let memory: WordMemory
    let form: EntryForm
    /// By page number: owner and whether the entry is of 2 MB. Missing pages are free.
    private(set) var pages: [UInt64: (owner: PageOwner, isLarge: Bool)] = [:]
    private var random: Random
    private let guests: RandomGuests

    /// Covers few regions, which keeps the tests short.
    init(seed: UInt64, form: EntryForm = .raw, isLive: Bool = false) throws {
        random = Random(seed: seed)
        guests = RandomGuests(&random)
        self.form = form
        layout = try Self.layout(&random)
        memory = WordMemory(isLive: isLive)
        memory.writeTable(of: layout)
        let chunks = layout.segments.flatMap { segment in
            (0..<random.below(40)).map { _ in
                UInt64.random(in: segment.covered.lowerBound >> 21..<segment.covered.upperBound >> 21, using: &random)
            }
        }
        // The RMP's own memory, too, and the chunks beside it.
        let own = ([layout.head] + layout.segments.map(\.table)).flatMap {
            [$0.lowerBound >> 21, $0.upperBound >> 21, ($0.lowerBound >> 21) &- 1]
        }
        for chunk in Set(chunks + own).sorted() { fill(chunk) }
    }

    private static func layout(_ random: inout Random) throws -> RMPLayout {
        let base = UInt64(1 + random.below(64)) << 20
        if random.chance(3) {
            // 1 to 3 GB, with part of a region at the end.
            let bytes = UInt64(512 + random.below(1024)) * 8192
            return try .contiguous(base: base, end: base + RMPLayout.bookkeepingBytes + bytes - 1)
        }
        let shift = UInt8(28 + random.below(4))
        var entries: [RSTEntry] = []
        var table = base + (1 << 20)
        for index in 0..<1 + random.below(4) where !random.chance(4) || index == 0 {
            entries.append(RSTEntry(index: index, base: table, gigabytes: 1 + random.below(3)))
            table += UInt64(1 + random.below(20)) << 20 + 12 << 20
        }
        return try .segmented(base: base, shift: shift, entries: entries)
    }

    // MARK: Chunks

    private mutating func fill(_ chunk: UInt64) {
        guard layout.entryAddress(of: PFN(chunk << 9)) != nil else { return }
        switch random.below(7) {
        case 0: return large(chunk, entry(large: true))
        case 1: return small(chunk) { [first = entry(large: false)] _, _ in first }
        case 2:
            // A guest's chunk of 4 KB entries with consecutive GPAs, of which a few differ.
            let first = entry(large: false)
            let odd = random.below(3)
            return small(chunk) { random, index in
                var one = first
                one.gpa = GPA(UInt64(index) << 12)
                if random.below(512) < odd { one = RMPEntry() }
                return one
            }
        case 3: return small(chunk) { [guests] random, _ in guests.entry(large: false, &random) }
        // Only the first, or only the last.
        case 4:
            return small(chunk) { [guests] random, index in
                index == 0 ? guests.entry(large: false, &random) : RMPEntry()
            }
        case 5:
            return small(chunk) { [guests] random, index in
                index == 511 ? guests.entry(large: false, &random) : RMPEntry()
            }
        default: return small(chunk) { random, _ in RMPEntry(immutable: random.chance(2)) }
        }
    }

    private mutating func entry(large: Bool) -> RMPEntry { guests.entry(large: large, &random) }

    /// The guests of one RMP: one, so that no other's sums hide a mistake in its own, or any.
    private struct RandomGuests {
        let only: UInt16?

        init(_ random: inout Random) {
            only = [nil, UInt16(1 << random.below(10)), UInt16(1 + random.below(1023))][random.below(3)]
        }

        /// An entry that the table of page states describes.
        func entry(large: Bool, _ random: inout Random) -> RMPEntry {
            var entry = RMPEntry(pageSize: large ? .size2M : .size4K)
            entry.assigned = large || !random.chance(3)
            entry.immutable = random.chance(3)
            entry.locked = random.chance(5)
            guard entry.assigned else { return entry }
            let asid = only ?? UInt16(1 + random.below(random.chance(2) ? 3 : 1023))
            entry.asid = random.chance(2) ? 0 : asid
            entry.vmsa = random.chance(4)
            entry.validated = entry.asid > 0 && random.chance(2)
            entry.gpa = GPA(random.chance(2) ? 0 : random.next() & 0x7_ffff_ffff_f000)
            return entry
        }
    }

    private mutating func large(_ chunk: UInt64, _ entry: RMPEntry) {
        for index in 0..<512 as Range<UInt64> {
            write(index == 0 ? entry : RMPEntry(assigned: entry.assigned), count: 0, page: chunk << 9 + index)
            note(chunk << 9 + index, entry, isLarge: true)
        }
    }

    private mutating func small(_ chunk: UInt64, _ make: (inout Random, Int) -> RMPEntry) {
        let entries = (0..<512).map { make(&random, $0) }
        let count = entries.dropFirst().count(where: \.assigned)
        for (index, entry) in entries.enumerated() {
            write(entry, count: index == 0 ? count : 0, page: chunk << 9 + UInt64(index))
            note(chunk << 9 + UInt64(index), entry, isLarge: false)
        }
    }

    private mutating func write(_ entry: RMPEntry, count: Int, page: UInt64) {
        if form == .raw {
            return memory.write(entry.rawLow(subpageCount: count), high: random.next(), page: page, layout)
        }
        let input = RMPUpdateInput(
            gpa: entry.gpa,
            assigned: entry.assigned,
            pageSize: entry.pageSize,
            immutable: entry.immutable,
            asid: UInt32(entry.asid)
        )
        let words = input.words(status: count > 0)
        memory.write(words[0], high: words[1], page: page, layout)
    }

    // MARK: The answer

    private mutating func note(_ page: UInt64, _ entry: RMPEntry, isLarge: Bool) {
        let isOwn = layout.contains(SPA(page << 12))
        let owner: PageOwner
        switch entry {
        case let entry where !entry.assigned: owner = entry.immutable ? .hypervisorFixed : .free
        case let entry where entry.asid > 0: owner = .guest(asid: entry.asid)
        case _ where isOwn: owner = .rmpTable
        case let entry where entry.immutable: owner = .firmware
        default: owner = entry.locked && form == .raw ? .locked : .reclaim
        }
        pages[page] = (owner, isLarge)
    }

    /// What a full scan has to find in a region.
    func tally(_ region: Int) -> (owners: Set<OwnedPages>, uncovered: Int, fixedChunks: Int, freeChunks: Int) {
        var small: [PageOwner: Int] = [:]
        var large: [PageOwner: Int] = [:]
        var uncovered = 0
        var fixed: Set<UInt64> = []
        var free = 0
        // Chunk by chunk: a chunk is covered as a whole or not at all.
        for chunk in UInt64(region) << 9..<UInt64(region + 1) << 9 {
            guard layout.entryAddress(of: PFN(chunk << 9)) != nil else {
                uncovered += 512
                continue
            }
            if pages[chunk << 9] == nil {
                small[.free, default: 0] += 512
                free += 1
                continue
            }
            if (chunk << 9..<(chunk + 1) << 9).allSatisfy({ pages[$0].map { $0.owner == .free } ?? true }) { free += 1 }
            for page in chunk << 9..<(chunk + 1) << 9 {
                let (owner, isLarge) = pages[page] ?? (.free, false)
                if isLarge { large[owner, default: 0] += 1 } else { small[owner, default: 0] += 1 }
                switch owner {
                case .free, .guest: break
                default: fixed.insert(chunk)
                }
            }
        }
        let owners = Set(small.keys).union(large.keys).map {
            OwnedPages(owner: $0, small: small[$0] ?? 0, large: large[$0] ?? 0)
        }
        return (Set(owners), uncovered, fixed.count, free)
    }
}
