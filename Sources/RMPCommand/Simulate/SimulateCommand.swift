// SPDX-License-Identifier: Apache-2.0
// `rmpfs simulate`: guests, placement and triggers in virtual time, without a mount.

import ArgumentParser
import Glibc
import PolicyLab
import RMPFS
import RMPModel

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Simulate hosts, guests and placement in virtual time: how much memory stays fast.",
        discussion: """
            Runs every combination of the values in SCENARIO with every seed. DIR then holds report.html (with \
            charts), results.csv (a line for each run), results.json, timeline/ and scenario.yaml with all defaults \
            written out. What is finished is kept: after an interruption, the same command goes on. The results do \
            not depend on the number of jobs or shards. Exit status 0: all runs are done; 1: an error; 130: \
            interrupted.
            """
    )

    @Argument(help: ArgumentHelp("The scenario, a YAML file.", valueName: "scenario.yaml"), completion: .file())
    var scenario: String?

    @Option(help: ArgumentHelp("The folder for the results.", valueName: "dir"), completion: .directory)
    var out: String?

    @Option(help: ArgumentHelp("Threads; by default one for each CPU.", valueName: "n"))
    var jobs: Int?

    @Option(help: ArgumentHelp("Only every Nth run, from run I on: 0/4 ... 3/4.", valueName: "i/n"))
    var shard: ShardArgument?

    @Option(help: ArgumentHelp("The first seed instead of the scenario's.", valueName: "s"))
    var seed: Int?

    @Flag(help: "Show a small example in some seconds; nothing is written.")
    var demo = false

    func validate() throws {
        if demo {
            if scenario != nil || out != nil {
                throw ValidationError("--demo needs no scenario and no --out; omit them")
            }
        } else {
            if scenario == nil { throw ValidationError("Missing expected argument '<scenario.yaml>'") }
            if out == nil { throw ValidationError("Missing expected argument '--out <dir>'") }
        }
        if let jobs, !(1...1_024).contains(jobs) { throw ValidationError("--jobs \(jobs): give 1 to 1024") }
        if let seed, seed < 0 { throw ValidationError("--seed \(seed): give 0 or more") }
    }

    func run() throws {
        let jobs = jobs ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        if demo { return try Demonstration.run(jobs: jobs, seed: seed) }
        guard let path = scenario, let out else { return }
        var scenario = try ScenarioSource.load(path)
        if let seed { scenario.setSeed(seed) }
        let folder = ResultFolder(path: out)
        try folder.prepare(scenario, scenario.text(program: "rmpfs \(RMPFSCommand.configuration.version)"))
        let all = scenario.runs
        let mine = all.filter { shard?.contains($0.number - 1) ?? true }
        let missing = mine.filter { !folder.has($0) }
        if missing.count < mine.count {
            StandardError.write("rmpfs: \(mine.count - missing.count) of \(mine.count) runs are finished already\n")
        }
        let driver = LaboratoryDriver(scenario, missing, jobs: jobs)
        let wasInterrupted = try driver.run { try folder.keep($0) }
        let count = try folder.writeResults()
        if wasInterrupted {
            StandardError.write("rmpfs: interrupted; \(count) of \(all.count) runs are kept in \(out)\n")
            throw ExitCode(130)
        }
        print("\(count) of \(all.count) runs: \(out)/results.csv, \(out)/report.html")
    }
}

/// The value of --shard.
struct ShardArgument: ExpressibleByArgument {
    let index: Int
    let count: Int

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), count > 0,
            (0..<count).contains(index)
        else { return nil }
        self.index = index
        self.count = count
    }

    /// Whether the run number `number`, from 0, belongs to it.
    func contains(_ number: Int) -> Bool { number % count == index }
}
