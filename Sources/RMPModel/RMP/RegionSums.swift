// SPDX-License-Identifier: Apache-2.0
// The assigned pages of each region, counted by owner as they change: reports of a large machine would otherwise look
// at each of its chunks.

/// The assigned pages of a region by owner. The first ASID is counted here, since most regions hold pages of one guest;
/// others are in a list beside it (``OwnerSums``).
struct RegionSums: Sendable {
    /// Assigned 4 KB pages, 0 ... 262,144.
    fileprivate(set) var assigned: UInt32 = 0
    /// Those of them with ASID 0 that are immutable.
    fileprivate(set) var immutable: UInt32 = 0
    /// Those of them with the first ASID; may be 0 while others are in the list.
    fileprivate(set) var first: UInt32 = 0
    fileprivate(set) var firstASID: UInt16 = 0

    /// Counts more pages with an entry like this one, modulo 2^32.
    ///
    /// - Returns: false, with nothing changed, if its ASID has to be counted in the list.
    @inline(__always)
    fileprivate mutating func add(_ pages: UInt32, of entry: EntryWord) -> Bool {
        if !entry.isAssigned { return true }
        let asid = entry.asid
        if asid == 0 {
            if entry.isImmutable { immutable &+= pages }
        } else if asid == firstASID {
            first &+= pages
        } else {
            return false
        }
        assigned &+= pages
        return true
    }
}

/// Pages of one ASID.
struct ASIDPages: Sendable, Hashable {
    let asid: UInt16
    var pages: UInt32
}

/// The sums of all regions.
struct OwnerSums: Sendable {
    private var sums: [RegionSums]
    /// For each region the ASIDs other than its first, ascending, none with 0 pages.
    private var others: [[ASIDPages]]
    /// How many 2 MB entries each ASID has; those of ASID 0 are not counted.
    private var largeEntries: [UInt32]

    /// An entry has room for ASIDs below this.
    static let asidLimit = 1_024
    /// What an owner is told by.
    private static let ownerMask = EntryWord.assignedBit | EntryWord.immutableBit | EntryWord.asidMask

    init(regionCount: Int) {
        sums = [RegionSums](repeating: RegionSums(), count: regionCount)
        others = [[ASIDPages]](repeating: [], count: regionCount)
        largeEntries = [UInt32](repeating: 0, count: OwnerSums.asidLimit)
    }

    // MARK: Reading

    /// The sums of one region.
    @inline(__always)
    subscript(region: Int) -> RegionSums { sums[region] }

    /// How many owners all regions have together; whoever has ASID 0 is one.
    var count: Int {
        sums.indices.reduce(0) { $0 + (sums[$1].assigned > 0 ? 1 + others[$1].count : 0) }
    }

    /// How many of some regions hold an assigned page.
    func assignedRegions(in regions: Range<Int>) -> Int { sums[regions].count { $0.assigned != 0 } }

    /// Whether nobody holds a page of a region.
    func isEmpty(_ region: Int) -> Bool {
        sums[region].assigned | sums[region].immutable | sums[region].first == 0 && others[region].isEmpty
    }

    /// The ASIDs with pages in a region, ascending, and how many each has.
    func asids(ofRegion region: Int) -> [ASIDPages] {
        let first = ASIDPages(asid: sums[region].firstASID, pages: sums[region].first)
        if first.pages == 0 { return others[region] }
        var all = others[region]
        all.insert(first, at: OwnerSums.place(of: first.asid, in: all))
        return all
    }

    /// How many pages of a region have an ASID other than 0.
    func guestPages(ofRegion region: Int) -> Int {
        others[region].reduce(Int(sums[region].first)) { $0 + Int($1.pages) }
    }

    /// How many pages of a region an ASID has, which is not 0.
    func pages(of asid: UInt16, inRegion region: Int) -> Int {
        if sums[region].firstASID == asid { return Int(sums[region].first) }
        let list = others[region]
        let place = OwnerSums.place(of: asid, in: list)
        return place < list.count && list[place].asid == asid ? Int(list[place].pages) : 0
    }

    /// How many 2 MB entries an ASID has, which is not 0.
    func largeEntries(of asid: UInt16) -> Int { Int(largeEntries[Int(asid)]) }

    // MARK: Counting

    /// Counts `pages` pages of a region that change their entry.
    @inline(__always)
    mutating func change(_ region: Int, from old: EntryWord, to new: EntryWord, pages: Int = 1) {
        if (old.bits ^ new.bits) & OwnerSums.ownerMask == 0 { return }
        let pages = UInt32(truncatingIfNeeded: pages)
        // Read and written once: an RMPUPDATE takes some 30 ns.
        var sum = sums[region]
        if sum.add(0 &- pages, of: old) && sum.add(pages, of: new) {
            sums[region] = sum
        } else {
            add(0 &- pages, of: old, in: region)
            add(pages, of: new, in: region)
        }
    }

    /// Counts a chunk's entry of 2 MB that comes or goes.
    @inline(__always)
    mutating func changeLarge(from old: EntryWord, to new: EntryWord) {
        if old.is2M && !old.isMixed && old.asid != 0 { largeEntries[Int(old.asid)] &-= 1 }
        if new.is2M && new.asid != 0 { largeEntries[Int(new.asid)] &+= 1 }
    }

    /// - Parameter pages: how many more, modulo 2^32.
    private mutating func add(_ pages: UInt32, of entry: EntryWord, in region: Int) {
        if sums[region].add(pages, of: entry) { return }
        sums[region].assigned &+= pages
        add(pages, ofOther: entry.asid, in: region)
    }

    private mutating func add(_ pages: UInt32, ofOther asid: UInt16, in region: Int) {
        let place = OwnerSums.place(of: asid, in: others[region])
        if place < others[region].count && others[region][place].asid == asid {
            others[region][place].pages &+= pages
            if others[region][place].pages > 0 { return }
            if others[region].count == 1 { others[region] = [] } else { others[region].remove(at: place) }
        } else if sums[region].first == 0 {
            (sums[region].firstASID, sums[region].first) = (asid, pages)
        } else {
            others[region].insert(ASIDPages(asid: asid, pages: pages), at: place)
        }
    }

    /// The place of an ASID in an ascending list, whether it is there or not.
    private static func place(of asid: UInt16, in list: [ASIDPages]) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle].asid < asid { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
