// SPDX-License-Identifier: Apache-2.0
// What is known of a host after a scan: regions, totals, and what could be better.

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
    /// Pages that are known to be unassigned, and no more (``RegionTally/unread``).
    public let unread: Int
    /// Pages without an RMP entry.
    public let uncovered: Int
    /// Bytes of table that were looked at.
    public let bytesRead: UInt64
    /// All that was odd.
    public let oddities: Oddities
    /// What placement costs.
    public let placement: PlacementLoss
    /// What moving guests could bring.
    public let moves: MovePlan

    /// Sums a scan up.
    public init(_ table: ScannedTable, _ depth: ScanDepth, _ result: ScanResult) {
        layout = table.layout
        form = table.form
        self.depth = depth
        regions = result.regions
        bytesRead = result.bytesRead
        var sums: [PageOwner: OwnedPages] = [:]
        var odd = Oddities()
        var unread = 0
        var uncovered = 0
        for tally in regions {
            for item in tally.owners {
                var sum = sums[item.owner] ?? OwnedPages(owner: item.owner, small: 0, large: 0)
                sum.small += item.small
                sum.large += item.large
                sums[item.owner] = sum
            }
            odd += tally.oddities
            unread += tally.unread
            uncovered += tally.uncovered
        }
        totals = sums.values.sorted { ($1.pages, $0.owner.rank) < ($0.pages, $1.owner.rank) }
        oddities = odd
        self.unread = unread
        self.uncovered = uncovered
        placement = PlacementLoss(regions)
        moves = MovePlan(regions)
    }
}
