// SPDX-License-Identifier: Apache-2.0
// The runs of a scenario: every combination of the values, each with every seed.

import MachineFile
import RMPModel

/// One combination of values with one seed.
public struct Run: Sendable {
    /// The number of the run in its scenario, from 1.
    public let number: Int
    var machine = 0
    var arrivals = 0.0
    var snpPercent = 0.0
    var placement = ""
    var poolPercent = 0.0
    var trigger = 0
    var snpBacking = Backing.size4K
    var ordinaryBacking = Backing.size2M
    var hostPercent = 0.0
    var cachePercent = 0.0
    var conversionsPerHour = 0.0
    var seed = 0

    /// The name of its files.
    public var name: String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}

extension Scenario {
    /// All runs, in the order of their numbers; the seeds change first.
    public var runs: [Run] {
        var runs = [Run(number: 0)]
        func vary<Value>(_ path: WritableKeyPath<Run, Value>, _ values: [Value]) {
            runs = runs.flatMap { run in
                values.map { value in
                    var run = run
                    run[keyPath: path] = value
                    return run
                }
            }
        }
        vary(\.machine, Array(machines.indices))
        vary(\.arrivals, trace == nil ? arrivals : [0])
        vary(\.conversionsPerHour, conversionRates)
        vary(\.hostPercent, hostPercent)
        vary(\.cachePercent, cachePercent)
        vary(\.ordinaryBacking, ordinaryBacking)
        vary(\.snpBacking, snpBacking)
        vary(\.snpPercent, snpPercent)
        // Without a value the pool is as large as the SNP guests' share.
        if let poolPercent {
            vary(\.poolPercent, poolPercent)
        } else {
            for index in runs.indices { runs[index].poolPercent = runs[index].snpPercent }
        }
        vary(\.placement, placements)
        vary(\.trigger, Array(triggers.indices))
        vary(\.seed, Array(seed..<(seed + seeds)))
        return runs.enumerated().map { index, run in
            var numbered = Run(number: index + 1)
            numbered.machine = run.machine
            numbered.arrivals = run.arrivals
            numbered.conversionsPerHour = run.conversionsPerHour
            numbered.hostPercent = run.hostPercent
            numbered.cachePercent = run.cachePercent
            numbered.ordinaryBacking = run.ordinaryBacking
            numbered.snpBacking = run.snpBacking
            numbered.snpPercent = run.snpPercent
            numbered.poolPercent = run.poolPercent
            numbered.placement = run.placement
            numbered.trigger = run.trigger
            numbered.seed = run.seed
            return numbered
        }
    }

    /// The columns that tell the runs apart: those keys that have several values, and the seed.
    var keys: [(name: String, value: @Sendable (Run) -> String)] {
        let (machines, triggers) = (machines.map(\.name), triggers.map(\.name))
        let all: [(name: String, count: Int, value: @Sendable (Run) -> String)] = [
            ("machine", machines.count, { machines[$0.machine] }),
            ("arrivals_per_hour", trace == nil ? arrivals.count : 1, { Decimal.text($0.arrivals) }),
            ("conversions_per_hour", conversionRates.count, { Decimal.text($0.conversionsPerHour) }),
            ("host_percent", hostPercent.count, { Decimal.text($0.hostPercent) }),
            ("page_cache_percent", cachePercent.count, { Decimal.text($0.cachePercent) }),
            ("ordinary_backing", ordinaryBacking.count, { BackingWords.word($0.ordinaryBacking) }),
            ("snp_backing", snpBacking.count, { BackingWords.word($0.snpBacking) }),
            ("snp_percent", snpPercent.count, { Decimal.text($0.snpPercent) }),
            ("pool_percent", poolPercent?.count ?? 1, { Decimal.text($0.poolPercent) }),
            ("placement", placements.count, { $0.placement }),
            ("trigger", triggers.count, { triggers[$0.trigger] }),
        ]
        var keys: [(name: String, value: @Sendable (Run) -> String)] = []
        for key in all where key.count > 1 { keys.append((key.name, key.value)) }
        keys.append(("seed", { "\($0.seed)" }))
        return keys
    }

    /// The first line of `results.csv`.
    public var header: String {
        (keys.map(\.name) + Column.all.map(\.name)).joined(separator: ",") + "\n"
    }

    /// The line of a run.
    func line(_ run: Run, _ tally: RunTally) -> String {
        (keys.map { Scenario.field($0.value(run)) } + Column.all.map { $0.value(tally) }).joined(separator: ",") + "\n"
    }

    /// A field of a CSV file: quoted if it must be.
    private static func field(_ text: String) -> String {
        guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
