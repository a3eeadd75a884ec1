// SPDX-License-Identifier: Apache-2.0
// All regions of a mount at one moment, put together from the files that are there.

import RMPFS

/// A region: on how many CPUs it is optimized, and why not on all.
struct RegionState: Sendable, Equatable {
    let region: UInt64
    var optimized = 0
    var reasons: [HostBlocker] = []
    /// SNP is not enabled: no CPU checks anything.
    var isUnchecked = false
}

/// What a mount's files tell of its regions.
struct RegionSnapshot: Sendable, Equatable {
    /// In the order of their addresses.
    var regions: [RegionState]
    /// How many CPUs are online.
    var cpus: Int
    /// How many CPUs are offline.
    var offline: Int
    /// Whether there is a file that tells why regions are not optimized.
    var hasBlockers: Bool

    /// How many regions are optimized on all online CPUs, on some, on none.
    var counts: (all: Int, some: Int, none: Int) {
        let all = regions.count { $0.optimized >= cpus && cpus > 0 }
        let none = regions.count { $0.optimized == 0 }
        return (all, regions.count - all - none, none)
    }

    init(regions: [RegionState], cpus: Int, offline: Int = 0, hasBlockers: Bool) {
        self.regions = regions
        self.cpus = cpus
        self.offline = offline
        self.hasBlockers = hasBlockers
    }

    /// Reads the files of a mount: `cpuN` for what regions there are, the series' table for the CPUs, or, where the
    /// version has none or it is closed to this user, the files of all CPUs; `blockers` for the reasons.
    init(of mount: MountFolder) throws(HostFileError) {
        let numbers = mount.cpus()
        var states: [RegionState] = []
        var online: Set<Int> = []
        var isOffline: Set<Int> = []
        for number in numbers where states.isEmpty {
            guard let rows = try Self.rows(ofCPU: number, in: mount) else { isOffline.insert(number); continue }
            online.insert(number)
            states = rows.map { RegionState(region: $0.region, isUnchecked: $0.status == .unchecked) }
        }
        guard !states.isEmpty else {
            throw HostFileError(
                mount.name(MountFolder.ours),
                "there is no file of an online CPU in it (cpu0 and others)"
            )
        }
        let index = Dictionary(uniqueKeysWithValues: states.enumerated().map { ($1.region, $0) })
        if let table = try Self.table(in: mount) {
            for row in table {
                // The last line of v1 to v4 is no region.
                guard let place = index[row.region] else { continue }
                states[place].optimized = row.cpus.count
                for range in row.cpus.ranges where !range.allSatisfy(online.contains) { online.formUnion(range) }
            }
            for number in numbers where !online.contains(number) && !isOffline.contains(number) {
                if try Self.rows(ofCPU: number, in: mount) == nil { isOffline.insert(number) }
            }
        } else {
            for number in numbers where !isOffline.contains(number) {
                guard let rows = try Self.rows(ofCPU: number, in: mount) else { isOffline.insert(number); continue }
                for row in rows where row.status == .optimized {
                    if let place = index[row.region] { states[place].optimized += 1 }
                }
            }
        }
        let blockers = try mount.text(MountFolder.ours + "/blockers")
        if let blockers {
            let text = HostText(name: mount.name(MountFolder.ours + "/blockers"), bytes: blockers)
            for row in try BlockersReader.rows(text) {
                if let place = index[row.region] { states[place].reasons = row.reasons }
            }
        }
        self.init(
            regions: states,
            cpus: numbers.count - isOffline.count,
            offline: isOffline.count,
            hasBlockers: blockers != nil
        )
    }

    /// The lines of `cpuN`; nil if the CPU is offline.
    private static func rows(
        ofCPU number: Int,
        in mount: MountFolder
    ) throws(HostFileError) -> [CPUFileReader.Row]? {
        let file = MountFolder.ours + "/cpu\(number)"
        switch try mount.read(file) {
        case .text(let bytes): return try CPUFileReader.rows(HostText(name: mount.name(file), bytes: bytes))
        // It went offline meanwhile, and its file with it.
        case .offline, .missing: return nil
        case .closed: throw HostFileError(mount.name(file), "\(Errno.accessDenied). Look as the user who mounted it")
        }
    }

    private static func table(in mount: MountFolder) throws(HostFileError) -> [RegionTableReader.Row]? {
        for file in MountFolder.tables {
            if let bytes = try mount.text(file) {
                return try RegionTableReader.rows(HostText(name: mount.name(file), bytes: bytes))
            }
        }
        return nil
    }
}
