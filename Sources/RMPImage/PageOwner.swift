// SPDX-License-Identifier: Apache-2.0
// Whose a page is, and a region's pages by owner: what the scan counts.

/// Whose a page is, as far as the RMP tells.
public enum PageOwner: Sendable, Hashable {
    /// The RMP's: bookkeeping, RST, segments.
    case rmpTable
    /// Firmware's: immutable with ASID 0, Context pages of guests among them.
    case firmware
    /// The guest's that has the ASID, 1 ... 1023.
    case guest(asid: UInt16)
    /// Assigned to nobody: on its way back to the hypervisor, or leaked when it is found so again and again.
    case reclaim
    /// The same, and locked: RMPUPDATE fails with FAIL_INUSE.
    case locked
    /// The hypervisor's for ever.
    case hypervisorFixed
    /// The hypervisor's, to be assigned.
    case free

    /// Whether its pages are assigned, so that RMPOPT refuses the region.
    public var isAssigned: Bool {
        switch self {
        case .hypervisorFixed, .free: false
        default: true
        }
    }

    /// Where it stands among owners with as many pages: in the order of `blockers`.
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
}

/// Pages of one owner by the size of their entries, in pages of 4 KB.
public struct OwnedPages: Sendable, Hashable {
    /// Whose they are.
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

/// What a scan found in one region.
public struct RegionTally: Sendable, Hashable {
    /// The region's number: its address divided by 1 GB.
    public let region: Int
    /// The owners that have pages in it, most pages first.
    public internal(set) var owners: [OwnedPages] = []
    /// Pages known to be unassigned of which a quick scan did not look whether they are HV-fixed; 0 after a full one.
    public internal(set) var unread = 0
    /// Pages that no RMP entry covers.
    public internal(set) var uncovered = 0
    /// Frames of 2 MB that hold a page which stays where it is: not a guest's, and not free.
    public internal(set) var fixedFrames = 0
    /// What is not as the manuals have it.
    public internal(set) var oddities = Oddities()

    /// A region in which nothing was found yet.
    public init(region: Int) { self.region = region }

    /// The number of assigned pages, 0 ... 262,144.
    public var assigned: Int { owners.reduce(0) { $0 + ($1.owner.isAssigned ? $1.pages : 0) } }
    /// Whether RMPOPT would find it hypervisor-owned. A region that is not covered as a whole never is (a choice).
    public var isOptimizable: Bool { uncovered == 0 && !owners.contains { $0.owner.isAssigned } }

    /// The pages of an owner.
    public func pages(of owner: PageOwner) -> Int { owners.first { $0.owner == owner }?.pages ?? 0 }
}

/// What a scan met that a table in order does not have, or that changed under it. Each is a number of entries or
/// frames that were looked at.
public struct Oddities: Sendable, Hashable {
    /// Entries that no row of the manual's table of page states describes.
    public var undescribed = 0
    /// Frames whose first entry states another number of assigned subpages than there are.
    public var miscounted = 0
    /// Frames with an entry of 2 MB and something else than its shadow below it, or with a 2 MB entry that does not
    /// begin a frame.
    public var irregular = 0
    /// Frames that changed each time they were read: whose their pages are may be wrong.
    public var changed = 0

    /// Nothing odd.
    public init() {}

    /// Whether there is anything.
    public var isEmpty: Bool { self == Oddities() }

    static func += (left: inout Oddities, right: Oddities) {
        left.undescribed += right.undescribed
        left.miscounted += right.miscounted
        left.irregular += right.irregular
        left.changed += right.changed
    }
}
