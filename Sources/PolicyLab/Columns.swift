// SPDX-License-Identifier: Apache-2.0
// The columns of results: each with its unit in its name, what it means, and how it comes from the sums.

/// A column of `results.csv`.
struct Column: Sendable {
    let name: String
    /// What it is, with its formula or its source.
    let about: String
    let value: @Sendable (RunTally) -> String

    private static let day: UInt128 = 86_400_000_000_000

    private static func share(_ name: String, _ about: String, _ quantities: Quantity...) -> Column {
        Column(name: name, about: about) { tally in share(tally.totals, quantities, tally.cores) }
    }

    static func share(_ sums: [UInt128], _ quantities: [Quantity], _ cores: Int) -> String {
        Decimal.ratio(
            quantities.reduce(0) { $0 + sums[$1.rawValue] },
            sums[Quantity.ordinary.rawValue] * UInt128(cores)
        )
    }

    private static func perHost(_ name: String, _ about: String, _ quantity: Quantity) -> Column {
        Column(name: name, about: about) {
            Decimal.ratio($0.totals[quantity.rawValue], UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        }
    }

    private static func bytes(_ name: String, _ about: String, _ quantity: Quantity) -> Column {
        Column(name: name, about: about) {
            Decimal.ratio($0.totals[quantity.rawValue] * 4_096, UInt128($0.duration), decimals: 0)
        }
    }

    private static let recovery =
        "time from the request to end an SNP guest until every region that it was the last to hold is optimized, in s"

    static let all: [Column] = [
        share(
            "fast_share",
            "share of ordinary memory that is fast, weighted by time, averaged over all cores",
            .fast
        ),
        share(
            "reach_share",
            "the same if passes had no delay: all ordinary memory in regions of the window without an assigned page",
            .fast,
            .unscanned
        ),
        share("optimum_share", "the same for the best possible placement of the same guests: the bound", .optimum),
        share("lost_neighbour", "share of ordinary memory in regions that hold pages of SNP guests", .neighbour),
        share(
            "lost_unscanned",
            "share of ordinary memory in regions that RMPOPT could optimize but has not visited yet",
            .unscanned
        ),
        share("lost_window", "share of ordinary memory outside a core's 2 TB window", .window),
        share("lost_fixed", "share of ordinary memory in regions that hold pages of the RMP or of firmware", .fixed),
        perHost(
            "lost_regions_mean",
            "regions that some core has not optimized: mean over time, per host",
            .lostRegions
        ),
        Column(name: "lost_regions_max", about: "the largest number of such regions on any host at any time") {
            "\($0.mostLost)"
        },
        perHost(
            "fewest_lost_regions_mean",
            "the fewest regions that the same guests can cost: mean over time, per host",
            .fewestLost
        ),
        Column(name: "recovery_p50_s", about: recovery + ": median") { $0.recovery(500) },
        Column(name: "recovery_p99_s", about: recovery + ": 99th percentile") { $0.recovery(990) },
        Column(name: "recovery_max_s", about: recovery + ": longest") { $0.recovery(1000) },
        Column(
            name: "unrecovered_guests",
            about: "ended guests with a region that was still not optimized when the run ended"
        ) {
            "\($0.unrecovered)"
        },
        Column(name: "passes_per_day", about: "passes begun, per day and host") {
            Decimal.ratio(UInt128($0.counts.passes) * day, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "executions", about: "RMPOPT instructions executed, on all hosts") { "\($0.counts.executions)" },
        Column(name: "executions_in_vain", about: "executions that set no new bit") {
            "\($0.counts.executionsInVain)"
        },
        Column(
            name: "interrupts_off_max_us",
            about: "longest time that a core ran with interrupts off, in us (cost model)"
        ) { Decimal.ratio(UInt128($0.counts.interruptsOffMax), 1000, decimals: 3) },
        Column(name: "ipis_per_cpu_day", about: "interrupts that passes send, per CPU and day (cost model)") {
            let cpus = UInt128($0.cpus) * UInt128($0.hosts)
            return Decimal.ratio(UInt128($0.counts.interrupts) * day, UInt128($0.duration) * cpus, decimals: 3)
        },
        Column(
            name: "stolen_cpu_s_per_day",
            about:
                "CPU time that passes take from everything else, all CPUs together, in s per day and host (cost model)"
        ) {
            let seconds = UInt128($0.counts.stolenTime) * (day / 1_000_000_000)
            return Decimal.ratio(seconds, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "guests", about: "guests launched while measuring, on all hosts") { "\($0.launched)" },
        Column(name: "refused", about: "guests refused for lack of memory or of ASIDs, on all hosts") {
            "\($0.refused)"
        },
        bytes("snp_bytes_mean", "memory of running SNP guests, all hosts together: mean over time, in bytes", .snp),
        bytes("ordinary_bytes_mean", "ordinary memory in use, all hosts together: mean over time, in bytes", .ordinary),
        bytes("free_bytes_mean", "free memory, all hosts together: mean over time, in bytes", .free),
    ]
}
