// SPDX-License-Identifier: Apache-2.0
// `rmpfs simulate --demo`: a first answer without any file.

import ArgumentParser
import PolicyLab

enum Demonstration {
    /// The scenario that is shown.
    static let text = """
        name: demo
        duration: 1d
        measure_from: 1h
        snp_percent: [25, 75]
        placement: [best-fit, packed, buddy, scattered, optimum]
        trigger: v10
        """

    static func run(jobs: Int, seed: Int?) throws {
        var scenario = try Scenario(
            bytes: Array(text.utf8),
            file: "demo",
            machine: { throw SimulateError(description: "\($0): no machine is needed") },
            contents: { throw SimulateError(description: "\($0): no file is needed") }
        )
        if let seed { scenario.setSeed(seed) }
        print(
            """
            One host (2 TB, 384 CPUs) for a day, as full as a cloud's. Some guests are SNP guests, the others ordinary.
            How much of the memory of all others is fast (free of RMP checks) depends on where SNP guests lie.
            """
        )
        print("")
        var lines: [Int: String] = [:]
        let wasInterrupted = try LaboratoryDriver(scenario, scenario.runs, jobs: jobs).run {
            lines[$0.run.number] = $0.line
        }
        let table = ResultTable(csv: scenario.header + scenario.runs.compactMap { lines[$0.number] }.joined())
        print(SimulateText.table(table), terminator: "")
        print("")
        print(
            """
            optimum is the bound: no placement can do better. Write a scenario of your own:
              rmpfs simulate SCENARIO.yaml --out DIR      (rmpfs help simulate; docs/simulate.md)
            """
        )
        if wasInterrupted { throw ExitCode(130) }
    }
}
