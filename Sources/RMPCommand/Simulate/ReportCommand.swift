// SPDX-License-Identifier: Apache-2.0
// `rmpfs report`: results of one or several folders as a table, as CSV, or as an HTML file.

import ArgumentParser
import PolicyLab
import RMPModel

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show the results of simulate, merged from several folders, as text, CSV or HTML.",
        discussion: """
            The folders must hold runs of the same scenario, such as the shards of one. A run that is in several folders \
            counts once. --csv prints what results.csv of a single complete run of the scenario would be, byte for byte.
            """
    )

    @Argument(help: ArgumentHelp("Folders with results.", valueName: "dir"), completion: .directory)
    var folders: [String]

    @Option(help: ArgumentHelp("Write a report with charts to this file.", valueName: "file"), completion: .file())
    var html: String?

    @Flag(help: "Print CSV instead of a table.")
    var csv = false

    func run() throws {
        let folders = folders.map { ResultFolder(path: $0) }
        let text = try folders[0].scenarioText()
        for folder in folders.dropFirst() where try folder.scenarioText() != text {
            throw SimulateError(
                description: "\(folder.path): results of another scenario than \(folders[0].path); report them apart"
            )
        }
        let frame = try ResultFrame(folders)
        for warning in frame.warnings { StandardError.write("rmpfs: \(warning)\n") }
        let table = ResultTable(csv: frame.csv)
        if csv {
            try StandardOutput.write(frame.csv)
        } else if html == nil {
            try StandardOutput.write(SimulateText.table(table))
        }
        if let html {
            let report = HTMLReport(
                table,
                title: frame.title,
                about: frame.about,
                scenario: text,
                timelines: frame.timelines.map { $0.map { ResultTable(csv: $0) } }
            )
            try StandardOutput.write(report.text, toFile: html)
        }
    }
}

/// The finished runs of some folders, each once, in the order of their numbers.
private struct ResultFrame {
    var csv = ""
    var timelines: [String?] = []
    var warnings: [String] = []
    var title = ""
    var about = ""

    init(_ folders: [ResultFolder]) throws {
        // The first folder's header is everybody's: the scenarios are the same.
        csv = try folders[0].header()
        let names = try folders.map { try $0.runNames() }
        for name in Set(names.flatMap { $0 }).sorted() {
            guard let index = names.firstIndex(where: { $0.contains(name) }) else { continue }
            csv += try folders[index].text("runs/\(name)")
            timelines.append(try? folders[index].text("timeline/\(name)"))
        }
        let expected = try folders[0].expectedRuns()
        if timelines.count < expected {
            warnings.append("\(timelines.count) of \(expected) runs are finished; run simulate again to go on")
        }
        (title, about) = try folders[0].names()
    }
}
