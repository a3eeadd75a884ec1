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

    func recovery(_ perMille: Int) -> String {
        if recoveries.isEmpty { return "" }
        // The nearest rank.
        let rank = max(1, (recoveries.count * perMille + 999) / 1000)
        return Decimal.ratio(UInt128(recoveries[min(rank, recoveries.count) - 1]), 1_000_000_000, decimals: 6)
    }
}
