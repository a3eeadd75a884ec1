// SPDX-License-Identifier: Apache-2.0
// The finished runs of some folders of one scenario, each once, in the order of their numbers: what one run of all of
// them would have written, byte for byte.

import PolicyLab

/// Results of one or several folders.
struct MergedResults {
    /// What `results.csv` holds.
    let csv: String
    /// How many runs are finished.
    let count: Int
    /// How many the scenario has.
    let expected: Int
    private let timelines: [String?]
    private let title: String
    private let about: String
    private let scenario: String

    /// - Throws: if the folders hold results of different scenarios, or cannot be read.
    init(_ folders: [ResultFolder]) throws {
        scenario = try folders[0].scenarioText()
        for folder in folders.dropFirst() where try folder.scenarioText() != scenario {
            throw SimulateError(
                description: "\(folder.path): results of another scenario than \(folders[0].path); report them apart"
            )
        }
        // The first folder's header is everybody's: the scenarios are the same.
        var csv = try folders[0].text("header.csv")
        var timelines: [String?] = []
        let names = try folders.map { try $0.runNames() }
        let all = Set(names.flatMap { $0 }).sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
        for name in all {
            guard let index = names.firstIndex(where: { $0.contains(name) }) else { continue }
            csv += try folders[index].text("runs/\(name)")
            timelines.append(try? folders[index].text("timeline/\(name)"))
        }
        self.csv = csv
        self.timelines = timelines
        count = all.count
        (expected, title, about) = try folders[0].facts()
    }

    /// The results as a table.
    var table: ResultTable { ResultTable(csv: csv) }

    /// The report with charts.
    var html: String {
        HTMLReport(
            table,
            title: title,
            about: about,
            scenario: scenario,
            timelines: timelines.map { $0.map { ResultTable(csv: $0) } }
        ).text
    }
}
