// SPDX-License-Identifier: Apache-2.0
// What people ask first of a mount: how much is optimized, what holds the rest back, the last pass, the next one.

/// The numbers of `rmpfs status`.
struct StatusReport: Sendable {
    let mountPoint: String
    let snapshot: RegionSnapshot
    /// What holds regions back; nil if no file says. A region can be in several.
    let holders: [Holder]?
    /// The last pass in `passes`, running or not; nil if there is none or no such file.
    let lastPass: PassRow?
    let hasPasses: Bool
    /// nil if there is no such file.
    let schedule: Schedule?

    /// One thing that holds regions back.
    struct Holder: Sendable, Equatable {
        let kind: RegionKind
        /// The guest's name and ASID.
        var guest: String?
        var asid: UInt64?
        /// In how many regions.
        var regions: UInt64 = 0
        /// With how many pages in all; nil for what has no pages.
        var pages: UInt64?
    }

    /// Reads the files of a mount.
    init(of mount: some HostFolder) throws(HostFileError) {
        func text(_ file: String) throws(HostFileError) -> HostText? {
            let path = MountFolder.ours + "/" + file
            return try mount.text(path).map { HostText(name: mount.name(path), bytes: $0) }
        }
        let snapshot = try RegionSnapshot(of: mount)
        var passes: [PassRow]?
        if let file = try text("passes") { passes = try PassesReader.passes(file) }
        var schedule: Schedule?
        if let file = try text("schedule") { schedule = try Schedule(file) }
        self.init(mountPoint: mount.path, snapshot: snapshot, passes: passes, schedule: schedule)
    }

    init(mountPoint: String, snapshot: RegionSnapshot, passes: [PassRow]?, schedule: Schedule?) {
        self.mountPoint = mountPoint
        self.snapshot = snapshot
        holders = snapshot.hasBlockers ? Self.holders(snapshot) : nil
        lastPass = passes?.last
        hasPasses = passes != nil
        self.schedule = schedule
    }

    /// By kind, and within it by the number of regions; guests one by one.
    private static func holders(_ snapshot: RegionSnapshot) -> [Holder] {
        var found: [Key: Holder] = [:]
        for region in snapshot.regions {
            for reason in region.reasons {
                let (key, pages) = Key.of(reason)
                var holder = found[key] ?? Holder(kind: key.kind, guest: key.guest, asid: key.asid)
                holder.regions += 1
                if let pages { holder.pages = (holder.pages ?? 0) &+ pages }
                found[key] = holder
            }
        }
        return found.values.sorted {
            ($0.kind.rawValue, UInt64.max - $0.regions, $0.asid ?? 0, $0.guest ?? "")
                < ($1.kind.rawValue, UInt64.max - $1.regions, $1.asid ?? 0, $1.guest ?? "")
        }
    }

    private struct Key: Hashable {
        let kind: RegionKind
        var guest: String?
        var asid: UInt64?

        static func of(_ reason: HostBlocker) -> (Key, pages: UInt64?) {
            let kind = RegionKind(reason)
            switch reason {
            case .rmpTable(let pages), .firmware(let pages), .leaked(let pages), .uncovered(let pages):
                return (Key(kind: kind), pages)
            case .guest(let name, let asid, let pages): return (Key(kind: kind, guest: name, asid: asid), pages)
            case .notScanned, .outside, .notEnabled, .unexplained: return (Key(kind: kind), nil)
            }
        }
    }
}
