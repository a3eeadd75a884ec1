// SPDX-License-Identifier: Apache-2.0
// Results as a table for people: the columns that answer the first questions, in words.

import PolicyLab

enum SimulateText {
    /// The columns that are shown, with their headings.
    private static let columns: KeyValuePairs<String, (heading: String, isShare: Bool)> = [
        "fast_share": ("fast", true),
        "lost_neighbour": ("with SNP", true),
        "lost_unscanned": ("not scanned", true),
        "lost_window": ("no window", true),
        "lost_fixed": ("RMP, fw", true),
        "lost_regions_mean": ("regions lost", false),
        "recovery_p50_s": ("fast again, s", false),
        "refused": ("refused", false),
    ]

    /// The table with a heading and a line for each run.
    ///
    /// - Parameter isWhole: whether all runs of the scenario are there.
    static func table(_ table: ResultTable, isWhole: Bool = true) -> String {
        var names = table.keys
        let seeds = Set(table.column("seed"))
        // Of some runs alone, one seed does not say which.
        if seeds.count > 1 || !isWhole { names.append("seed") }
        var cells: [[String]] = [names + columns.map(\.value.heading)]
        for index in table.rows.indices {
            var row = names.map { table.column($0)[index] }
            for (name, style) in columns {
                let field = table.column(name)[index]
                row.append(style.isShare ? percent(field) : short(field))
            }
            cells.append(row)
        }
        let widths = cells[0].indices.map { column in cells.map { $0[column].unicodeScalars.count }.max() ?? 0 }
        return cells.map { row in
            let padded = row.enumerated().map { index, cell in
                let blanks = String(repeating: " ", count: widths[index] - cell.unicodeScalars.count)
                return index < names.count ? cell + blanks : blanks + cell
            }
            var line = padded.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    /// A share such as 0.123456 as 12.3 %.
    static func percent(_ field: String) -> String {
        guard let value = Double(field) else { return "-" }
        let tenths = Int((value * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }

    /// At most one decimal.
    private static func short(_ field: String) -> String {
        guard let value = Double(field) else { return "-" }
        if !field.contains(".") { return field }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
