// SPDX-License-Identifier: Apache-2.0
// The picture as text: letters on colours in a terminal, letters alone elsewhere.

extension RegionPicture {
    /// The picture, its legend and its summary, a line each.
    func lines(on screen: Screen) -> [String] {
        var lines = rows.map { row in
            label(row.region) + Self.painted(row.cells, width: cellWidth, on: screen)
        }
        lines.append("")
        for (kind, count) in kinds {
            let swatch = Self.painted([PictureCell(kind: kind, isWhole: true)], width: 2, on: screen)
            let words = Self.legend(kind, count, columns: screen.columns)
            for (index, text) in words.enumerated() { lines.append("\(index == 0 ? swatch : "  ") \(text)") }
        }
        return lines
            + ([scale] + summary).filter { !$0.isEmpty }.flatMap {
                FoldedText.lines($0, columns: screen.columns)
            }
    }

    /// What a kind of region is called, and how many there are: lines behind a swatch of two columns and a blank.
    static func legend(_ kind: RegionKind, _ count: Int, columns: Int) -> [String] {
        FoldedText.lines("\(kind.look.words): \(count)", columns: columns - 3)
    }

    /// `  64 GB  `
    private func label(_ region: UInt64) -> String {
        let number = String(region)
        return String(repeating: " ", count: max(0, labelWidth - 5 - number.count)) + number + " GB  "
    }

    /// Cells of the same kind share one escape sequence.
    private static func painted(_ cells: some Collection<PictureCell>, width: Int, on screen: Screen) -> String {
        var text = ""
        var current: RegionKind?
        for cell in cells {
            if screen.hasColours && cell.kind != current {
                text += "\u{1B}[0;\(cell.kind.look.terminal)m"
                current = cell.kind
            }
            let letter = cell.isWhole ? String(cell.kind.look.letter) : cell.kind.look.letter.lowercased()
            // In colour a space separates a letter from its neighbours; without colour the whole cell is letters.
            text += letter + String(repeating: screen.hasColours ? " " : letter, count: width - 1)
        }
        return screen.hasColours ? text + "\u{1B}[0m" : text
    }
}
