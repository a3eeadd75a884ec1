// SPDX-License-Identifier: Apache-2.0
// Which regions are optimized on which CPUs at one moment, and the counts that all reports take from it: for a
// simulated machine and for a running kernel's table.

/// For each region of a host the online CPUs on which it is optimized.
public struct OptimizationMap: Sendable {
    /// On which share of the online CPUs a region is optimized.
    public enum Share: Sendable, Hashable, CaseIterable {
        /// On all of them.
        case all
        /// On some of them, but not on all.
        case some
        /// On none of them.
        case none
    }

    /// The online CPUs. Others do not count: their cores' bits are of no use to anyone.
    public let online: CPUSet
    /// The first region.
    public let firstRegion: Int
    /// The distinct sets of CPUs.
    public private(set) var sets: [CPUSet] = []
    /// For each region in order, the index of its set.
    private var rows: [Int] = []
    private var known: [CPUSet: Int] = [:]

    /// A map without regions.
    /// - Parameters:
    ///   - online: the CPUs that are online.
    ///   - firstRegion: the region that is appended first.
    public init(online: CPUSet, from firstRegion: Int) {
        self.online = online
        self.firstRegion = firstRegion
    }

    /// Appends the next region.
    /// - Parameter cpus: the CPUs on which it is optimized, a subset of ``online``.
    public mutating func append(_ cpus: CPUSet) {
        if let row = known[cpus] {
            rows.append(row)
            return
        }
        known[cpus] = sets.count
        rows.append(sets.count)
        sets.append(cpus)
    }

    /// Appends the next region, with the same CPUs as the last one; does nothing for the first.
    public mutating func appendLast() {
        if let last = rows.last { rows.append(last) }
    }

    /// The regions.
    public var regions: Range<Int> { firstRegion..<firstRegion + rows.count }

    /// The CPUs on which a region is optimized; none for a region that is not in the map.
    public func cpus(ofRegion region: Int) -> CPUSet {
        regions.contains(region) ? sets[rows[region - firstRegion]] : CPUSet(limit: online.limit)
    }

    /// The index in ``sets`` of a region's CPUs; nil for a region that is not in the map.
    public func set(ofRegion region: Int) -> Int? { regions.contains(region) ? rows[region - firstRegion] : nil }

    /// Whether a region is optimized on a CPU; false for a CPU that is not online.
    public func isOptimized(region: Int, cpu: Int) -> Bool {
        regions.contains(region) && sets[rows[region - firstRegion]].contains(cpu)
    }

    /// How many regions have each set.
    private var uses: [Int] {
        var uses = [Int](repeating: 0, count: sets.count)
        for row in rows { uses[row] += 1 }
        return uses
    }

    /// How many regions have each share of the online CPUs.
    public var shares: [Share: Int] {
        var shares: [Share: Int] = [:]
        for (set, count) in zip(sets, uses) {
            shares[set.isEmpty ? .none : set == online ? .all : .some, default: 0] += count
        }
        return shares
    }

    /// How many regions each CPU has optimized, by CPU number; 0 for one that is not online.
    public var regionCounts: [Int] {
        var counts = [Int](repeating: 0, count: online.limit)
        for (set, count) in zip(sets, uses) {
            set.forEachRun { run in for cpu in run { counts[cpu] += count } }
        }
        return counts
    }
}
