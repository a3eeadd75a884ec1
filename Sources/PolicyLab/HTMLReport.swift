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
        let groups = ResultGroup.all(of: table)
        let seeds = groups.map(\.rows.count).max() ?? 0
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(ReportText.escaped(title))</title>
            <style>
            \(HTMLReport.style)
            </style>
            </head>
            <body>
            <h1>\(ReportText.escaped(title))</h1>
            \(about.isEmpty ? "" : "<p>\(ReportText.escaped(about))</p>\n")\
            <p>On a host with SNP, the processor checks every write to memory against the RMP. RMPOPT lets a core skip
            the check for a region (1 GB) that holds no page of an SNP guest, once a pass has found that out. So it
            matters where SNP guests lie. <em>Ordinary memory</em> is all memory in use that belongs to no SNP guest:
            other guests and the host itself. All figures come from a model; its assumptions are at the end.</p>
            <h2>How much ordinary memory was fast</h2>
            \(seeds > 1 ? HTMLReport.meanOfSeeds(seeds) : "")\
            \(ReportCharts.key)
            \(ReportCharts.bars(table, groups))
            <h2>What it took</h2>
            \(costs(groups))
            <h2>Over time</h2>
            \(lines(groups))
            <h2>All results</h2>
            <details><summary>\(table.rows.count) runs, \(table.columns.count) columns: results.csv as a table</summary>
            \(numbers)
            </details>
            <h2>What the columns mean</h2>
            \(meanings)
            <h2>What the model assumes</h2>
            <ul>
            \(Assumptions.all.map { "<li>\(ReportText.escaped($0))</li>" }.joined(separator: "\n"))
            </ul>
            <h2>Scenario</h2>
            <p>With all defaults written out; <code>rmpfs simulate</code> takes it as it is.</p>
            <pre>\(ReportText.escaped(scenario))</pre>
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
        h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
        svg { width: 100%; height: auto; display: block; }
        svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
        .fast { fill: var(--fast); background: var(--fast); }
        .unscanned { fill: var(--unscanned); background: var(--unscanned); }
        .neighbour { fill: var(--neighbour); background: var(--neighbour); }
        .window { fill: var(--window); background: var(--window); }
        .fixed { fill: var(--fixed); background: var(--fixed); }
        .axis { stroke: var(--faint); }
        .bound { stroke: var(--ink); stroke-width: 3; }
        .line { fill: none; stroke: var(--fast); stroke-width: 2; }
        .best { fill: none; stroke: var(--ink); stroke-dasharray: 4 4; }
        ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
        ul.key span { display: inline-block; width: .9em; height: .9em; margin-right: .4em; }
        ul.key span.mark { width: 3px; background: var(--ink); margin: 0 .8em 0 .4em; }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; font-size: 14px; }
        th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--faint); text-align: right; }
        td { white-space: nowrap; }
        th { vertical-align: bottom; }
        .words td, .words th { text-align: left; white-space: normal; vertical-align: top; }
        td:first-child, th:first-child { text-align: left; }
        pre { overflow-x: auto; border: 1px solid var(--faint); padding: 1rem; }
        """

    private static func meanOfSeeds(_ count: Int) -> String {
        "<p>Each bar is the mean of \(count) runs with different seeds; in brackets the least and the most.</p>\n"
    }

    /// The columns that say what passes cost and how soon they help, with headings for people.
    private static let costs: [(column: String, heading: String)] = [
        ("lost_regions_mean", "regions not fast on all cores, mean a host"),
        ("fewest_lost_regions_mean", "the fewest possible"),
        ("recovery_p50_s", "fast again after a guest's end, median, s"),
        ("recovery_p99_s", "99 of 100 within, s"),
        ("passes_per_day", "passes a day and host"),
        ("interrupts_off_max_us", "longest with interrupts off, µs"),
        ("stolen_cpu_s_per_day", "CPU time taken, s a day and host"),
        ("refused", "guests refused"),
    ]

    private func costs(_ groups: [ResultGroup]) -> String {
        let columns = HTMLReport.costs.map { table.column($0.column) }
        var text = "<div class=\"wide\"><table>\n<tr><th>run</th>"
        for cost in HTMLReport.costs { text += "<th>\(cost.heading)</th>" }
        text += "</tr>\n"
        for group in groups {
            text += "<tr><td>\(ReportText.escaped(group.title))</td>"
            for column in columns {
                text += "<td>\(group.spread(column).map { ReportText.number($0.mean) } ?? "none")</td>"
            }
            text += "</tr>\n"
        }
        return text + "</table></div>"
    }

    /// More charts than this nobody looks at.
    private static let mostLines = 24

    private func lines(_ groups: [ResultGroup]) -> String {
        var charts = ""
        var shown = 0
        for group in groups {
            guard let row = group.rows.first, row < timelines.count, let timeline = timelines[row] else { continue }
            let chart = ReportCharts.line(timeline, title: group.title)
            // The bound itself has nothing to show beside the bound.
            if chart.isEmpty || timeline.column("fast_share") == timeline.column("optimum_share") { continue }
            if shown == HTMLReport.mostLines {
                charts += "<p>More timelines are in the folder <code>timeline</code>.</p>"
                break
            }
            shown += 1
            charts += chart
        }
        if charts.isEmpty { return "<p>There is no timeline with more than one step.</p>" }
        return
            "<p>Solid: the share of ordinary memory that was fast in each step of time. Dashes: the bound. Time runs "
            + "from the moment when measuring began; of several seeds the first is shown. Runs that were at the bound "
            + "throughout have no chart.</p>\n" + charts
    }

    private var numbers: String {
        var text = "<div class=\"wide\"><table>\n<tr>"
        for column in table.columns { text += "<th>\(ReportText.escaped(column))</th>" }
        text += "</tr>\n"
        for row in table.rows {
            text += "<tr>" + row.map { "<td>\(ReportText.escaped($0))</td>" }.joined() + "</tr>\n"
        }
        return text + "</table></div>"
    }

    private var meanings: String {
        var text = "<div class=\"wide\"><table class=\"words\">\n<tr><th>column</th><th>is</th></tr>\n"
        for column in Column.all {
            text += "<tr><td><code>\(column.name)</code></td><td>\(ReportText.escaped(column.about))</td></tr>\n"
        }
        return text + "</table></div>"
    }
}
