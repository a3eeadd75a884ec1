// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/metrics: the host's numbers in Prometheus' text format.

import RMPModel

/// The metrics of a host.
///
/// Each is defined once, whichever engine it comes from; metrics that an engine does not know are left out.
enum MetricsReport {
    /// What kind of number a metric is.
    enum Kind: Sendable {
        case gauge
        case counter
    }

    /// A metric without its values.
    struct Metric: Sendable {
        let name: StaticString
        let kind: Kind
        let help: StaticString

        init(_ name: StaticString, _ kind: Kind, _ help: StaticString) {
            (self.name, self.kind, self.help) = (name, kind, help)
        }
    }

    // MARK: What every engine knows

    /// The metrics of a running kernel.
    /// - Parameter isRunning: whether a pass is running; nil if the kernel does not say.
    static func write(_ map: OptimizationMap, passIsRunning isRunning: Bool?, into text: inout TextBuffer) {
        optimized(map, into: &text)
        if let isRunning { running(isRunning, into: &text) }
    }

    private static func optimized(_ map: OptimizationMap, into text: inout TextBuffer) {
        single(
            Metric("rmpopt_regions", .gauge, "Aligned gigabytes from the start of memory to its end."),
            UInt64(map.regions.count),
            into: &text
        )
        let shares = map.shares
        let regions = Metric("rmpopt_regions_optimized", .gauge, "Regions by the online CPUs that have them optimized.")
        head(regions, into: &text)
        let words: KeyValuePairs<OptimizationMap.Share, StaticString> = [.all: "all", .some: "some", .none: "none"]
        for (share, word) in words { value(regions, ("cpus", word), UInt64(shares[share] ?? 0), into: &text) }
        let each = Metric("rmpopt_cpu_regions_optimized", .gauge, "Regions that an online CPU has optimized.")
        head(each, into: &text)
        let counts = map.regionCounts
        map.online.forEachRun { run in
            for cpu in run {
                text.append(each.name)
                text.append("{cpu=\"")
                text.append(decimal: UInt64(cpu))
                text.append("\"} ")
                text.append(decimal: UInt64(counts[cpu]))
                text.append(0x0A)
            }
        }
    }

    private static func running(_ isRunning: Bool, into text: inout TextBuffer) {
        single(
            Metric("rmpopt_pass_running", .gauge, "Whether a pass is running, as far as the kernel shows it."),
            isRunning ? 1 : 0,
            into: &text
        )
    }

    // MARK: What a simulated machine knows

    /// The metrics of a simulated machine.
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        optimized(machine.optimizationMap, into: &text)
        blockers(machine, into: &text)
        running(machine.passIsRunning, into: &text)
        requests(machine, into: &text)
        costs(machine.passTotals, into: &text)
        if let last = machine.passes.last, let end = last.end { pass(last, end, into: &text) }
        host(machine, into: &text)
    }

    private static func blockers(_ machine: borrowing Machine, into text: inout TextBuffer) {
        var regions = (table: UInt64(0), firmware: UInt64(0), guest: UInt64(0), leaked: UInt64(0))
        for region in machine.configuredRegions where machine.assignedPages(ofRegion: region) > 0 {
            var hasGuest = false
            for blocker in machine.blockers(ofRegion: region) {
                switch blocker.owner {
                case .rmpTable: regions.table += 1
                case .firmware: regions.firmware += 1
                case .guest: hasGuest = true
                case .leaked: regions.leaked += 1
                }
            }
            if hasGuest { regions.guest += 1 }
        }
        let metric = Metric(
            "rmpopt_regions_blocked",
            .gauge,
            "Regions that hold assigned pages, by owner; one region can have several."
        )
        head(metric, into: &text)
        value(metric, ("by", "rmp_table"), regions.table, into: &text)
        value(metric, ("by", "firmware"), regions.firmware, into: &text)
        value(metric, ("by", "guest"), regions.guest, into: &text)
        value(metric, ("by", "leaked"), regions.leaked, into: &text)
    }

    private static func requests(_ machine: borrowing Machine, into text: inout TextBuffer) {
        single(
            Metric("rmpopt_pass_pending", .gauge, "Whether a pass is pending."),
            machine.pendingPass == nil ? 0 : 1,
            into: &text
        )
        single(Metric("rmpopt_passes_total", .counter, "Passes begun since boot."), machine.passCount, into: &text)
        let metric = Metric(
            "rmpopt_requests_total",
            .counter,
            "Requests for a pass since boot, by what became of them."
        )
        head(metric, into: &text)
        value(metric, ("outcome", "begun"), machine.requests(.begun), into: &text)
        value(metric, ("outcome", "scheduled"), machine.requests(.scheduled), into: &text)
        value(metric, ("outcome", "absorbed"), machine.requests(.absorbed), into: &text)
        value(metric, ("outcome", "lost"), machine.requests(.lost), into: &text)
    }

    /// What all finished passes have cost the CPUs.
    private static func costs(_ totals: PassTotals, into text: inout TextBuffer) {
        let counts: [(Metric, UInt64)] = [
            (
                Metric("rmpopt_pass_broadcasts_total", .counter, "Calls to many CPUs that ended passes have made."),
                totals.broadcasts
            ),
            (
                Metric("rmpopt_pass_interrupts_total", .counter, "Interrupts to single CPUs that these have sent."),
                totals.interrupts
            ),
            (Metric("rmpopt_pass_executions_total", .counter, "RMPOPT executed in ended passes."), totals.executions),
            (
                Metric("rmpopt_pass_executions_in_vain_total", .counter, "Those of them that set no new bit."),
                totals.executionsInVain
            ),
        ]
        for (metric, number) in counts { single(metric, number, into: &text) }
        seconds(
            Metric(
                "rmpopt_pass_stolen_seconds_total",
                .counter,
                "CPU time that ended passes have taken from everything else."
            ),
            totals.stolenTime,
            into: &text
        )
        seconds(
            Metric(
                "rmpopt_pass_interrupts_off_max_seconds",
                .gauge,
                "Longest time for which a pass kept interrupts off on one core since boot."
            ),
            totals.interruptsOffMax,
            into: &text
        )
    }

    private static func pass(_ last: PassRecord, _ end: UInt64, into text: inout TextBuffer) {
        let times: [(Metric, UInt64)] = [
            (Metric("rmpopt_last_pass_seconds", .gauge, "Duration of the last pass."), end - last.start),
            (
                Metric("rmpopt_last_pass_leader_seconds", .gauge, "Time of the first core's scans in it."),
                last.scanTime
            ),
            (
                Metric("rmpopt_last_pass_follower_seconds", .gauge, "Time that the other cores added."),
                last.followerTime
            ),
            (Metric("rmpopt_last_pass_broadcast_seconds", .gauge, "Time of its broadcasts."), last.broadcastTime),
        ]
        for (metric, time) in times { seconds(metric, time, into: &text) }
        single(
            Metric(
                "rmpopt_last_pass_broadcasts",
                .gauge,
                "Interrupts that it sent to each CPU that took part."
            ),
            last.broadcasts,
            into: &text
        )
        seconds(
            Metric(
                "rmpopt_last_pass_interrupts_off_seconds",
                .gauge,
                "Longest time for which it kept interrupts off on one core."
            ),
            last.interruptsOffMax,
            into: &text
        )
    }

    private static func host(_ machine: borrowing Machine, into text: inout TextBuffer) {
        let counts: [(Metric, UInt64)] = [
            (Metric("rmpopt_snp_enabled", .gauge, "Whether RMP checks are done."), machine.isSNPEnabled ? 1 : 0),
            (
                Metric(
                    "rmpopt_undefined_opcodes_total",
                    .counter,
                    "#UD faults of RMPOPT on cores where it is not enabled."
                ),
                machine.undefinedOpcodes
            ),
            (
                Metric("rmpopt_guests", .gauge, "Guests that exist, running or not."),
                UInt64(machine.guestIDs.count)
            ),
        ]
        for (metric, number) in counts { single(metric, number, into: &text) }
        seconds(Metric("rmpopt_uptime_seconds", .gauge, "Virtual time since boot."), machine.now, into: &text)
    }

    // MARK: The format

    /// Writes `# HELP` and `# TYPE` of a metric.
    private static func head(_ metric: Metric, into text: inout TextBuffer) {
        text.append("# HELP ")
        text.append(metric.name)
        text.append(0x20)
        text.append(metric.help)
        text.append("\n# TYPE ")
        text.append(metric.name)
        text.append(metric.kind == .gauge ? " gauge\n" : " counter\n")
    }

    /// Writes a metric's value under a label.
    private static func value(
        _ metric: Metric,
        _ label: (name: StaticString, value: StaticString),
        _ number: UInt64,
        into text: inout TextBuffer
    ) {
        text.append(metric.name)
        text.append("{")
        text.append(label.name)
        text.append("=\"")
        text.append(label.value)
        text.append("\"} ")
        text.append(decimal: number)
        text.append(0x0A)
    }

    /// Writes a metric that is a single number.
    private static func single(_ metric: Metric, _ number: UInt64, into text: inout TextBuffer) {
        head(metric, into: &text)
        text.append(metric.name)
        text.append(0x20)
        text.append(decimal: number)
        text.append(0x0A)
    }

    /// Writes a metric that is a duration, in seconds with nine decimals.
    private static func seconds(_ metric: Metric, _ nanoseconds: UInt64, into text: inout TextBuffer) {
        head(metric, into: &text)
        text.append(metric.name)
        text.append(0x20)
        text.append(decimal: nanoseconds / 1_000_000_000)
        text.append(".")
        var unit: UInt64 = 100_000_000
        while unit > 0 {
            text.append(decimal: nanoseconds / unit % 10)
            unit /= 10
        }
        text.append(0x0A)
    }
}
