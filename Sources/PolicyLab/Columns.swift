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
        "from the moment when an SNP guest's end is asked for until the last region that it was the last to hold is "
        + "optimized, in s"

    static let all: [Column] = [
        share(
            "fast_share",
            "fast ordinary bytes over time, divided by ordinary bytes over time; the mean over all cores",
            .fast
        ),
        share(
            "reach_share",
            "the same with all bytes whose region holds no assigned page and lies in the window: passes without delay",
            .fast,
            .unscanned
        ),
        share("optimum_share", "the same for the best placement of the same guests: the bound", .optimum),
        share("lost_neighbour", "ordinary bytes in regions with pages of SNP guests, as a share", .neighbour),
        share(
            "lost_unscanned",
            "ordinary bytes in regions that RMPOPT could set but has not yet, as a share",
            .unscanned
        ),
        share("lost_window", "ordinary bytes outside a core's window of 2 TB, as a share", .window),
        share("lost_fixed", "ordinary bytes in regions with pages of the RMP or of firmware, as a share", .fixed),
        perHost("lost_regions_mean", "regions not optimized on all cores, mean over time, a host", .lostRegions),
        Column(name: "lost_regions_max", about: "the most of these at any time on any host") { "\($0.mostLost)" },
        perHost("fewest_lost_regions_mean", "the fewest that the same guests can cost, a host", .fewestLost),
        Column(name: "recovery_p50_s", about: recovery + ": the median guest") { $0.recovery(500) },
        Column(name: "recovery_p99_s", about: recovery + ": 99 of 100 guests take no longer") { $0.recovery(990) },
        Column(name: "recovery_max_s", about: recovery + ": the longest") { $0.recovery(1000) },
        Column(name: "unrecovered_guests", about: "ended guests that still wait for such a region at the end") {
            "\($0.unrecovered)"
        },
        Column(name: "passes_per_day", about: "passes that began, a day and host") {
            Decimal.ratio(UInt128($0.counts.passes) * day, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "executions", about: "RMPOPT instructions executed, on all hosts") { "\($0.counts.executions)" },
        Column(name: "executions_in_vain", about: "those of them that set no new bit") {
            "\($0.counts.executionsInVain)"
        },
        Column(
            name: "interrupts_off_max_us",
            about: "the longest time for which a core had interrupts off without a break, in us (cost model)"
        ) { Decimal.ratio(UInt128($0.counts.interruptsOffMax), 1000, decimals: 3) },
        Column(name: "ipis_per_cpu_day", about: "interrupts that passes send, a CPU and day (cost model)") {
            let cpus = UInt128($0.cpus) * UInt128($0.hosts)
            return Decimal.ratio(UInt128($0.counts.interrupts) * day, UInt128($0.duration) * cpus, decimals: 3)
        },
        Column(
            name: "stolen_cpu_s_per_day",
            about: "CPU time that passes take from everything else, all CPUs together, in s a day and host (cost model)"
        ) {
            let seconds = UInt128($0.counts.stolenTime) * (day / 1_000_000_000)
            return Decimal.ratio(seconds, UInt128($0.duration) * UInt128($0.hosts), decimals: 3)
        },
        Column(name: "guests", about: "guests launched while measuring, on all hosts") { "\($0.launched)" },
        Column(name: "refused", about: "guests that got no memory, or no ASID, on any host") { "\($0.refused)" },
        bytes("snp_bytes_mean", "memory of running SNP guests, mean over time, all hosts, in bytes", .snp),
        bytes("ordinary_bytes_mean", "ordinary memory in use, mean over time, all hosts, in bytes", .ordinary),
        bytes("free_bytes_mean", "free memory, mean over time, all hosts, in bytes", .free),
    ]
}
