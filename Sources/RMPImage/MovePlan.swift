// SPDX-License-Identifier: Apache-2.0
// Which guests are the cheapest to move: the fewest pages for each region that RMPOPT wins by it.

import RMPModel

/// Guests that are moved together, and what it brings.
public struct Move: Sendable, Hashable {
    /// Their ASIDs, in order; with those of the moves before, the only guests in the regions won.
    public let asids: [UInt16]
    /// The regions that hold nobody's pages afterwards.
    public let regions: [Int]
    /// How many pages have to leave these regions.
    public let pages: Int

    /// What a region costs.
    public var pagesPerRegion: Int { regions.isEmpty ? 0 : pages / regions.count }
}

/// What moving guests could bring.
public struct MovePlan: Sendable, Hashable {
    /// For each guest that alone keeps regions from being optimized: what moving it alone would bring, cheapest region
    /// first, by ASID where equal.
    public let singles: [Move]
    /// Moves one after the other, each the cheapest by pages for a region given those before it; as many as there is
    /// room for in regions that stay lost.
    public let steps: [Move]
    /// Whether moves were left out for want of room.
    public let isCutShort: Bool

    /// A set of guests that are all there is in some regions, and these regions.
    private struct Group {
        var asids: [UInt16]
        var regions: [Int] = []
        var pages = 0
    }

    /// Works out the moves.
    ///
    /// Only pages in the regions won are moved, not whole guests; regions that hold firmware's, the RMP's or nobody's
    /// assigned pages cannot be won. Pages and regions of a set are exact; the order is greedy: the best set of three
    /// moves may be another than the best, then the best, then the best.
    ///
    /// A move's pages need room in regions that stay lost. Those are counted by free pages, not by frames.
    public init(_ tallies: [RegionTally]) {
        var groups: [[UInt16]: Group] = [:]
        var lost: [Int: Int] = [:]
        for tally in tallies {
            let guests = tally.guestPages
            if guests.small + guests.large == 0 {
                if !tally.isOptimizable { lost[tally.region] = tally.pages(of: .free) + tally.unread }
                continue
            }
            lost[tally.region] = tally.pages(of: .free) + tally.unread
            if tally.isPinned || tally.uncovered > 0 { continue }
            let asids = tally.owners.compactMap { item -> UInt16? in
                if case .guest(let asid) = item.owner { asid } else { nil }
            }.sorted()
            groups[asids, default: Group(asids: asids)].regions.append(tally.region)
            groups[asids]?.pages += guests.small + guests.large
        }
        singles = groups.values.filter { $0.asids.count == 1 }
            .map { Move(asids: $0.asids, regions: $0.regions, pages: $0.pages) }
            .sorted(by: MovePlan.isCheaper)
        var left = Array(
            groups.values.filter { $0.asids.count <= MovePlan.mostGuests }.sorted { one, other in
                (one.pages * other.regions.count, one.asids.count) < (
                    other.pages * one.regions.count, other.asids.count
                )
            }.prefix(MovePlan.mostGroups)
        )
        var steps: [Move] = []
        var moved: Set<UInt16> = []
        var taken = 0
        var room = lost.values.reduce(0, +)
        var isCutShort = false
        while !left.isEmpty && steps.count < MovePlan.limit {
            guard let move = MovePlan.cheapest(left, moved) else { break }
            // The regions won are no room any more.
            let without = room - move.regions.reduce(0) { $0 + (lost[$1] ?? 0) }
            if taken + move.pages > without {
                isCutShort = true
                break
            }
            room = without
            taken += move.pages
            moved.formUnion(move.asids)
            let won = Set(move.regions)
            left.removeAll { $0.regions.first.map(won.contains) ?? true }
            steps.append(move)
        }
        self.steps = steps
        self.isCutShort = isCutShort
    }

    /// How many steps are worked out at most: further ones are dearer.
    private static let limit = 16
    /// Regions with more guests than that are not thought of, nor more sets of guests than that, the cheapest first:
    /// the work grows with the square of their number.
    private static let mostGuests = 8
    private static let mostGroups = 1000

    private static func isCheaper(_ left: Move, _ right: Move) -> Bool {
        // Pages by regions, without a division: a/b < c/d.
        let (one, other) = (left.pages * right.regions.count, right.pages * left.regions.count)
        if one != other { return one < other }
        if left.regions.count != right.regions.count { return left.regions.count > right.regions.count }
        return left.asids.lexicographicallyPrecedes(right.asids)
    }

    /// The set whose move costs the fewest pages for each region that is then won.
    private static func cheapest(_ groups: [Group], _ moved: Set<UInt16>) -> Move? {
        var best: Move?
        // Who is still to be moved for each group; groups that need the same guests are won together.
        let needs = groups.map { group in group.asids.filter { !moved.contains($0) } }
        for candidate in Set(needs) {
            let set = Set(candidate)
            var regions: [Int] = []
            var pages = 0
            for (group, need) in zip(groups, needs) where need.allSatisfy(set.contains) {
                regions += group.regions
                pages += group.pages
            }
            let move = Move(asids: candidate, regions: regions.sorted(), pages: pages)
            if best.map({ isCheaper(move, $0) }) ?? true { best = move }
        }
        return best
    }
}
