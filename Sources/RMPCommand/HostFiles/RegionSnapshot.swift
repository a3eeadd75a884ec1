// SPDX-License-Identifier: Apache-2.0
// All regions of a mount at one moment, assembled from whatever files it has.

import RMPFS

/// A region: on how many CPUs it is optimized, and why not on all.
struct RegionState: Sendable, Equatable {
    let region: UInt64
    var optimized = 0
    var reasons: [HostBlocker] = []
    /// SNP is not enabled: no CPU checks anything.
    var isUnchecked = false
    /// No page in it is assigned, and no more is known.
    var isFree = false
}

/// What a mount's files say about its regions.
struct RegionSnapshot: Sendable, Equatable {
    /// Ordered by address.
    var regions: [RegionState]
    /// How many CPUs are online.
    var cpus: Int
    /// How many CPUs are offline.
    var offline: Int
    /// Whether a file says why regions are not optimized.
    var hasBlockers: Bool
    /// Whether it was made from RMP entries, which know no CPU.
    var isOfRMP = false

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
    /// version has none or it is closed to this user, files of CPUs; `blockers` for the reasons, `metrics` for which
    /// CPUs are online and which of their files need not be read.
    init(of mount: some HostFolder) throws(HostFileError) {
        let numbers = mount.cpus()
        var states: [RegionState] = []
        var isOfRMP = false
        var isOffline: Set<Int> = []
        for number in numbers where states.isEmpty {
            guard let rows = try Self.rows(ofCPU: number, in: mount) else { isOffline.insert(number); continue }
            states = rows.map {
                RegionState(region: $0.region, isUnchecked: $0.status == .unchecked, isFree: $0.status == .free)
            }
            isOfRMP = rows.contains { $0.status == .free || $0.status == .held }
        }
        guard !states.isEmpty else {
            throw HostFileError(
                mount.name(MountFolder.ours),
                "there is no file of an online CPU in it (cpu0 and others)"
            )
        }
        let index = Dictionary(uniqueKeysWithValues: states.enumerated().map { ($1.region, $0) })
        let table = try Self.table(in: mount)
        var blockers: [BlockersReader.Row]?
        if let bytes = try mount.text(MountFolder.ours + "/blockers") {
            blockers = try BlockersReader.rows(
                HostText(name: mount.name(MountFolder.ours + "/blockers"), bytes: bytes)
            )
        }
        for row in blockers ?? [] {
            if let place = index[row.region] { states[place].reasons = row.reasons }
        }
        if isOfRMP {
            // All CPUs show the same.
            self.init(regions: states, cpus: 0, hasBlockers: blockers != nil)
            self.isOfRMP = true
            return
        }
        if let table {
            var online: Set<Int> = []
            for row in table {
                // In v1 to v4 the last line is not a region.
                guard let place = index[row.region] else { continue }
                states[place].optimized = row.cpus.count
                for range in row.cpus.ranges where !range.allSatisfy(online.contains) { online.formUnion(range) }
            }
            // Asked only for what the table leaves open: on a running kernel each reading calls all CPUs.
            let others = numbers.filter { !online.contains($0) && !isOffline.contains($0) }
            if !others.isEmpty, let counts = try Self.counts(in: mount) {
                isOffline.formUnion(others.filter { counts[$0] == nil })
            } else {
                for number in others where try Self.rows(ofCPU: number, in: mount) == nil { isOffline.insert(number) }
            }
        } else {
            let counts = try Self.counts(in: mount)
            if let counts { isOffline.formUnion(numbers.filter { counts[$0] == nil }) }
            let online = numbers.filter { !isOffline.contains($0) }
            var groups: CPUGroups?
            if let counts, let blockers { groups = CPUGroups(online, counts, blockers) }
            for group in groups?.groups ?? online.map({ [$0] }) {
                var rest = group[...]
                while let number = rest.popFirst() {
                    guard let rows = try Self.rows(ofCPU: number, in: mount) else { isOffline.insert(number); continue }
                    var cpus = 1
                    if !rest.isEmpty, groups?.speaksForGroup(rows) == true {
                        cpus += rest.count
                        rest = []
                    }
                    for row in rows where row.status == .optimized {
                        if let place = index[row.region] { states[place].optimized += cpus }
                    }
                }
            }
        }
        self.init(
            regions: states,
            cpus: numbers.count - isOffline.count,
            offline: isOffline.count,
            hasBlockers: blockers != nil
        )
    }

    /// How many regions each online CPU has optimized; nil if no file says.
    private static func counts(in mount: some HostFolder) throws(HostFileError) -> [Int: UInt64]? {
        let file = MountFolder.ours + "/metrics"
        guard let bytes = try mount.text(file) else { return nil }
        let counts = try CPUCountsReader.counts(HostText(name: mount.name(file), bytes: bytes))
        return counts.isEmpty ? nil : counts
    }

    /// The lines of `cpuN`; nil if the CPU is offline.
    private static func rows(
        ofCPU number: Int,
        in mount: some HostFolder
    ) throws(HostFileError) -> [CPUFileReader.Row]? {
        let file = MountFolder.ours + "/cpu\(number)"
        switch try mount.read(file) {
        case .text(let bytes): return try CPUFileReader.rows(HostText(name: mount.name(file), bytes: bytes))
        // The CPU has gone offline in the meantime.
        case .offline, .missing: return nil
        case .closed: throw HostFileError(mount.name(file), "\(Errno.accessDenied). Look as the user who mounted it")
        }
    }

    private static func table(in mount: some HostFolder) throws(HostFileError) -> [DebugfsTableReader.Row]? {
        for file in MountFolder.tables {
            if let bytes = try mount.text(file) {
                return try DebugfsTableReader.rows(HostText(name: mount.name(file), bytes: bytes))
            }
        }
        return nil
    }
}
