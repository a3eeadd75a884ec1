// SPDX-License-Identifier: Apache-2.0
// Which guests are the cheapest to move: the fewest pages for each region that RMPOPT can then optimize.

import RMPModel

/// Guests that are moved together, and what that gains.
public struct Move: Sendable, Hashable {
    /// Their ASIDs, in order. Together with the guests of earlier moves, they are the only guests in the regions
    /// gained.
    public let asids: [UInt16]
    /// The regions that hold no assigned pages afterwards.
    public let regions: [Int]
    /// How many pages have to leave these regions.
    public let pages: Int
    /// How many of these are in entries of 2 MB, and need chunks.
    let largePages: Int

    /// The cost of a region.
    public var pagesPerRegion: Int { regions.isEmpty ? 0 : pages / regions.count }
}

/// What moving guests could gain.
public struct MovePlan: Sendable, Hashable {
    /// For each guest that alone keeps regions from being optimized: what moving it alone would gain, cheapest region
    /// first, by ASID if equal.
    public let singles: [Move]
    /// Moves in sequence, at most 16, each with the fewest pages per region, given the earlier ones, of those for which
    /// the regions that stay lost have room.
    public let steps: [Move]
    /// Whether moves were left out for lack of room.
    public let isCutShort: Bool

    /// A set of guests that are the only ones in some regions, and these regions.
    private struct Group {
        var asids: [UInt16]
        var regions: [Int] = []
        var pages = 0
        var largePages = 0
    }

    /// What can be used of a region that stays lost.
    private struct Room {
        var pages = 0
        var chunks = 0

        init() {}

        init(_ tally: RegionTally) {
            pages = tally.pages(of: .free) + tally.unread
            chunks = tally.freeChunks
        }

        static func += (left: inout Room, right: Room) {
            left.pages += right.pages
            left.chunks += right.chunks
        }

        static func -= (left: inout Room, right: Room) {
            left.pages -= right.pages
            left.chunks -= right.chunks
        }
    }

    /// Computes the moves.
    ///
    /// Only pages in the regions gained move, not whole guests. Regions with assigned pages that belong to firmware,
    /// the RMP or nobody cannot be gained. Pages and regions of a set are exact, but the order is greedy: the best
    /// three moves together may differ from three moves that are each the best at their turn.
    ///
    /// A move's pages need room in regions that stay lost: pages in entries of 2 MB need chunks that are free as a
    /// whole, the others any free page.
    public init(_ tallies: [RegionTally]) {
        var groups: [[UInt16]: Group] = [:]
        var lost: [Int: Room] = [:]
        for tally in tallies {
            let guests = tally.guestPages
            if guests.small + guests.large == 0 {
                if !tally.isOptimizable { lost[tally.region] = Room(tally) }
                continue
            }
            lost[tally.region] = Room(tally)
            if tally.isPinned || tally.uncovered > 0 { continue }
            var asids = tally.owners.compactMap { item -> UInt16? in
                if case .guest(let asid) = item.owner { asid } else { nil }
            }
            if asids.count > MovePlan.mostGuests { continue }
            asids.sort()
            groups[asids, default: Group(asids: asids)].regions.append(tally.region)
            groups[asids]?.pages += guests.small + guests.large
            groups[asids]?.largePages += guests.large
        }
        singles = groups.values.filter { $0.asids.count == 1 }
            .map { Move(asids: $0.asids, regions: $0.regions, pages: $0.pages, largePages: $0.largePages) }
            .sorted(by: MovePlan.isCheaper)
        var left = Array(
            groups.values.sorted { one, other in
                (one.pages * other.regions.count, one.asids.count) < (
                    other.pages * one.regions.count, other.asids.count
                )
            }.prefix(MovePlan.mostGroups)
        )
        var steps: [Move] = []
        var moved: Set<UInt16> = []
        var taken = (pages: 0, large: 0)
        var room = lost.values.reduce(into: Room()) { $0 += $1 }
        var isCutShort = false
        /// What stays lost after a move: the regions gained no longer count as room.
        func rest(_ move: Move) -> Room { move.regions.reduce(into: room) { $0 -= lost[$1] ?? Room() } }
        while !left.isEmpty && steps.count < MovePlan.limit {
            // What has no room now has none later: room only shrinks.
            let found = MovePlan.cheapest(left, moved) { move in
                let rest = rest(move)
                let fits =
                    taken.pages + move.pages <= rest.pages
                    && taken.large + move.largePages <= rest.chunks * Granularity.pagesPerChunk
                if !fits { isCutShort = true }
                return fits
            }
            guard let move = found else { break }
            room = rest(move)
            taken.pages += move.pages
            taken.large += move.largePages
            moved.formUnion(move.asids)
            let won = Set(move.regions)
            left.removeAll { $0.regions.first.map(won.contains) ?? true }
            steps.append(move)
        }
        self.steps = steps
        self.isCutShort = isCutShort
    }

    /// The most steps that are computed: further ones cost more.
    private static let limit = 16
    /// Regions with more guests than `mostGuests` are left out, and of the sets of guests only the cheapest
    /// `mostGroups` are tried: the work grows with the square of their number.
    private static let mostGuests = 8
    private static let mostGroups = 1000

    private static func isCheaper(_ left: Move, _ right: Move) -> Bool {
        // Compares pages per region without a division: a/b < c/d.
        let (one, other) = (left.pages * right.regions.count, right.pages * left.regions.count)
        if one != other { return one < other }
        if left.regions.count != right.regions.count { return left.regions.count > right.regions.count }
        return left.asids.lexicographicallyPrecedes(right.asids)
    }

    /// The set whose move costs the fewest pages for each region gained, of those that fit.
    private static func cheapest(_ groups: [Group], _ moved: Set<UInt16>, where fits: (Move) -> Bool) -> Move? {
        var best: Move?
        // Which guests each group still has to move; groups that need the same guests are gained together.
        let needs = groups.map { group in group.asids.filter { !moved.contains($0) } }
        for candidate in Set(needs) {
            let set = Set(candidate)
            var regions: [Int] = []
            var pages = 0
            var largePages = 0
            for (group, need) in zip(groups, needs) where need.allSatisfy(set.contains) {
                regions += group.regions
                pages += group.pages
                largePages += group.largePages
            }
            let move = Move(asids: candidate, regions: regions.sorted(), pages: pages, largePages: largePages)
            // Asked of each: the answer must not depend on the order of a set.
            if fits(move), best.map({ isCheaper(move, $0) }) ?? true { best = move }
        }
        return best
    }
}
