// SPDX-License-Identifier: Apache-2.0
// A run made ready: its guests spread over its hosts, so that each host can go through them on its own.

public import RMPModel

/// A run whose hosts are ready to start, in any order and on any thread.
public struct PreparedRun: Sendable {
    /// The run.
    public let run: Run
    private let scenario: Scenario
    private let outline: HostOutline
    private let guests: [[GuestSpec]]
    private let unplaced: Int
    private let trigger: Trigger
    private let costs: CostModel

    /// - Parameter outline: the booted machine of the run, with the passes of its trigger's version.
    public init(_ run: Run, of scenario: Scenario, outline: HostOutline) {
        self.run = run
        self.scenario = scenario
        self.outline = outline
        trigger = scenario.triggers[run.trigger]
        costs = scenario.machines[run.machine].configuration.costs
        var guests: [GuestSpec]
        let seed = UInt64(run.seed)
        if let trace = scenario.trace {
            guests = trace.guests.filter { $0.arrival < scenario.duration }
            if scenario.tracePercent < 100 {
                var random = Random(seed: seed, use: 3)
                guests.removeAll { _ in random.fraction() * 100 >= scenario.tracePercent }
            }
        } else {
            var generator = scenario.generator
            generator.arrivalsPerHour = run.arrivals
            guests = generator.guests(duration: scenario.duration, hosts: scenario.hosts, seed: seed)
        }
        guests.decideSNP(share: run.snpPercent / 100, duration: scenario.duration, seed: seed)
        let own = Int(Double(outline.memory.usablePages) * run.hostPercent / 100)
        let capacity = outline.memory.usablePages - own
        (self.guests, unplaced) = scenario.assignment.spread(guests, hosts: scenario.hosts, capacity: capacity)
    }

    /// The number of hosts.
    public var hosts: Int { guests.count }
    /// The number of guests that a host has to go through.
    public func work(ofHost host: Int) -> Int { guests[host].count }

    /// One host through all its guests.
    ///
    /// - Parameter goesOn: asked now and then; false abandons it.
    public func simulate(host: Int, goesOn: () -> Bool) -> HostTally? {
        let seed = UInt64(run.seed) &+ UInt64(host) &* 0xd134_2543_de82_ef95
        let settings = LabHost.Settings(
            trigger: trigger,
            backing: (run.snpBacking, run.ordinaryBacking),
            hostShare: run.hostPercent / 100,
            cacheShare: run.cachePercent / 100,
            start: scenario.measureFrom,
            step: scenario.step
        )
        if run.placement == PlacementWords.optimum {
            return play(BoundHost(outline, settings: settings), guests[host], seed, goesOn)
        }
        let policy = PlacementWords.policy(run.placement, seed: seed, pool: run.poolPercent / 100)
        return play(LabHost(outline, costs: costs, policy: policy, settings: settings), guests[host], seed, goesOn)
    }

    private func play(
        _ host: some WorkloadHost,
        _ guests: [GuestSpec],
        _ seed: UInt64,
        _ goesOn: () -> Bool
    ) -> HostTally? {
        var conversions = scenario.conversions
        conversions.perHour = run.conversionsPerHour
        var run = HostRun(
            host: host,
            guests: guests,
            conversions: conversions,
            period: trigger.period,
            start: scenario.measureFrom,
            end: scenario.duration,
            seed: seed
        )
        return run.run(goesOn: goesOn)
    }

    /// The results of the run: its line for `results.csv`, and its timeline.
    public func results(_ tallies: [HostTally]) -> (line: String, timeline: String) {
        let tally = RunTally(
            tallies,
            cores: outline.cores,
            cpus: outline.cpus,
            duration: scenario.duration - scenario.measureFrom,
            step: scenario.step,
            refused: unplaced
        )
        return (scenario.line(run, tally), tally.timeline)
    }
}

extension Scenario {
    /// The booted machine of a run in outline.
    public func outline(of run: Run) -> HostOutline {
        var configuration = machines[run.machine].configuration
        configuration.series = triggers[run.trigger].series
        return Machine(configuration).outline()
    }

    /// Runs with equal values have equal outlines.
    public func outlineKey(of run: Run) -> String { "\(run.machine) \(triggers[run.trigger].series.name)" }
}
