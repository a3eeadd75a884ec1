// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: a repeatable random sequence, allocators by name, small hosts.

import Glibc
import RMPModel
import RMPModelTestSupport

@testable import PolicyLab

/// The seed of random tests: fixed, unless RMPFS_TEST_SEED says otherwise.
let testSeed = RMPModelTestSupport.Random.seed(otherwise: 20_260_217)

extension PolicyLab.Random {
    mutating func chance(_ odds: Int) -> Bool { next(below: odds) == 0 }
}

/// All allocators that choose places.
let allocators = PlacementWords.all.filter { $0 != PlacementWords.optimum }

func policy(_ name: String, seed: UInt64 = 1) -> any PlacementPolicy {
    PlacementWords.policy(name, seed: seed, pool: 0.6)
}

extension Scenario {
    /// The results of all runs, as `results.csv` would have them, and the timelines.
    func results(jobs: Int, runs: [Run]? = nil) -> (csv: String, timelines: [String]) {
        let laboratory = Laboratory(self, runs: runs ?? self.runs)
        guard laboratory.start(jobs: jobs) else { return ("", []) }
        var finished: [Laboratory.Finished] = []
        // Bounded: a minute and more.
        for _ in 0..<60_000 {
            let poll = laboratory.poll()
            finished += poll.finished
            if poll.progress.isOver {
                finished += laboratory.poll().finished
                break
            }
            usleep(2_000)
        }
        finished.sort { $0.run.number < $1.run.number }
        return (header + finished.map(\.line).joined(), finished.map(\.timeline))
    }

    /// A scenario from its text.
    init(text: String, trace: String = "") throws {
        try self.init(
            bytes: Array(text.utf8),
            file: "test.yaml",
            machine: { name in
                let file = name.contains("/") ? ScenarioFile(path: name, bytes: Array(name.utf8)) : nil
                return (try MachineConfiguration(cpus: 8, memoryBytes: 16 << 30), file)
            },
            contents: { ScenarioFile(path: $0, bytes: Array(trace.utf8)) }
        )
    }
}
