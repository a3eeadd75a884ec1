// SPDX-License-Identifier: Apache-2.0
// The charts of a report, as SVG within the page: colours come from the page's style sheet, every number is text, too.

enum ReportCharts {
    /// The parts of ordinary memory, in the order in which bars show them, with words for people.
    static let parts: [(column: String, text: String, style: String)] = [
        ("fast_share", "fast: no RMP check", "fast"),
        ("lost_unscanned", "holds no SNP page, but no pass has come yet", "unscanned"),
        ("lost_neighbour", "shares its region with SNP pages", "neighbour"),
        ("lost_window", "outside the window of some cores", "window"),
        ("lost_fixed", "shares its region with the RMP or firmware", "fixed"),
    ]

    /// What the colours of the bars mean.
    static var key: String {
        let items = parts.map { "<li><span class=\"\($0.style)\"></span>\($0.text)</li>" }.joined(separator: "\n")
        return "<ul class=\"key\">\n\(items)\n<li><span class=\"mark\"></span>the bound: no placement can do better"
            + "</li>\n</ul>"
    }

    private static let (left, width, height) = (130.0, 510.0, 26)

    /// A bar for each group, below a heading for those that belong together.
    static func bars(_ table: ResultTable, _ groups: [ResultGroup]) -> String {
        var text = ""
        var first = 0
        while first < groups.count {
            let heading = groups[first].heading
            let next = groups[first...].firstIndex { $0.heading != heading } ?? groups.count
            if !heading.isEmpty { text += "<h3>\(ReportText.escaped(heading))</h3>\n" }
            text += picture(table, groups[first..<next], heading) + "\n"
            first = next
        }
        return text
    }

    private static func picture(_ table: ResultTable, _ groups: ArraySlice<ResultGroup>, _ heading: String) -> String {
        let columns = parts.map { table.column($0.column) }
        let optimum = table.column("optimum_share")
        let bottom = groups.count * height + 4
        var svg = "<svg viewBox=\"0 0 860 \(bottom + 36)\" role=\"img\" "
        svg += "aria-label=\"Shares of ordinary memory. \(ReportText.escaped(heading))\">\n"
        for tick in stride(from: 0, through: 100, by: 25) {
            let x = ReportText.decimal(left + Double(tick) / 100 * width)
            svg += "<line class=\"axis\" x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"\(bottom)\"/>"
            svg += "<text x=\"\(x)\" y=\"\(bottom + 14)\" text-anchor=\"middle\">\(tick) %</text>\n"
        }
        svg += "<text x=\"\(ReportText.decimal(left + width / 2))\" y=\"\(bottom + 30)\" text-anchor=\"middle\">"
        svg += "share of ordinary memory in use, averaged over time and cores</text>\n"
        for (row, group) in groups.enumerated() {
            let top = row * height
            svg += "<text x=\"\(ReportText.decimal(left - 8))\" y=\"\(top + 18)\" text-anchor=\"end\">"
            svg += "\(ReportText.escaped(group.label))</text>\n"
            var x = left
            for (part, column) in zip(parts, columns) {
                let share = group.spread(column)?.mean ?? 0
                if share <= 0 { continue }
                svg += "<rect class=\"\(part.style)\" x=\"\(ReportText.decimal(x))\" y=\"\(top + 5)\" "
                svg += "width=\"\(ReportText.decimal(share * width))\" height=\"18\">"
                svg += "<title>\(part.text): \(ReportText.percent(share))</title></rect>\n"
                x += share * width
            }
            if let bound = group.spread(optimum)?.mean {
                let x = ReportText.decimal(left + bound * width)
                svg += "<line class=\"bound\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(top + 2)\" y2=\"\(top + 26)\"/>\n"
            }
            if let fast = group.spread(columns[0]) {
                svg += "<text x=\"\(ReportText.decimal(left + width + 10))\" y=\"\(top + 18)\">"
                svg += "\(ReportText.percent(fast.mean)) fast"
                if group.rows.count > 1 {
                    svg += " (\(ReportText.decimal(fast.least * 100)) to \(ReportText.decimal(fast.most * 100)))"
                }
                svg += "</text>\n"
            }
        }
        return svg + "</svg>"
    }

    /// The share that was fast in each step of time, and the bound.
    static func line(_ timeline: ResultTable, title: String) -> String {
        let times = timeline.column("time_s").compactMap { Double($0) }
        let steps = timeline.column("step_s").compactMap { Double($0) }
        guard times.count > 1, steps.count == times.count else { return "" }
        let end = times[times.count - 1] + steps[steps.count - 1]
        func points(_ column: String) -> String {
            // A step's mean holds from its beginning to its end.
            zip(zip(times, steps), timeline.column(column)).map { step, field in
                let y = ReportText.decimal(120 - 100 * (Double(field) ?? 0))
                let from = ReportText.decimal(60 + step.0 / end * 720)
                let to = ReportText.decimal(60 + (step.0 + step.1) / end * 720)
                return "\(from),\(y) \(to),\(y)"
            }.joined(separator: " ")
        }
        var svg = "<svg viewBox=\"0 0 860 160\" role=\"img\" "
        svg += "aria-label=\"Fast share over time: \(ReportText.escaped(title))\">\n"
        svg += "<text x=\"60\" y=\"12\">\(ReportText.escaped(title))</text>\n"
        for tick in [0, 50, 100] {
            let y = 120 - tick
            svg += "<line class=\"axis\" x1=\"60\" x2=\"780\" y1=\"\(y)\" y2=\"\(y)\"/>"
            svg += "<text x=\"54\" y=\"\(y + 4)\" text-anchor=\"end\">\(tick) %</text>\n"
        }
        svg += "<polyline class=\"best\" points=\"\(points("optimum_share"))\"/>\n"
        svg += "<polyline class=\"line\" points=\"\(points("fast_share"))\"/>\n"
        for tick in 0...4 {
            svg += "<text x=\"\(60 + 180 * tick)\" y=\"138\" text-anchor=\"middle\">"
            svg += "\(ReportText.time(end * Double(tick) / 4, longest: end))</text>\n"
        }
        return svg + "</svg>\n"
    }
}
