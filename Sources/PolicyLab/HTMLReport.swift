// SPDX-License-Identifier: Apache-2.0
// Results as one HTML file that needs nothing else: charts are inline SVG, colours follow the reader's light or dark
// setting, and no script runs.

/// Makes the report.
public struct HTMLReport: Sendable {
    private let table: ResultTable
    private let title: String
    private let about: String
    private let scenario: String
    private let timelines: [ResultTable?]

    /// The parts of ordinary memory, with the words that people read.
    private static let parts: [(column: String, text: String, style: String)] = [
        ("fast_share", "fast: no RMP check", "fast"),
        ("lost_unscanned", "free of SNP pages, but no pass has come yet", "unscanned"),
        ("lost_neighbour", "in a region with SNP pages", "neighbour"),
        ("lost_window", "outside every core's window", "window"),
        ("lost_fixed", "beside the RMP or firmware", "fixed"),
    ]

    /// - Parameters:
    ///   - table: the results.
    ///   - title: the scenario's name.
    ///   - about: its description.
    ///   - scenario: its text.
    ///   - timelines: the timeline of each row, if there is one.
    public init(_ table: ResultTable, title: String, about: String, scenario: String, timelines: [ResultTable?]) {
        self.table = table
        self.title = title.isEmpty ? "rmpfs simulate" : title
        self.about = about
        self.scenario = scenario
        self.timelines = timelines
    }

    /// The file.
    public var text: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(HTMLReport.escaped(title))</title>
        <style>
        \(HTMLReport.style)
        </style>
        </head>
        <body>
        <h1>\(HTMLReport.escaped(title))</h1>
        \(about.isEmpty ? "" : "<p>\(HTMLReport.escaped(about))</p>\n")\
        <p>A processor with SNP checks every write to memory against the RMP, except in regions (1 GB) of which RMPOPT
        knows that they hold no page of an SNP guest. The bars show what share of all <em>other</em> memory in use was
        fast, on average over time and cores, and why the rest was not. The mark is the bound: no placement of the same
        guests can do better. All figures come from a model.</p>
        <h2>Where ordinary memory was</h2>
        \(bars)
        <h2>Over time</h2>
        \(lines)
        <h2>All results</h2>
        \(numbers)
        <h2>Scenario</h2>
        <pre>\(HTMLReport.escaped(scenario))</pre>
        </body>
        </html>

        """
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --faint: #d5d9de; --fast: #1b7f5c;
          --unscanned: #e0a100; --neighbour: #c2413b; --window: #7a5fb5; --fixed: #6c757d; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #16181b; --faint: #3a3f45;
          --fast: #3fbf8f; --unscanned: #f0c040; --neighbour: #e8716b; --window: #a78fe0; --fixed: #9aa3ab; } }
        body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
          margin: 2rem auto; padding: 0 1rem; }
        svg { width: 100%; height: auto; display: block; }
        svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
        .fast { fill: var(--fast); background: var(--fast); } .unscanned { fill: var(--unscanned); background: var(--unscanned); }
        .neighbour { fill: var(--neighbour); background: var(--neighbour); }
        .window { fill: var(--window); background: var(--window); } .fixed { fill: var(--fixed); background: var(--fixed); }
        .axis { stroke: var(--faint); } .bound { stroke: var(--ink); stroke-width: 2; }
        .line { fill: none; stroke: var(--fast); stroke-width: 2; } .best { fill: none; stroke: var(--ink); stroke-dasharray: 4 4; }
        ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
        ul.key span { display: inline-block; width: .9em; height: .9em; margin-right: .4em; }
        .wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; }
        th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--faint); text-align: right; white-space: nowrap; }
        pre { overflow-x: auto; border: 1px solid var(--faint); padding: 1rem; }
        """

    /// A row's values that tell it apart.
    private func label(_ row: Int) -> String {
        var names = table.keys
        if Set(table.column("seed")).count > 1 || names.isEmpty { names.append("seed") }
        return names.map { "\($0) \(table.column($0)[row])" }.joined(separator: ", ")
    }

    private func value(_ column: String, _ row: Int) -> Double { Double(table.column(column)[row]) ?? 0 }

    private var bars: String {
        let (height, width) = (46, 760.0)
        var svg = "<ul class=\"key\">"
        for part in HTMLReport.parts { svg += "<li><span class=\"\(part.style)\"></span>\(part.text)</li>" }
        svg += "<li>| the bound</li></ul>\n"
        let bottom = table.rows.count * height + 10
        svg += "<svg viewBox=\"0 0 860 \(bottom + 30)\" role=\"img\" aria-label=\"shares of ordinary memory\">\n"
        for row in table.rows.indices {
            let top = row * height
            svg += "<text x=\"10\" y=\"\(top + 14)\">\(HTMLReport.escaped(label(row))): "
            svg += "\(HTMLReport.percent(value("fast_share", row)))</text>\n"
            var left = 10.0
            for part in HTMLReport.parts {
                let share = value(part.column, row)
                if share <= 0 { continue }
                let title = "\(part.text): \(HTMLReport.percent(share))"
                svg += "<rect class=\"\(part.style)\" x=\"\(HTMLReport.short(left))\" y=\"\(top + 20)\" "
                svg += "width=\"\(HTMLReport.short(share * width))\" height=\"16\"><title>\(title)</title></rect>\n"
                left += share * width
            }
            let bound = HTMLReport.short(10 + value("optimum_share", row) * width)
            svg += "<line class=\"bound\" x1=\"\(bound)\" x2=\"\(bound)\" y1=\"\(top + 17)\" y2=\"\(top + 39)\"/>\n"
        }
        for tick in stride(from: 0, through: 100, by: 25) {
            let x = HTMLReport.short(10 + Double(tick) / 100 * width)
            svg += "<text x=\"\(x)\" y=\"\(bottom + 16)\" text-anchor=\"middle\">\(tick) %</text>\n"
        }
        return svg + "</svg>"
    }

    private var lines: String {
        var text = "<p>The share of ordinary memory that was fast in each step of time (line), and the bound (dashes).</p>\n"
        var shown = 0
        for (row, timeline) in timelines.enumerated() {
            guard let timeline, timeline.rows.count > 1 else { continue }
            if shown == HTMLReport.mostLines {
                return text + "<p>Further runs are in the folder <code>timeline</code>.</p>"
            }
            shown += 1
            let times = timeline.column("time_s").compactMap { Double($0) }
            let end = max(times.last ?? 1, 1)
            func points(_ column: String) -> String {
                zip(times, timeline.column(column)).map { time, field in
                    let y = 110 - 100 * (Double(field) ?? 0)
                    return "\(HTMLReport.short(50 + time / end * 720)),\(HTMLReport.short(y))"
                }.joined(separator: " ")
            }
            text += "<svg viewBox=\"0 0 860 150\" role=\"img\" aria-label=\"fast share over time\">\n"
            text += "<text x=\"50\" y=\"8\">\(HTMLReport.escaped(label(row)))</text>\n"
            for tick in [0, 50, 100] {
                let y = 110 - tick
                text += "<line class=\"axis\" x1=\"50\" x2=\"770\" y1=\"\(y)\" y2=\"\(y)\"/>"
                text += "<text x=\"44\" y=\"\(y + 4)\" text-anchor=\"end\">\(tick) %</text>\n"
            }
            text += "<polyline class=\"best\" points=\"\(points("optimum_share"))\"/>\n"
            text += "<polyline class=\"line\" points=\"\(points("fast_share"))\"/>\n"
            for tick in 0...4 {
                let x = 50 + 180 * tick
                text += "<text x=\"\(x)\" y=\"128\" text-anchor=\"middle\">"
                text += "\(HTMLReport.short(end / 3600 * Double(tick) / 4)) h</text>\n"
            }
            text += "</svg>\n"
        }
        return shown == 0 ? "<p>No timeline.</p>" : text
    }

    /// More charts than this nobody looks at.
    private static let mostLines = 24

    private var numbers: String {
        var text = "<div class=\"wide\"><table>\n<tr>"
        for column in table.columns { text += "<th>\(HTMLReport.escaped(column))</th>" }
        text += "</tr>\n"
        for row in table.rows {
            text += "<tr>" + row.map { "<td>\(HTMLReport.escaped($0))</td>" }.joined() + "</tr>\n"
        }
        return text + "</table></div>"
    }

    private static func percent(_ share: Double) -> String { "\(short(share * 100)) %" }

    /// With one decimal.
    private static func short(_ value: Double) -> String {
        let tenths = Int((value.magnitude * 10).rounded())
        return "\(value < 0 && tenths > 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
