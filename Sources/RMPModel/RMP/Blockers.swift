// SPDX-License-Identifier: Apache-2.0
// Why a region is not optimized: whose assigned pages it holds. Computed on request, from the RMP alone.

/// The assigned pages of a region that have the same owner.
public struct Blocker: Sendable, Hashable {
    /// Who holds pages.
    public enum Owner: Sendable, Hashable {
        /// The RMP itself: bookkeeping, RST and segments.
        case rmpTable
        /// Firmware: the TMR, command buffers, Context pages of guests, and every other immutable page with ASID 0.
        case firmware
        /// The guest with this ASID; the number is nil when no guest has it, as after an RMPUPDATE by hand.
        case guest(asid: UInt16, GuestID?)
        /// Nobody: assigned, not immutable, ASID 0. A page in Reclaim state that was never taken back, so leaked.
        case leaked
    }

    /// Who holds the pages.
    public let owner: Owner
    /// How many 4 KB pages, 1 ... 262,144.
    public let pages: Int

    /// The guest that holds the pages; nil if none does.
    public var guest: GuestID? { if case .guest(_, let id) = owner { id } else { nil } }
}

extension Machine {
    /// The owners of a region's assigned pages, most pages first, then in the order RMP table, firmware, guests by
    /// ASID, leaked; empty if it has none.
    public func blockers(ofRegion region: Int) -> [Blocker] {
        guard hasRegion(region), platform.rmp.hasAssigned(region) else { return [] }
        let sums = platform.rmp.owners[region]
        if sums.first == sums.assigned {
            // One guest's, as most regions are.
            let owner = Blocker.Owner.guest(asid: sums.firstASID, guests.id(withASID: sums.firstASID))
            return [Blocker(owner: owner, pages: Int(sums.first))]
        }
        return tally(ofRegion: region).blockers(guests)
    }

    /// How many pages of a region the RMP has no entries for, 0 ... 262,144.
    ///
    /// RMPOPT never optimizes a region that has such pages: a choice, as AMD has not published what it does.
    public func uncoveredPages(ofRegion region: Int) -> Int {
        hasRegion(region) ? platform.rmp.uncoveredPages(ofRegion: region) : Granularity.pagesPerRegion
    }

    /// How many owners all regions have together, about: what a report of all ``blockers(ofRegion:)`` costs depends on
    /// it.
    public var ownerCount: Int { platform.rmp.owners.count }

    /// Calls `body` for each of ``configuredRegions`` in order, with its assigned pages. On a large machine this is
    /// much cheaper than ``blockers(ofRegion:)`` of each.
    public func forEachRegion(_ body: (_ region: Int, _ pages: OwnerPages) -> Void) {
        let owners = platform.rmp.owners
        for region in configuredRegions {
            let sums = owners[region]
            if sums.assigned == 0 {
                body(region, OwnerPages())
            } else if isRMPTable(region) {
                body(region, tally(ofRegion: region).pages)
            } else {
                let (firmware, guests) = (Int(sums.immutable), owners.guestPages(ofRegion: region))
                let leaked = Int(sums.assigned) - firmware - guests
                body(region, OwnerPages(firmware: firmware, guests: guests, leaked: leaked))
            }
        }
    }

    private func tally(ofRegion region: Int) -> BlockerTally {
        isRMPTable(region) ? recount(ofRegion: region) : BlockerTally(firmware.layout, platform.rmp.owners, region)
    }

    /// Whether a region holds bytes of the RMP. The sums do not tell its pages from firmware's.
    private func isRMPTable(_ region: Int) -> Bool {
        let first = UInt64(region) << 30
        return firmware.layout.hasBytes(in: first..<(first + Granularity.region))
    }

    /// The same as ``tally(ofRegion:)``, from the entries alone.
    private func recount(ofRegion region: Int) -> BlockerTally {
        var tally = BlockerTally(layout: firmware.layout)
        let first = region * Granularity.chunksPerRegion
        if let word = platform.rmp.uniformWord(ofRegion: region) {
            tally.add(word, chunk: first, pages: Granularity.pagesPerRegion)
        } else {
            tally.add(platform.rmp.words(ofRegion: region), from: first, platform.rmp)
        }
        return tally
    }

    /// What ``blockers(ofRegion:)`` answers, from the entries alone; for checks.
    func recountedBlockers(ofRegion region: Int) -> [Blocker] { recount(ofRegion: region).blockers(guests) }
}

/// The assigned 4 KB pages of a region by kind of owner; see ``Blocker/Owner``.
public struct OwnerPages: Sendable, Hashable {
    /// The RMP's.
    public var rmpTable: Int
    /// Firmware's.
    public var firmware: Int
    /// All guests', and those of ASIDs that no guest has.
    public var guests: Int
    /// Nobody's.
    public var leaked: Int

    /// Pages of each kind; none unless given.
    public init(rmpTable: Int = 0, firmware: Int = 0, guests: Int = 0, leaked: Int = 0) {
        self.rmpTable = rmpTable
        self.firmware = firmware
        self.guests = guests
        self.leaked = leaked
    }

    /// 1 for each kind of owner that has pages, 0 for the others.
    public var isHeld: OwnerPages {
        OwnerPages(
            rmpTable: min(rmpTable, 1),
            firmware: min(firmware, 1),
            guests: min(guests, 1),
            leaked: min(leaked, 1)
        )
    }

    /// Adds other pages, kind by kind.
    public mutating func add(_ other: OwnerPages) {
        rmpTable += other.rmpTable
        firmware += other.firmware
        guests += other.guests
        leaked += other.leaked
    }
}

extension EntryWord {
    /// Whether this is the word of a chunk with one owner, the same as that of `other`, which is assigned.
    fileprivate func hasSameOwner(as other: EntryWord) -> Bool {
        (bits ^ other.bits) & (EntryWord.assignedBit | EntryWord.asidMask | EntryWord.mixedMark) == 0
    }
}

/// Pages counted by owner.
private struct BlockerTally {
    let layout: RMPLayout
    private var table = 0
    private var firmware = 0
    private var leaked = 0
    private var byASID: [(asid: UInt16, pages: Int)] = []

    init(layout: RMPLayout) { self.layout = layout }

    /// The tally of a region that holds no byte of the RMP, from its sums.
    init(_ layout: RMPLayout, _ owners: borrowing OwnerSums, _ region: Int) {
        self.init(layout: layout)
        byASID = owners.asids(ofRegion: region).map { ($0.asid, Int($0.pages)) }
        firmware = Int(owners[region].immutable)
        leaked = Int(owners[region].assigned) - firmware - byASID.reduce(0) { $0 + $1.pages }
    }

    /// The pages by kind of owner.
    var pages: OwnerPages {
        OwnerPages(
            rmpTable: table,
            firmware: firmware,
            guests: byASID.reduce(0) { $0 + $1.pages },
            leaked: leaked
        )
    }

    /// - Parameter words: the words of consecutive chunks, starting with chunk `first`.
    mutating func add(_ words: [UInt64], from first: Int, _ rmp: borrowing RMP) {
        var number = 0
        while number < words.count {
            let word = EntryWord(bits: words[number])
            if word.isMixed {
                for index in 0..<Granularity.pagesPerChunk {
                    add(rmp.entry(of: word, index: index), chunk: first + number, index: index, pages: 1)
                }
                number += 1
                continue
            }
            // Count long runs at once: a guest's chunks, wherever it sees them, and chunks of RMP and firmware with the
            // same word, whose places are looked up once.
            var end = number + 1
            if word.isAssigned && word.asid != 0 {
                while end < words.count, EntryWord(bits: words[end]).hasSameOwner(as: word) { end += 1 }
            } else {
                while end < words.count, words[end] == word.bits { end += 1 }
            }
            add(word, chunk: first + number, pages: (end - number) * Granularity.pagesPerChunk)
            number = end
        }
    }

    /// Adds `pages` pages with the same entry, from page `index` of `chunk` on.
    mutating func add(_ word: EntryWord, chunk: Int, index: Int = 0, pages: Int) {
        if !word.isAssigned { return }
        if word.asid != 0 { return addGuest(word.asid, pages) }
        let first = UInt64(chunk * Granularity.pagesPerChunk + index) << 12
        let bytes = layout.bytes(in: first..<(first + UInt64(pages) << 12))
        let ofTable = Int(truncatingIfNeeded: bytes.alignedUp(to: Granularity.page) / Granularity.page)
        table += ofTable
        if word.isImmutable {
            firmware += pages - ofTable
        } else {
            leaked += pages - ofTable
        }
    }

    /// Chunks of one guest lie together, so it tries the last ASID first.
    private mutating func addGuest(_ asid: UInt16, _ pages: Int) {
        let known = byASID.last?.asid == asid ? byASID.count - 1 : byASID.firstIndex { $0.asid == asid }
        if let known {
            byASID[known].pages += pages
        } else {
            byASID.append((asid, pages))
        }
    }

    func blockers(_ guests: borrowing Guests) -> [Blocker] {
        var all = [Blocker(owner: .rmpTable, pages: table), Blocker(owner: .firmware, pages: firmware)]
        for item in byASID.sorted(by: { $0.asid < $1.asid }) {
            all.append(Blocker(owner: .guest(asid: item.asid, guests.id(withASID: item.asid)), pages: item.pages))
        }
        all.append(Blocker(owner: .leaked, pages: leaked))
        // Swift's sort keeps equal elements in order only by accident, so the order is part of what is compared.
        return all.enumerated().filter { $0.element.pages > 0 }
            .sorted { ($1.element.pages, $0.offset) < ($0.element.pages, $1.offset) }
            .map(\.element)
    }
}
