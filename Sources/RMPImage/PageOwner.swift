// SPDX-License-Identifier: Apache-2.0
// Who owns a page, and a region's pages by owner: what the scan counts.

/// Who owns a page, as far as the RMP shows.
public enum PageOwner: Sendable, Hashable {
    /// The RMP: bookkeeping, RST, segments.
    case rmpTable
    /// Firmware: immutable with ASID 0, including Context pages of guests.
    case firmware
    /// The guest with the ASID, 1 ... 1023.
    case guest(asid: UInt16)
    /// Nobody: assigned, but on its way back to the hypervisor, or leaked if repeated scans find it like this.
    case reclaim
    /// Nobody, and the entry is locked: RMPUPDATE fails with FAIL_INUSE.
    case locked
    /// The hypervisor, for ever: the page cannot be assigned.
    case hypervisorFixed
    /// The hypervisor; the page can be assigned.
    case free

    /// Whether its pages are assigned, so that RMPOPT refuses the region.
    public var isAssigned: Bool {
        switch self {
        case .hypervisorFixed, .free: false
        default: true
        }
    }

    /// Its place among owners with equally many pages: in the order of `blockers`.
    var rank: Int {
        switch self {
        case .rmpTable: 0
        case .firmware: 1
        case .guest(let asid): 1 + Int(asid)
        case .reclaim: 1025
        case .locked: 1026
        case .hypervisorFixed: 1027
        case .free: 1028
        }
    }

    /// The number of ranks.
    static let ranks = 1029
}

/// The pages of one owner by the size of their entries, in pages of 4 KB.
public struct OwnedPages: Sendable, Hashable {
    /// Who owns them.
    public let owner: PageOwner
    /// Pages with an entry of 4 KB each.
    public internal(set) var small: Int
    /// Pages within entries of 2 MB: a multiple of 512.
    public internal(set) var large: Int

    /// All of them.
    public var pages: Int { small + large }

    /// Pages of an owner.
    public init(owner: PageOwner, small: Int, large: Int) {
        self.owner = owner
        self.small = small
        self.large = large
    }
}

extension [OwnedPages] {
    /// Most pages first. In a region with a thousand guests this is a good part of the work, so numbers are compared:
    /// pages, rank and place in the array.
    func mostPagesFirst() -> [OwnedPages] {
        let orders = enumerated().map { place, item in (1 << 40 - item.pages) << 22 | item.owner.rank << 11 | place }
        return orders.sorted().map { self[$0 & (1 << 11 - 1)] }
    }
}

/// What a scan found in one region.
public struct RegionTally: Sendable, Hashable {
    /// The region's number: its address divided by 1 GB.
    public let region: Int
    /// The owners that have pages in it, most pages first.
    public internal(set) var owners: [OwnedPages] = []
    /// Pages that are known to be unassigned, but that a quick scan did not check for being HV-fixed; 0 after a full
    /// scan.
    public internal(set) var unread = 0
    /// Pages that no RMP entry covers.
    public internal(set) var uncovered = 0
    /// Chunks of 2 MB with a page that cannot move: neither a guest's nor free.
    public internal(set) var fixedChunks = 0
    /// Chunks of 2 MB in which every page is free; after a quick scan, those in which none is assigned and the first
    /// is free.
    public internal(set) var freeChunks = 0
    /// What differs from the manuals.
    public internal(set) var oddities = Oddities()

    /// A region in which nothing has been found yet.
    public init(region: Int) { self.region = region }

    /// The number of assigned pages, 0 ... 262,144.
    public var assigned: Int { owners.reduce(0) { $0 + ($1.owner.isAssigned ? $1.pages : 0) } }
    /// Whether RMPOPT would find it hypervisor-owned. A region that is not covered as a whole never is (a choice).
    public var isOptimizable: Bool { uncovered == 0 && !owners.contains { $0.owner.isAssigned } }

    /// The pages of an owner.
    public func pages(of owner: PageOwner) -> Int { owners.first { $0.owner == owner }?.pages ?? 0 }
}

/// What a scan found that a correct table does not have, or that changed during the scan. Each is a number of scanned
/// entries or chunks.
public struct Oddities: Sendable, Hashable {
    /// Entries that no row of the manual's table of page states describes.
    public var undescribed = 0
    /// Chunks whose first entry gives the wrong number of assigned subpages.
    public var miscounted = 0
    /// Chunks with an entry of 2 MB that is followed by something other than its shadow, or with a 2 MB entry that does
    /// not begin a chunk.
    public var irregular = 0
    /// Chunks that changed each time they were read: the owners of their pages may be wrong.
    public var changed = 0

    /// Nothing odd.
    public init() {}

    /// Whether all counts are 0.
    public var isEmpty: Bool { self == Oddities() }

    static func += (left: inout Oddities, right: Oddities) {
        left.undescribed += right.undescribed
        left.miscounted += right.miscounted
        left.irregular += right.irregular
        left.changed += right.changed
    }
}
