// SPDX-License-Identifier: Apache-2.0
// The columns of results: each with its unit in its name, and how it comes from the sums.

import RMPModel

/// The sums of all hosts of a run.
struct RunTally: Sendable {
    var totals = [UInt128](repeating: 0, count: Quantity.count)
    /// For each step of the timeline: its length in ns, and the sums.
    var steps: [(duration: UInt64, sums: [UInt128])] = []
    var counts = PassCounts()
    var recoveries: [UInt64] = []
    var unrecovered = 0
    var launched = 0
    var refused = 0
    var mostLost: UInt64 = 0
    let hosts: Int
    let cores: Int
    let cpus: Int
    /// The time that was measured, in ns.
    let duration: UInt64

    init(_ hosts: [HostTally], cores: Int, cpus: Int, duration: UInt64, step: UInt64?, refused: Int) {
        self.hosts = hosts.count
        self.cores = cores
        self.cpus = cpus
        self.duration = duration
        self.refused = refused
        for host in hosts {
            let totals = host.integrals.totals
            for index in totals.indices { self.totals[index] += totals[index] }
            var hostSteps = host.integrals.steps.map { (step ?? 0, $0) }
            let last = host.integrals.lastStep
            if step != nil && last.duration > 0 { hostSteps.append((last.duration, last.sums)) }
            if steps.isEmpty { steps = hostSteps.map { ($0.0, [UInt128](repeating: 0, count: Quantity.count)) } }
            for (number, item) in hostSteps.enumerated() {
                for index in item.1.indices { steps[number].sums[index] += item.1[index] }
            }
            counts.add(host.counts)
            recoveries += host.recoveries
            unrecovered += host.unrecovered
            launched += host.launched
            self.refused += host.refused
            mostLost = max(mostLost, host.integrals.mostLost)
        }
        recoveries.sort()
    }

    /// The same guests under the best placement: no pass is needed.
    var optimum: RunTally {
        var best = self
        func change(_ sums: inout [UInt128]) {
            let all = sums[Quantity.ordinary.rawValue] * UInt128(cores)
            sums[Quantity.fast.rawValue] = sums[Quantity.optimum.rawValue]
            sums[Quantity.neighbour.rawValue] = all - sums[Quantity.optimum.rawValue]
            for quantity in [Quantity.unscanned, .window, .fixed] { sums[quantity.rawValue] = 0 }
            sums[Quantity.lostRegions.rawValue] = sums[Quantity.fewestLost.rawValue]
        }
        change(&best.totals)
        for index in best.steps.indices { change(&best.steps[index].sums) }
        best.counts = PassCounts()
        best.recoveries = []
        best.unrecovered = 0
        best.mostLost = 0
        return best
    }

    func recovery(_ perMille: Int) -> String {
        if recoveries.isEmpty { return "" }
        // The nearest rank.
        let rank = max(1, (recoveries.count * perMille + 999) / 1000)
        return Decimal.ratio(UInt128(recoveries[min(rank, recoveries.count) - 1]), 1_000_000_000, decimals: 6)
    }
}

/// A column of `results.csv`.
struct Column: Sendable {
    let name: String
    let value: @Sendable (RunTally) -> String

    private static let day: UInt128 = 86_400_000_000_000

    private static func share(_ name: String, _ quantities: Quantity...) -> Column {
        Column(name: name) { tally in share(tally.totals, quantities, tally.cores) }
    }

    static func share(_ sums: [UInt128], _ quantities: [Quantity], _ cores: Int) -> String {
        Decimal.ratio(
            quantities.reduce(0) { $0 + sums[$1.rawValue] },
            sums[Quantity.ordinary.rawValue] * UInt128(cores)
        )
    }

    private static func perHost(_ name: String, _ quantity: Quantity) -> Column {
        Column(name: name) {
            Decimal.ratio($0.totals[quantity.rawValue], UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        }
    }

    private static func bytes(_ name: String, _ quantity: Quantity) -> Column {
        Column(name: name) {
            Decimal.ratio($0.totals[quantity.rawValue] * 4_096, UInt128($0.duration), decimals: 0)
        }
    }

    static let all: [Column] = [
        share("fast_share", .fast),
        share("reach_share", .fast, .unscanned),
        share("optimum_share", .optimum),
        share("lost_neighbour", .neighbour),
        share("lost_unscanned", .unscanned),
        share("lost_window", .window),
        share("lost_fixed", .fixed),
        perHost("lost_regions_mean", .lostRegions),
        Column(name: "lost_regions_max") { "\($0.mostLost)" },
        perHost("fewest_lost_regions_mean", .fewestLost),
        Column(name: "recovery_p50_s") { $0.recovery(500) },
        Column(name: "recovery_p99_s") { $0.recovery(990) },
        Column(name: "recovery_max_s") { $0.recovery(1000) },
        Column(name: "unrecovered_guests") { "\($0.unrecovered)" },
        Column(name: "passes_per_day") {
            Decimal.ratio(UInt128($0.counts.passes) * day, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "executions") { "\($0.counts.executions)" },
        Column(name: "executions_in_vain") { "\($0.counts.executionsInVain)" },
        Column(name: "interrupts_off_max_us") { Decimal.ratio(UInt128($0.counts.interruptsOffMax), 1000, decimals: 3) },
        Column(name: "ipis_per_cpu_day") {
            let cpus = UInt128($0.cpus) * UInt128($0.hosts)
            return Decimal.ratio(UInt128($0.counts.interrupts) * day, UInt128($0.duration) * cpus, decimals: 3)
        },
        Column(name: "stolen_cpu_s_per_day") {
            let seconds = UInt128($0.counts.stolenTime) * (day / 1_000_000_000)
            return Decimal.ratio(seconds, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "guests") { "\($0.launched)" },
        Column(name: "refused") { "\($0.refused)" },
        bytes("snp_bytes_mean", .snp),
        bytes("ordinary_bytes_mean", .ordinary),
        bytes("free_bytes_mean", .free),
    ]
}

extension RunTally {
    /// The timeline: a header and a line for each step.
    var timeline: String {
        var text = "time_s,step_s,fast_share,reach_share,optimum_share,lost_neighbour,lost_unscanned,lost_window,"
        text += "lost_fixed,lost_regions_mean,fewest_lost_regions_mean,guests_mean,snp_bytes_mean,ordinary_bytes_mean,"
        text += "free_bytes_mean\n"
        var time: UInt64 = 0
        for (length, sums) in steps {
            func perHost(_ quantity: Quantity) -> String {
                Decimal.ratio(sums[quantity.rawValue], UInt128(length) * UInt128(hosts), decimals: 3)
            }
            func bytes(_ quantity: Quantity) -> String {
                Decimal.ratio(sums[quantity.rawValue] * 4_096, UInt128(length), decimals: 0)
            }
            var fields = [
                Decimal.ratio(UInt128(time), 1_000_000_000, decimals: 3),
                Decimal.ratio(UInt128(length), 1_000_000_000, decimals: 3),
            ]
            for quantities in [[Quantity.fast], [.fast, .unscanned], [.optimum], [.neighbour], [.unscanned], [.window], [.fixed]] {
                fields.append(Column.share(sums, quantities, cores))
            }
            fields += [perHost(.lostRegions), perHost(.fewestLost), perHost(.guests)]
            fields += [bytes(.snp), bytes(.ordinary), bytes(.free)]
            text += fields.joined(separator: ",") + "\n"
            time += length
        }
        return text
    }
}
