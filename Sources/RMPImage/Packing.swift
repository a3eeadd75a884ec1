// SPDX-License-Identifier: Apache-2.0
// What placement costs: how many regions RMPOPT could optimize if the same guests lay as close together as they can.

import RMPModel

/// Regions that RMPOPT could optimize, as things are and as they could be.
public struct PlacementLoss: Sendable, Hashable {
    /// How many regions were looked at.
    public let regions: Int
    /// How many hold no assigned page now.
    public let optimizable: Int
    /// How many hold an assigned page that is not a guest's: these stay as they are, wherever guests lie.
    public let pinned: Int
    /// How many would hold no assigned page if guests lay as close together as possible.
    public let optimizableIfPacked: Int
    /// Whether that is proved to be the best; else there may be a packing that frees more.
    public let isBest: Bool
    /// Pages of guests.
    public let guestPages: Int

    /// How many regions the placement costs.
    public var lost: Int { optimizableIfPacked - optimizable }
}

extension RegionTally {
    /// Pages of guests, in entries of 4 KB and of 2 MB.
    var guestPages: (small: Int, large: Int) {
        owners.reduce(into: (0, 0)) { sum, item in
            guard case .guest = item.owner else { return }
            sum.0 += item.small
            sum.1 += item.large
        }
    }

    /// Whether it has an assigned page that is not a guest's.
    var isPinned: Bool {
        owners.contains { item in
            if case .guest = item.owner { return false }
            return item.owner.isAssigned
        }
    }

    /// What guests can use of it: chunks that are entirely free or guests', and all pages that are.
    var room: (chunks: Int, pages: Int) {
        let covered = (Granularity.pagesPerRegion - uncovered) / Granularity.pagesPerChunk
        let guests = guestPages
        // HV-fixed pages that a quick scan has not looked at count as free: the result is then the best possible.
        return (covered - fixedChunks, pages(of: .free) + unread + guests.small + guests.large)
    }
}

extension PlacementLoss {
    /// Packs the guests of some regions.
    ///
    /// Pinned regions are filled first, since they are lost anyway, then those with the most room. Entries of 2 MB need
    /// chunks in which no page has to stay; entries of 4 KB can use any page. The regions with the most chunks may not
    /// be those with the most pages, as with scattered HV-fixed pages: both orders are tried. No packing needs fewer
    /// regions than its chunks alone, or its pages alone.
    public init(_ tallies: [RegionTally]) {
        var small = 0
        var large = 0
        var pinnedRoom = (chunks: 0, pages: 0)
        var others: [(chunks: Int, pages: Int)] = []
        var pinned = 0
        for tally in tallies {
            let guests = tally.guestPages
            small += guests.small
            large += guests.large
            let room = tally.room
            if tally.isPinned || tally.uncovered > 0 {
                pinned += tally.isPinned ? 1 : 0
                pinnedRoom.chunks += room.chunks
                pinnedRoom.pages += room.pages
            } else {
                others.append(room)
            }
        }
        // A region that is not covered as a whole is never optimized.
        let candidates = others.count
        let chunks = (large + Granularity.pagesPerChunk - 1) / Granularity.pagesPerChunk - pinnedRoom.chunks
        let pages = small + large - pinnedRoom.pages
        let byPages = others.sorted { ($0.pages, $0.chunks) > ($1.pages, $1.chunks) }
        let byChunks = others.sorted { ($0.chunks, $0.pages) > ($1.chunks, $1.pages) }
        let used = min(
            Self.needed(byPages, chunks: chunks, pages: pages),
            Self.needed(byChunks, chunks: chunks, pages: pages)
        )
        let least = max(
            Self.needed(byPages, chunks: 0, pages: pages),
            Self.needed(byChunks, chunks: chunks, pages: 0)
        )
        regions = tallies.count
        optimizable = tallies.count(where: \.isOptimizable)
        self.pinned = pinned
        // Never worse than now: everything can stay where it lies.
        optimizableIfPacked = max(candidates - used, optimizable)
        isBest = optimizableIfPacked == max(candidates - least, optimizable)
        guestPages = small + large
    }

    /// How many of some regions, in their order, have room for so many chunks and pages; all if even these do not.
    private static func needed(_ regions: [(chunks: Int, pages: Int)], chunks: Int, pages: Int) -> Int {
        var (chunks, pages) = (chunks, pages)
        for (used, region) in regions.enumerated() {
            if chunks <= 0 && pages <= 0 { return used }
            chunks -= region.chunks
            pages -= region.pages
        }
        return regions.count
    }
}
