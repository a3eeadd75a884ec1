// SPDX-License-Identifier: Apache-2.0
// A run's timeline as CSV: exact means of each step of time.

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
            for quantities in [
                [Quantity.fast], [.fast, .unscanned], [.optimum], [.neighbour], [.unscanned], [.window], [.fixed],
            ] {
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
