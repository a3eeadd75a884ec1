// SPDX-License-Identifier: Apache-2.0
// A folder of results: what is finished lies in files of its own, so that an interrupted run loses nothing and a
// repeated one doubles nothing.

import Glibc
import PolicyLab
import RMPFS

/// A folder of results.
///
/// `scenario.yaml` says what is run, with copies of the files that it names in `files`; `header.csv` and `runs.txt`
/// hold what reports need to know besides: the columns, how many runs there are, name and description. `runs/N.csv` has
/// the line of run N, `timeline/N.csv` its timeline. `results.csv`, `results.json` and `report.html` are made of these.
struct ResultFolder {
    let path: String

    private static let scenarioName = "scenario.yaml"

    private func failure(_ name: String) -> SimulateError {
        SimulateError(description: "\(name): \(String(cString: strerror(errno)))")
    }

    /// Makes the folder with those above it, or goes on in one with the same scenario; keeps others out until the
    /// process ends.
    func prepare(_ scenario: Scenario, _ text: String) throws {
        var above = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            above += above.isEmpty && !part.isEmpty ? part : "/\(part)"
            // Whatever keeps it from being made keeps the last one from being made, too, which is told.
            mkdir(above.systemName, 0o777)
        }
        for folder in [path, "\(path)/runs", "\(path)/timeline"] {
            if mkdir(folder.systemName, 0o777) != 0 && errno != EEXIST { throw failure(folder) }
        }
        // Closed when the process ends, however it ends.
        let descriptor = open(path.systemName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { throw failure(path) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
            throw SimulateError(
                description: "\(path): another rmpfs simulate writes here; wait for it, or give another --out"
            )
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
        if !scenario.files.isEmpty {
            let folder = "\(path)/\(ScenarioFile.folder)"
            if mkdir(folder.systemName, 0o777) != 0 && errno != EEXIST { throw failure(folder) }
            // Read again: a trace can have a gigabyte, which nobody needs while it runs.
            for file in scenario.files {
                let bytes = try ScenarioSource.bytes(of: file.path, limit: Trace.largest)
                try StandardOutput.write(bytes, toFile: "\(folder)/\(file.name)")
            }
        }
        // The scenario comes last: a folder with one is complete.
        try StandardOutput.write(scenario.header, toFile: "\(path)/header.csv")
        let facts = "\(scenario.runs.count)\n\(scenario.name)\n\(scenario.about)"
        try StandardOutput.write(facts, toFile: "\(path)/runs.txt")
        try StandardOutput.write(text, toFile: name)
    }

    /// The text of a file of the folder.
    func text(_ name: String) throws -> String {
        String(decoding: try ScenarioSource.bytes(of: "\(path)/\(name)", limit: 1 << 28), as: UTF8.self)
    }

    /// The scenario with all defaults.
    func scenarioText() throws -> String {
        do {
            return try text(ResultFolder.scenarioName)
        } catch {
            throw SimulateError(description: "\(path): there are no results of rmpfs simulate here (\(error))")
        }
    }

    /// How many runs the scenario has, its name and its description.
    func facts() throws -> (runs: Int, title: String, about: String) {
        let lines = try text("runs.txt").split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3, let runs = Int(lines[0]) else {
            throw SimulateError(description: "\(path)/runs.txt: this is not what simulate has written; run it again")
        }
        return (runs, String(lines[1]), String(lines[2]))
    }

    /// The files of finished runs.
    func runNames() throws -> Set<String> {
        guard let names = SystemFiles.names(in: "\(path)/runs") else { throw failure("\(path)/runs") }
        return Set(names.filter { $0.hasSuffix(".csv") })
    }

    /// Whether a run is finished.
    func has(_ run: Run) -> Bool { access("\(path)/runs/\(run.name).csv".systemName, F_OK) == 0 }

    /// Keeps a finished run. Its line comes last: whoever sees it sees the timeline, too.
    func keep(_ finished: Laboratory.Finished) throws {
        try StandardOutput.write(finished.timeline, toFile: "\(path)/timeline/\(finished.run.name).csv")
        try StandardOutput.write(finished.line, toFile: "\(path)/runs/\(finished.run.name).csv")
    }

    /// Writes `results.csv`, `results.json` and `report.html` from the finished runs.
    ///
    /// - Returns: how many there are.
    func writeResults() throws -> Int {
        let results = try MergedResults([self])
        try StandardOutput.write(results.csv, toFile: "\(path)/results.csv")
        try StandardOutput.write(results.table.json, toFile: "\(path)/results.json")
        try StandardOutput.write(results.html, toFile: "\(path)/report.html")
        return results.count
    }
}
