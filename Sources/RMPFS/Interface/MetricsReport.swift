// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/metrics: the host's numbers in the text format that Prometheus reads.

import RMPModel

/// The metrics of a host.
enum MetricsReport {
    /// What kind of number a metric is.
    enum Kind: Sendable {
        case gauge
        case counter
    }

    /// Writes `# HELP` and `# TYPE` of a metric.
    static func head(_ name: StaticString, _ kind: Kind, _ help: StaticString, into text: inout TextBuffer) {
        text.append("# HELP ")
        text.append(name)
        text.append(0x20)
        text.append(help)
        text.append("\n# TYPE ")
        text.append(name)
        text.append(kind == .gauge ? " gauge\n" : " counter\n")
    }

    /// Writes a metric's value under a label, if one is given.
    static func value(
        _ name: StaticString,
        _ label: (name: StaticString, value: StaticString)? = nil,
        _ number: UInt64,
        into text: inout TextBuffer
    ) {
        text.append(name)
        if let label {
            text.append("{")
            text.append(label.name)
            text.append("=\"")
            text.append(label.value)
            text.append("\"}")
        }
        text.append(0x20)
        text.append(decimal: number)
        text.append(0x0A)
    }

    /// Writes a metric that is one number.
    private static func single(
        _ name: StaticString,
        _ kind: Kind,
        _ help: StaticString,
        _ number: UInt64,
        into text: inout TextBuffer
    ) {
        head(name, kind, help, into: &text)
        value(name, nil, number, into: &text)
    }

    /// Writes a metric that is a duration: seconds with nine decimals.
    private static func seconds(
        _ name: StaticString,
        _ kind: Kind,
        _ help: StaticString,
        _ nanoseconds: UInt64,
        into text: inout TextBuffer
    ) {
        head(name, kind, help, into: &text)
        text.append(name)
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

    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        regions(machine, into: &text)
        cpus(machine, into: &text)
        blockers(machine, into: &text)
        passes(machine, into: &text)
        host(machine, into: &text)
    }

    private static func regions(_ machine: borrowing Machine, into text: inout TextBuffer) {
        var counts = (all: UInt64(0), some: UInt64(0), none: UInt64(0))
        for region in machine.configuredRegions {
            let cores = machine.optimizedCoreCount(ofRegion: region)
            if cores == 0 {
                counts.none += 1
            } else if cores == machine.coreCount {
                counts.all += 1
            } else {
                counts.some += 1
            }
        }
        single(
            "rmpopt_regions",
            .gauge,
            "Aligned gigabytes of memory in the range of a pass.",
            UInt64(machine.configuredRegions.count),
            into: &text
        )
        head("rmpopt_regions_optimized", .gauge, "Regions by the cores that have them optimized.", into: &text)
        value("rmpopt_regions_optimized", ("cpus", "all"), counts.all, into: &text)
        value("rmpopt_regions_optimized", ("cpus", "some"), counts.some, into: &text)
        value("rmpopt_regions_optimized", ("cpus", "none"), counts.none, into: &text)
    }

    private static func cpus(_ machine: borrowing Machine, into text: inout TextBuffer) {
        let counts = machine.optimizedRegionCounts
        head("rmpopt_cpu_regions_optimized", .gauge, "Regions that an online CPU has optimized.", into: &text)
        machine.onlineCPUs.forEachRun { run in
            for cpu in run {
                text.append("rmpopt_cpu_regions_optimized{cpu=\"")
                text.append(decimal: UInt64(cpu))
                text.append("\"} ")
                text.append(decimal: UInt64(counts[machine.coreOfCPU[cpu]]))
                text.append(0x0A)
            }
        }
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
        let name: StaticString = "rmpopt_regions_blocked"
        head(name, .gauge, "Regions that hold assigned pages, by owner; one region can have several.", into: &text)
        value(name, ("by", "rmp_table"), regions.table, into: &text)
        value(name, ("by", "firmware"), regions.firmware, into: &text)
        value(name, ("by", "guest"), regions.guest, into: &text)
        value(name, ("by", "leaked"), regions.leaked, into: &text)
    }

    private static func passes(_ machine: borrowing Machine, into text: inout TextBuffer) {
        single("rmpopt_pass_running", .gauge, "Whether a pass is running.", machine.passIsRunning ? 1 : 0, into: &text)
        single(
            "rmpopt_pass_pending",
            .gauge,
            "Whether a pass is pending.",
            machine.pendingPass == nil ? 0 : 1,
            into: &text
        )
        single("rmpopt_passes_total", .counter, "Passes begun since boot.", machine.passCount, into: &text)
        let name: StaticString = "rmpopt_requests_total"
        head(name, .counter, "Requests for a pass since boot, by what became of them.", into: &text)
        value(name, ("outcome", "begun"), machine.requests(.begun), into: &text)
        value(name, ("outcome", "scheduled"), machine.requests(.scheduled), into: &text)
        value(name, ("outcome", "absorbed"), machine.requests(.absorbed), into: &text)
        value(name, ("outcome", "lost"), machine.requests(.lost), into: &text)
        costs(machine.passTotals, into: &text)
        guard let last = machine.passes.last, let end = last.end else { return }
        seconds("rmpopt_last_pass_seconds", .gauge, "Duration of the last pass.", end - last.start, into: &text)
        seconds(
            "rmpopt_last_pass_leader_seconds",
            .gauge,
            "Time of the first core's scans in it.",
            last.scanTime,
            into: &text
        )
        seconds(
            "rmpopt_last_pass_follower_seconds",
            .gauge,
            "Time that the other cores added.",
            last.followerTime,
            into: &text
        )
        seconds(
            "rmpopt_last_pass_broadcast_seconds",
            .gauge,
            "Time of its broadcasts.",
            last.broadcastTime,
            into: &text
        )
        single(
            "rmpopt_last_pass_broadcasts",
            .gauge,
            "Interrupts that it sent to each CPU that took part.",
            last.broadcasts,
            into: &text
        )
        seconds(
            "rmpopt_last_pass_interrupts_off_seconds",
            .gauge,
            "Longest time for which it kept interrupts off on one core.",
            last.interruptsOffMax,
            into: &text
        )
    }

    /// What all ended passes have cost the CPUs.
    private static func costs(_ totals: PassTotals, into text: inout TextBuffer) {
        let counts: KeyValuePairs<StaticString, (help: StaticString, number: UInt64)> = [
            "rmpopt_pass_broadcasts_total": ("Calls to many CPUs that ended passes have made.", totals.broadcasts),
            "rmpopt_pass_interrupts_total": ("Interrupts to single CPUs that these have sent.", totals.interrupts),
            "rmpopt_pass_executions_total": ("RMPOPT executed in ended passes.", totals.executions),
            "rmpopt_pass_executions_in_vain_total": (
                "Those of them that set no new bit.", totals.executionsInVain
            ),
        ]
        for (name, count) in counts { single(name, .counter, count.help, count.number, into: &text) }
        seconds(
            "rmpopt_pass_stolen_seconds_total",
            .counter,
            "CPU time that ended passes have taken from everything else.",
            totals.stolenTime,
            into: &text
        )
        seconds(
            "rmpopt_pass_interrupts_off_max_seconds",
            .gauge,
            "Longest time for which a pass kept interrupts off on one core since boot.",
            totals.interruptsOffMax,
            into: &text
        )
    }

    private static func host(_ machine: borrowing Machine, into text: inout TextBuffer) {
        single("rmpopt_snp_enabled", .gauge, "Whether RMP checks are done.", machine.isSNPEnabled ? 1 : 0, into: &text)
        single(
            "rmpopt_undefined_opcodes_total",
            .counter,
            "#UD faults of RMPOPT on cores where it is not enabled.",
            machine.undefinedOpcodes,
            into: &text
        )
        single(
            "rmpopt_guests",
            .gauge,
            "Guests that are there, running or not.",
            UInt64(machine.guestIDs.count),
            into: &text
        )
        seconds("rmpopt_uptime_seconds", .gauge, "Virtual time since boot.", machine.now, into: &text)
    }
}
