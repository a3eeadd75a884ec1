// SPDX-License-Identifier: Apache-2.0
// The picture of a host's regions, independent of how it is drawn: rows of cells of one or more regions.

/// A cell: what its regions are.
struct PictureCell: Sendable, Equatable {
    /// The kind of all its regions, or the most frequent kind among those that are not optimized.
    let kind: RegionKind
    /// Whether all of them are of that kind.
    let isWhole: Bool
}

/// Rows of cells.
struct RegionPicture: Sendable {
    /// A row: the number of its first region, and its cells.
    struct Row: Sendable {
        let region: UInt64
        let cells: ArraySlice<PictureCell>
    }

    let rows: [Row]
    let regionsPerCell: Int
    /// Columns of a cell.
    let cellWidth: Int
    /// Cells of a full row.
    let cellsPerRow: Int
    /// How many regions there are of each kind that occurs.
    let kinds: [(kind: RegionKind, count: Int)]
    /// The lines that say how much is optimized.
    let summary: [String]

    /// Digits of the numbers in front of the rows, and ` GB  ` behind them.
    let labelWidth: Int

    /// Rows of a picture that no window limits.
    private static let rowsWithoutWindow = 32

    /// - Parameters:
    ///   - columns: the width that the rows must fit.
    ///   - rows: how many lines there are for everything; nil: no limit.
    init(_ snapshot: RegionSnapshot, columns: Int, rows: Int? = nil) {
        let kinds = snapshot.regions.map { RegionKind($0, cpus: snapshot.cpus) }
        let present = RegionKind.allCases.compactMap { kind -> (kind: RegionKind, count: Int)? in
            let count = kinds.count { $0 == kind }
            return count > 0 ? (kind, count) : nil
        }
        self.kinds = present
        let digits = max(3, String(snapshot.regions.last?.region ?? 0).count)
        labelWidth = digits + 5
        let summary = Self.summary(snapshot)
        // Below the rows: an empty line, the legend, the scale and the summary; the last line is the prompt's.
        let texts = summary + [Self.scale(kinds.count)]
        let below =
            present.reduce(2) { $0 + Self.legend($1.kind, $1.count, columns: columns).count }
            + texts.reduce(0) { $0 + FoldedText.lines($1, columns: columns).count }
        let most = rows.map { max(2, $0 - below) } ?? Self.rowsWithoutWindow
        let room = max(1, columns - labelWidth)
        // Rows begin at round numbers: a power of two of cells.
        func powerBelow(_ number: Int) -> Int { 1 << (Int.bitWidth - 1 - max(1, number).leadingZeroBitCount) }
        func needed(_ cells: Int, _ regions: Int) -> Int { (kinds.count + cells * regions - 1) / (cells * regions) }
        let wide = powerBelow(room / 2)
        if room >= 2 && needed(wide, 1) <= most {
            (cellWidth, cellsPerRow, regionsPerCell) = (2, wide, 1)
        } else {
            let cells = powerBelow(room)
            var regions = 1
            while needed(cells, regions) > most { regions *= 2 }
            (cellWidth, cellsPerRow, regionsPerCell) = (1, cells, regions)
        }
        let perCell = regionsPerCell
        let cells = stride(from: 0, to: kinds.count, by: perCell).map { start in
            Self.cell(kinds[start..<min(start + perCell, kinds.count)])
        }
        let perRow = cellsPerRow
        self.rows = stride(from: 0, to: cells.count, by: perRow).map { start in
            Row(
                region: snapshot.regions[start * perCell].region,
                cells: cells[start..<min(start + perRow, cells.count)]
            )
        }
        self.summary = summary
    }

    private static func cell(_ kinds: ArraySlice<RegionKind>) -> PictureCell {
        var counts = [Int](repeating: 0, count: RegionKind.allCases.count)
        for kind in kinds { counts[kind.rawValue] += 1 }
        let others = RegionKind.allCases.filter { !$0.isGood }
        guard let kind = others.max(by: { counts[$0.rawValue] < counts[$1.rawValue] }), counts[kind.rawValue] > 0 else {
            return PictureCell(kind: kinds.first ?? .optimized, isWhole: true)
        }
        return PictureCell(kind: kind, isWhole: counts[kind.rawValue] == kinds.count)
    }

    private static func summary(_ snapshot: RegionSnapshot) -> [String] {
        let counts = snapshot.counts
        let total = snapshot.regions.count
        if snapshot.isOfRMP {
            let free = snapshot.regions.count(where: \.isFree)
            let tenths = total > 0 ? free * 1000 / total : 0
            return [
                "\(total) regions of 1 GB, by their RMP entries",
                "free: \(free) (\(tenths / 10).\(tenths % 10) %), held: \(total - free)",
            ]
        }
        let tenths = total > 0 ? (counts.all * 1000) / total : 0
        let offline = snapshot.offline > 0 ? ", \(snapshot.offline) more offline" : ""
        return [
            "\(total) regions of 1 GB, \(snapshot.cpus) CPUs\(offline)",
            "optimized on all: \(counts.all) (\(tenths / 10).\(tenths % 10) %), on some: \(counts.some), "
                + "on none: \(counts.none)",
        ]
    }

    /// Explains the letters and a cell's size; empty where that is obvious.
    var scale: String { regionsPerCell == 1 ? "" : Self.scale(regionsPerCell) }

    private static func scale(_ regions: Int) -> String {
        "a cell is \(regions) regions; small letters: not all of them"
    }
}
