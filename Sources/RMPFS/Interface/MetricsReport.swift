// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/metrics: the host's numbers in Prometheus' text format.

import RMPModel

/// Every metric, each once, whichever engine it comes from: two mounts in one folder of node_exporter's textfile
/// collector must agree in help and type.
extension Metric {
    static let build = Metric(
        "rmpopt_build_info",
        .gauge,
        "Always 1; the version of rmpfs, the version of the series, and the engine that answers for the host."
    )
    static let regions = Metric(
        "rmpopt_regions",
        .gauge,
        "Aligned gigabytes from the start of memory to the end of memory."
    )
    static let optimized = Metric(
        "rmpopt_regions_optimized",
        .gauge,
        "Regions by how many online CPUs have optimized the region: all, some or none."
    )
    static let optimizedBytes = Metric(
        "rmpopt_optimized_bytes",
        .gauge,
        "Bytes of the regions that all online CPUs have optimized."
    )
    static let cpuRegions = Metric("rmpopt_cpu_regions_optimized", .gauge, "Regions that the online CPU has optimized.")
    static let heldBack = Metric(
        "rmpopt_regions_held_back",
        .gauge,
        "Regions not optimized on all online CPUs, by their most lasting reason; each region counts once."
    )
    static let passRunning = Metric("rmpopt_pass_running", .gauge, "Whether a pass is running: 1 or 0.")
    static let blocked = Metric(
        "rmpopt_regions_blocked",
        .gauge,
        "Regions that hold assigned pages, by owner; a region with several owners counts for each."
    )
    static let pages = Metric("rmpopt_pages", .gauge, "Assigned pages of 4 KB, by owner.")
    static let freeBytes = Metric("rmpopt_memory_free_bytes", .gauge, "Free memory in bytes, which a guest could get.")
    static let ordinaryBytes = Metric(
        "rmpopt_ordinary_memory_bytes",
        .gauge,
        "Memory in bytes in use without SNP, by holder, in whole chunks of 2 MB."
    )
    static let passPending = Metric("rmpopt_pass_pending", .gauge, "Whether a pass is pending: 1 or 0.")
    static let passes = Metric("rmpopt_passes_total", .counter, "Passes begun since boot.")
    static let requests = Metric("rmpopt_requests_total", .counter, "Requests for a pass since boot, by outcome.")
    static let passDuration = Metric(
        "rmpopt_pass_duration_seconds",
        .histogram,
        "Durations of the passes finished since boot."
    )
    static let broadcasts = Metric(
        "rmpopt_pass_broadcasts_total",
        .counter,
        "Calls to many CPUs made by the passes finished since boot."
    )
    static let interrupts = Metric(
        "rmpopt_pass_interrupts_total",
        .counter,
        "Interrupts to single CPUs sent by the passes finished since boot."
    )
    static let executions = Metric(
        "rmpopt_pass_executions_total",
        .counter,
        "RMPOPT instructions executed by the passes finished since boot."
    )
    static let inVain = Metric(
        "rmpopt_pass_executions_in_vain_total",
        .counter,
        "RMPOPT instructions executed by the passes finished since boot that set no new bit."
    )
    static let stolen = Metric(
        "rmpopt_pass_stolen_seconds_total",
        .counter,
        "CPU time taken from everything else by the passes finished since boot."
    )
    static let interruptsOffMax = Metric(
        "rmpopt_pass_interrupts_off_max_seconds",
        .gauge,
        "Longest time that a pass finished since boot kept interrupts off on one core."
    )
    static let lastPass = Metric(
        "rmpopt_last_pass_duration_seconds",
        .gauge,
        "Duration of the latest finished pass."
    )
    static let lastPassEnd = Metric(
        "rmpopt_last_pass_end_seconds",
        .gauge,
        "Time since boot at which the latest finished pass ended; compare with rmpopt_uptime_seconds."
    )
    static let lastLeader = Metric(
        "rmpopt_last_pass_leader_seconds",
        .gauge,
        "Time that the first core's scans took in the latest finished pass."
    )
    static let lastFollower = Metric(
        "rmpopt_last_pass_follower_seconds",
        .gauge,
        "Time that the other cores added to the latest finished pass."
    )
    static let lastBroadcast = Metric(
        "rmpopt_last_pass_broadcast_seconds",
        .gauge,
        "Time that calls to many CPUs took in the latest finished pass."
    )
    static let lastBroadcasts = Metric(
        "rmpopt_last_pass_broadcasts",
        .gauge,
        "Calls to many CPUs made by the latest finished pass."
    )
    static let lastInterruptsOff = Metric(
        "rmpopt_last_pass_interrupts_off_seconds",
        .gauge,
        "Longest time that the latest finished pass kept interrupts off on one core."
    )
    static let snpEnabled = Metric(
        "rmpopt_snp_enabled",
        .gauge,
        "Whether SNP is enabled, so that RMP checks are done: 1 or 0."
    )
    static let undefinedOpcodes = Metric(
        "rmpopt_undefined_opcodes_total",
        .counter,
        "#UD faults of RMPOPT since boot, on cores without RMPOPT enabled."
    )
    static let guests = Metric("rmpopt_guests", .gauge, "Guests that exist, running or not.")
    static let uptime = Metric("rmpopt_uptime_seconds", .gauge, "Time since boot.")
    static let free = Metric(
        "rmpopt_regions_free",
        .gauge,
        "Regions without an assigned page, which RMPOPT can optimize; the RMP does not tell whether a core has."
    )
    static let freeIfPacked = Metric(
        "rmpopt_regions_free_if_packed",
        .gauge,
        "Regions without an assigned page if the same guests lay as close together as possible."
    )
    static let readingSeconds = Metric("rmpopt_rmp_reading_seconds", .gauge, "Duration of the last reading of the RMP.")
    static let readingEnd = Metric(
        "rmpopt_rmp_reading_timestamp_seconds",
        .gauge,
        "Unix time at which the last reading of the RMP ended."
    )
    static let readingBytes = Metric(
        "rmpopt_rmp_reading_bytes",
        .gauge,
        "Bytes of the RMP that the last reading looked at."
    )
    static let oddities = Metric(
        "rmpopt_rmp_oddities",
        .gauge,
        "Entries and chunks of 2 MB that the last reading found unlike the manuals' description, or changing, by kind."
    )
}

/// The metrics of a host; those that an engine does not know are left out.
enum MetricsReport {
    /// The first lines.
    /// - Parameter series: the version of the series, or the versions that it can be; nil where there is none.
    static func build(series: String?, engine: StaticString, into text: inout TextBuffer) {
        text.append(headOf: .build)
        text.append(Metric.build.name)
        text.append("{version=\"")
        text.append(Array(Release.version.utf8))
        text.append("\",series=\"")
        text.append(Array((series ?? "").utf8))
        text.append("\",engine=\"")
        text.append(engine)
        text.append("\"} 1\n")
    }

    // MARK: What a running kernel's table shows

    /// The metrics of a running kernel.
    /// - Parameters:
    ///   - isRunning: whether a pass is running; nil if the kernel does not say.
    ///   - passes: what the kernel module says of its passes, whose times are those of the monotonic clock.
    ///   - isOutside: whether a region is known to lie beyond the window of every core.
    static func write(
        _ map: OptimizationMap,
        versions: String,
        passIsRunning isRunning: Bool?,
        ofModule passes: ModulePasses?,
        isOutside: (_ region: Int) -> Bool,
        into text: inout TextBuffer
    ) {
        build(series: versions, engine: "kernel", into: &text)
        optimized(map, into: &text)
        HeldBackCounts(map, isOutside: isOutside).write(into: &text)
        if let isRunning { text.append(single: .passRunning, isRunning ? 1 : 0) }
        guard let passes else { return }
        text.append(single: .passes, passes.begun)
        costs(passes.totals, into: &text)
        if let last = passes.last { pass(last, into: &text) }
        text.append(seconds: .uptime, HostClock.monotonic)
    }

    private static func optimized(_ map: OptimizationMap, into text: inout TextBuffer) {
        text.append(single: .regions, UInt64(map.regions.count))
        let shares = map.shares
        text.append(headOf: .optimized)
        let words: KeyValuePairs<OptimizationMap.Share, StaticString> = [.all: "all", .some: "some", .none: "none"]
        for (share, word) in words { text.append(.optimized, ("cpus", word), UInt64(shares[share] ?? 0)) }
        text.append(single: .optimizedBytes, UInt64(shares[.all] ?? 0) * Granularity.region)
        text.append(headOf: .cpuRegions)
        let counts = map.regionCounts
        map.online.forEachRun { run in
            for cpu in run {
                text.append(Metric.cpuRegions.name)
                text.append("{cpu=\"")
                text.append(decimal: UInt64(cpu))
                text.append("\"} ")
                text.append(decimal: UInt64(counts[cpu]))
                text.append(0x0A)
            }
        }
    }

    // MARK: What a simulated machine knows

    /// The metrics of a simulated machine.
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        build(series: machine.configuration.series.name, engine: "simulated", into: &text)
        let map = machine.optimizationMap
        optimized(map, into: &text)
        blockers(machine, map, into: &text)
        text.append(single: .freeBytes, machine.freeMemory)
        text.append(headOf: .ordinaryBytes)
        text.append(.ordinaryBytes, ("by", "guest"), machine.ordinaryGuestMemory)
        text.append(.ordinaryBytes, ("by", "host"), machine.hostMemory)
        text.append(.ordinaryBytes, ("by", "page_cache"), machine.pageCache)
        text.append(single: .passRunning, machine.passIsRunning ? 1 : 0)
        requests(machine, into: &text)
        costs(machine.passTotals, into: &text)
        if let last = machine.passes.last.flatMap(FinishedPass.init) { pass(last, into: &text) }
        host(machine, into: &text)
    }

    private static func blockers(
        _ machine: borrowing Machine,
        _ map: OptimizationMap,
        into text: inout TextBuffer
    ) {
        var regions = OwnerPages()
        var pages = OwnerPages()
        var held = HeldBackCounts()
        var reasons = BlockersReport.Reasons(machine, map)
        // Without SNP there are no checks, so nothing is slow.
        let isChecked = machine.isSNPEnabled
        machine.forEachRegion { region, sums in
            pages.add(sums)
            regions.add(sums.isHeld)
            guard isChecked, let set = map.set(ofRegion: region), !reasons.missing[set].isEmpty else { return }
            let isCovered = machine.uncoveredPages(ofRegion: region) == 0
            held.add(HeldBack(sums, isCovered: isCovered) ?? reasons.reason(region, set).first)
        }
        held.write(into: &text)
        text.append(headOf: .blocked)
        for (owner, count) in owners { text.append(.blocked, ("by", owner), UInt64(count(regions))) }
        text.append(headOf: .pages)
        for (owner, count) in owners { text.append(.pages, ("owner", owner), UInt64(count(pages))) }
    }

    /// The owners of assigned pages in the order of their lines.
    private static let owners: KeyValuePairs<StaticString, @Sendable (OwnerPages) -> Int> = [
        "rmp_table": { $0.rmpTable }, "firmware": { $0.firmware }, "guest": { $0.guests }, "leaked": { $0.leaked },
    ]

    private static func requests(_ machine: borrowing Machine, into text: inout TextBuffer) {
        text.append(single: .passPending, machine.pendingPass == nil ? 0 : 1)
        text.append(single: .passes, machine.passCount)
        text.append(headOf: .requests)
        text.append(.requests, ("outcome", "begun"), machine.requests(.begun))
        text.append(.requests, ("outcome", "scheduled"), machine.requests(.scheduled))
        text.append(.requests, ("outcome", "absorbed"), machine.requests(.absorbed))
        text.append(.requests, ("outcome", "lost"), machine.requests(.lost))
    }

    /// What all finished passes have cost the CPUs.
    private static func costs(_ totals: PassTotals, into text: inout TextBuffer) {
        text.append(
            histogram: .passDuration,
            limits: PassTotals.durationLimits,
            counts: totals.durationCounts,
            sum: totals.nanoseconds
        )
        text.append(single: .broadcasts, totals.broadcasts)
        text.append(single: .interrupts, totals.interrupts)
        text.append(single: .executions, totals.executions)
        text.append(single: .inVain, totals.executionsInVain)
        text.append(seconds: .stolen, totals.stolenNanoseconds)
        text.append(seconds: .interruptsOffMax, totals.interruptsOffNanoseconds)
    }

    private static func pass(_ last: FinishedPass, into text: inout TextBuffer) {
        text.append(seconds: .lastPass, last.nanoseconds)
        text.append(seconds: .lastPassEnd, last.end)
        text.append(seconds: .lastLeader, last.scan)
        text.append(seconds: .lastFollower, last.follower)
        if let broadcast = last.broadcast { text.append(seconds: .lastBroadcast, broadcast) }
        text.append(single: .lastBroadcasts, last.broadcasts)
        text.append(seconds: .lastInterruptsOff, last.interruptsOff)
    }

    private static func host(_ machine: borrowing Machine, into text: inout TextBuffer) {
        text.append(single: .snpEnabled, machine.isSNPEnabled ? 1 : 0)
        text.append(single: .undefinedOpcodes, machine.undefinedOpcodes)
        text.append(single: .guests, UInt64(machine.guestIDs.count))
        text.append(seconds: .uptime, machine.now)
    }
}

/// The last pass that has ended, for metrics; times in ns.
struct FinishedPass: Sendable {
    let nanoseconds: UInt64
    /// Since boot.
    let end: UInt64
    let scan: UInt64
    let follower: UInt64
    /// nil if nobody measures it.
    let broadcast: UInt64?
    let broadcasts: UInt64
    let interruptsOff: UInt64
}

extension FinishedPass {
    /// A simulated machine's; nil while it runs.
    fileprivate init?(_ pass: PassRecord) {
        guard let end = pass.end else { return nil }
        self.init(
            nanoseconds: end - pass.start,
            end: end,
            scan: pass.scanNanoseconds,
            follower: pass.followerNanoseconds,
            broadcast: pass.broadcastNanoseconds,
            broadcasts: pass.broadcasts,
            interruptsOff: pass.interruptsOffNanoseconds
        )
    }
}

extension HeldBack {
    /// The owner of a region's pages who stays longest, or that it has pages without entries, which is the first in the
    /// order of the cases; nil if neither holds it.
    fileprivate init?(_ pages: OwnerPages, isCovered: Bool) {
        if pages.rmpTable > 0 {
            self = .rmpTable
        } else if pages.firmware > 0 {
            self = .firmware
        } else if !isCovered {
            self = .uncovered
        } else if pages.leaked > 0 {
            self = .leaked
        } else if pages.guests > 0 {
            self = .guest
        } else {
            return nil
        }
    }
}

extension BlockersReport.Reason {
    /// The reason that stays longest.
    fileprivate var first: HeldBack {
        if !disabled.isEmpty { return .notEnabled }
        if !outside.isEmpty { return .outside }
        return isUnscanned ? .notScanned : .unknown
    }
}
