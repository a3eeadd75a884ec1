// SPDX-License-Identifier: Apache-2.0
// What is known about a host after a scan: regions, totals, and what could be improved.

public import RMPModel

/// A scanned RMP as a whole.
public struct Survey: Sendable {
    /// Where the RMP lies.
    public let layout: RMPLayout
    /// How its entries are written.
    public let form: EntryForm
    /// How much of it was read.
    public let depth: ScanDepth
    /// The regions in order.
    public let regions: [RegionTally]
    /// Pages by owner over all regions, most pages first.
    public let totals: [OwnedPages]
    /// Pages about which it is known only that they are unassigned (``RegionTally/unread``).
    public let unread: Int
    /// Pages without an RMP entry.
    public let uncovered: Int
    /// Bytes of the table that were read.
    public let bytesRead: UInt64
    /// The oddities of all regions.
    public let oddities: Oddities
    /// What the placement costs.
    public let placement: PlacementLoss
    /// What moving guests could gain.
    public let moves: MovePlan

    /// Sums up a scan.
    public init(_ rmp: ScannedRMP, _ depth: ScanDepth, _ result: ScanResult) {
        layout = rmp.layout
        form = rmp.form
        self.depth = depth
        regions = result.regions
        bytesRead = result.bytesRead
        var sums = [OwnedPages?](repeating: nil, count: PageOwner.ranks)
        var odd = Oddities()
        var unread = 0
        var uncovered = 0
        for tally in regions {
            for item in tally.owners {
                let rank = item.owner.rank
                let sum = sums[rank] ?? OwnedPages(owner: item.owner, small: 0, large: 0)
                sums[rank] = OwnedPages(owner: item.owner, small: sum.small + item.small, large: sum.large + item.large)
            }
            odd += tally.oddities
            unread += tally.unread
            uncovered += tally.uncovered
        }
        totals = sums.compactMap(\.self).mostPagesFirst()
        oddities = odd
        self.unread = unread
        self.uncovered = uncovered
        placement = PlacementLoss(regions)
        moves = MovePlan(regions)
    }
}
