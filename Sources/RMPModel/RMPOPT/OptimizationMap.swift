// SPDX-License-Identifier: Apache-2.0
// What is optimized where, as one look found it, and what all reports count in it: of a simulated machine as of a
// running kernel's table.

/// For each region of a host the online CPUs on which it is optimized.
public struct OptimizationMap: Sendable {
    /// On how much of the online CPUs a region is optimized.
    public enum Share: Sendable, Hashable, CaseIterable {
        /// On all of them.
        case all
        /// On some of them, and not on all.
        case some
        /// On none of them.
        case none
    }

    /// The CPUs that are online. Others count for nothing: their core's bits say what nobody uses.
    public let online: CPUSet
    /// The first region.
    public let firstRegion: Int
    /// The sets of CPUs that occur, each once.
    public private(set) var sets: [CPUSet] = []
    /// For each region in order, which of the sets it has.
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

    /// Appends the next region, which has the same CPUs as the last one; nothing for the first.
    public mutating func appendLast() {
        if let last = rows.last { rows.append(last) }
    }

    /// The regions.
    public var regions: Range<Int> { firstRegion..<firstRegion + rows.count }

    /// The CPUs on which a region is optimized; none for a region that is not in the map.
    public func cpus(ofRegion region: Int) -> CPUSet {
        regions.contains(region) ? sets[rows[region - firstRegion]] : CPUSet(limit: online.limit)
    }

    /// The place in ``sets`` of a region's CPUs; nil for a region that is not in the map.
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

    /// How many regions have which share of the online CPUs.
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
