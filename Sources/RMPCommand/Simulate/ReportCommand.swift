// SPDX-License-Identifier: Apache-2.0
// `rmpfs report`: results of one or several folders as a table, as CSV or JSON, or as an HTML file.

import ArgumentParser
import PolicyLab

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show the results of simulate, merged from several folders, as text, CSV, JSON or HTML.",
        discussion: """
            The folders must hold runs of the same scenario, such as the shards of one. A run that is in several \
            folders counts once. --csv prints what results.csv of a single complete run of the scenario would be, \
            byte for byte, and --json its results.json.
            """
    )

    @Argument(help: ArgumentHelp("Folders with results.", valueName: "dir"), completion: .directory)
    var folders: [String]

    @Option(help: ArgumentHelp("Write a report with charts to this file.", valueName: "file"), completion: .file())
    var html: String?

    @Flag(help: "Print CSV instead of a table.")
    var csv = false

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func validate() throws {
        if csv && json { throw ValidationError("--csv and --json exclude each other; give one") }
    }

    func run() throws {
        let results = try MergedResults(folders.map { ResultFolder(path: $0) })
        if results.count < results.expected {
            StandardError.write(
                "rmpfs: \(results.count) of \(results.expected) runs are finished; run simulate again to go on\n"
            )
        }
        if csv {
            try StandardOutput.write(results.csv)
        } else if json {
            try StandardOutput.write(results.table.json)
        } else if html == nil {
            try StandardOutput.write(SimulateText.table(results.table, isWhole: results.count == results.expected))
        }
        if let html { try StandardOutput.write(results.html, toFile: html) }
    }
}
