// SPDX-License-Identifier: Apache-2.0
// A folder of results: what is finished lies in files of its own, so that an interrupted run loses nothing and a
// repeated one doubles nothing.

import Glibc
import PolicyLab
import RMPFS

/// A folder of results.
///
/// `scenario.yaml` says what is run; `runs/N.csv` has the line of run N, `timeline/N.csv` its timeline; `results.csv`
/// and `results.json` are made of these.
struct ResultFolder {
    let path: String

    static let scenarioName = "scenario.yaml"

    /// Makes the folder, or goes on in one with the same scenario.
    ///
    /// `header.csv` and `runs.txt` hold what reports need to know besides: how many runs there are, name, description.
    func prepare(_ scenario: Scenario, _ text: String) throws {
        for folder in [path, "\(path)/runs", "\(path)/timeline"] {
            if mkdir(folder.systemName, 0o777) != 0 && errno != EEXIST {
                throw SimulateError(description: "\(folder): \(String(cString: strerror(errno)))")
            }
        }
        let name = "\(path)/\(ResultFolder.scenarioName)"
        if access(name.systemName, F_OK) == 0 {
            let there = try ScenarioSource.bytes(of: name, limit: 1 << 20)
            if there != Array(text.utf8) {
                throw SimulateError(
                    description: "\(path): holds results of another scenario or version (\(name)); give another --out"
                )
            }
            return
        }
        // The scenario comes last: a folder with one is complete.
        try StandardOutput.write(scenario.header, toFile: "\(path)/header.csv")
        try StandardOutput.write("\(scenario.runs.count)\n\(scenario.name)\n\(scenario.about)", toFile: "\(path)/runs.txt")
        try StandardOutput.write(text, toFile: name)
    }

    /// The text of a file of the folder.
    func text(_ name: String) throws -> String {
        String(decoding: try ScenarioSource.bytes(of: "\(path)/\(name)", limit: 1 << 28), as: UTF8.self)
    }

    /// The scenario with all defaults.
    func scenarioText() throws -> String { try text(ResultFolder.scenarioName) }
    /// The first line of `results.csv`.
    func header() throws -> String { try text("header.csv") }

    /// How many runs the scenario has.
    func expectedRuns() throws -> Int { Int(try text("runs.txt").prefix { $0 != "\n" }) ?? 0 }

    /// The scenario's name and description.
    func names() throws -> (title: String, about: String) {
        let lines = try text("runs.txt").split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        return (lines.count > 1 ? String(lines[1]) : "", lines.count > 2 ? String(lines[2]) : "")
    }

    /// The files of finished runs.
    func runNames() throws -> Set<String> {
        guard let names = SystemFiles.names(in: "\(path)/runs") else {
            throw SimulateError(description: "\(path)/runs: \(String(cString: strerror(errno)))")
        }
        return Set(names.filter { $0.hasSuffix(".csv") })
    }

    /// Whether a run is finished.
    func has(_ run: Run) -> Bool { access("\(path)/runs/\(run.name).csv".systemName, F_OK) == 0 }

    /// Keeps a finished run. Its line comes last: whoever sees it sees the timeline, too.
    func keep(_ finished: Laboratory.Finished) throws {
        try StandardOutput.write(finished.timeline, toFile: "\(path)/timeline/\(finished.run.name).csv")
        try StandardOutput.write(finished.line, toFile: "\(path)/runs/\(finished.run.name).csv")
    }

    /// The line of a run; nil if it is not finished.
    func line(of run: Run) throws -> String? {
        guard has(run) else { return nil }
        let bytes = try ScenarioSource.bytes(of: "\(path)/runs/\(run.name).csv", limit: 1 << 20)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes `results.csv` and `results.json` from the finished runs.
    ///
    /// - Returns: how many there are.
    @discardableResult
    func writeResults(_ scenario: Scenario) throws -> Int {
        let lines = try scenario.runs.compactMap { try line(of: $0) }
        try StandardOutput.write(scenario.header + lines.joined(), toFile: "\(path)/results.csv")
        let json = ResultTable(csv: scenario.header + lines.joined()).json
        try StandardOutput.write(json, toFile: "\(path)/results.json")
        return lines.count
    }
}
