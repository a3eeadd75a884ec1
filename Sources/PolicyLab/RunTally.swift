// SPDX-License-Identifier: Apache-2.0
// The sums of all hosts of a run, from which results and timelines are made.

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
