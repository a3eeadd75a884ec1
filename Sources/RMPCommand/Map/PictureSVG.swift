// SPDX-License-Identifier: Apache-2.0
// The picture as SVG, for documents and tickets.

import RMPFS

extension RegionPicture {
    /// Sizes in pixels.
    private enum Size {
        static let cell = (width: 12, height: 16)
        static let letter = 10
        static let line = 18
        static let margin = 12
        static let label = 64
    }

    /// The picture with legend and summary; each cell has a title that viewers show.
    /// - Parameter title: what it is a picture of, a line in front of the summary.
    func svg(title: String) -> String {
        let summary = [title] + summary
        let scale = self.scale.isEmpty ? [] : [self.scale]
        let width = max(Size.label + cellsPerRow * Size.cell.width, 480) + 2 * Size.margin
        let below = Size.margin + rows.count * Size.cell.height + Size.line
        let height = below + (kinds.count + scale.count + summary.count) * Size.line + Size.margin
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" width="\#(width)" height="\#(height)" "#
                + #"viewBox="0 0 \#(width) \#(height)" font-family="monospace" font-size="12">"#,
            "<title>\(Self.escape(summary.joined(separator: "; ")))</title>",
            #"<rect width="100%" height="100%" fill="white"/>"#,
        ]
        for (number, row) in rows.enumerated() {
            let y = Size.margin + number * Size.cell.height
            lines.append(Self.text("\(row.region) GB", x: Size.margin + Size.label - 10, y: y + 12, anchor: "end"))
            for (column, cell) in row.cells.enumerated() {
                let x = Size.margin + Size.label + column * Size.cell.width
                let first = row.region + UInt64(column * regionsPerCell)
                lines.append(Self.cell(cell, x: x, y: y, title: "\(first) GB: \(cell.kind.look.words)"))
            }
        }
        var y = below
        for (kind, count) in kinds {
            lines.append(
                Self.cell(PictureCell(kind: kind, isWhole: true), x: Size.margin, y: y, title: kind.look.words)
            )
            lines.append(Self.text("\(kind.look.words): \(count)", x: Size.margin + 20, y: y + 12))
            y += Size.line
        }
        for line in scale + summary {
            lines.append(Self.text(line, x: Size.margin, y: y + 12))
            y += Size.line
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private static func cell(_ cell: PictureCell, x: Int, y: Int, title: String) -> String {
        let look = cell.kind.look
        let (width, height) = (Size.cell.width - 1, Size.cell.height - 1)
        let box =
            #"<rect x="\#(x)" y="\#(y)" width="\#(width)" height="\#(height)" fill="\#(look.fill)">"#
            + "<title>\(escape(title))</title></rect>"
        if cell.kind.isGood { return box }
        let letter = cell.isWhole ? String(look.letter) : look.letter.lowercased()
        return box
            + #"<text x="\#(x + width / 2)" y="\#(y + 12)" text-anchor="middle" font-size="\#(Size.letter)" "#
            + #"fill="\#(look.ink)" pointer-events="none">\#(letter)</text>"#
    }

    private static func text(_ text: String, x: Int, y: Int, anchor: String = "start") -> String {
        #"<text x="\#(x)" y="\#(y)" text-anchor="\#(anchor)" fill="black">\#(escape(text))</text>"#
    }

    private static func escape(_ text: String) -> String {
        // Invalid UTF-8 would be invalid XML.
        String(decoding: text.systemBytes, as: UTF8.self).reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
    }
}
