// SPDX-License-Identifier: Apache-2.0
// Reads debug/rmpopt/metrics: which CPUs are online and how many regions each has optimized, from one file instead of
// one for each CPU.

/// The lines `rmpopt_cpu_regions_optimized` of `metrics`.
enum CPUCountsReader {
    /// How many regions each online CPU has optimized.
    static func counts(_ text: HostText) throws(HostFileError) -> [Int: UInt64] {
        var counts: [Int: UInt64] = [:]
        for line in try text.lines() {
            var reader = TextReader(line.line)
            guard reader.take("rmpopt_cpu_regions_optimized{cpu=\"") else { continue }
            guard let cpu = reader.takeNumber(), cpu <= CPURanges.largest, reader.take("\"} "),
                let count = reader.takeNumber(), reader.isAtEnd
            else { throw text.error(line, "'rmpopt_cpu_regions_optimized{cpu=\"N\"} ' and a number") }
            counts[Int(cpu)] = count
        }
        return counts
    }
}

/// CPUs whose files show the same, so that the file of one of them is enough.
///
/// `metrics` has the number of regions that each CPU has optimized, `blockers` each region that some CPU has not, and
/// which CPUs cannot: those outside whose window it is, or without RMPOPT. What is left open are regions that were not
/// scanned: on which CPUs, `blockers` does not say. Two CPUs with the same number and in the same lists have the same
/// regions as soon as one of them has all of those, or none.
struct CPUGroups {
    /// In the order of their first CPU.
    let groups: [[Int]]
    /// The regions that were not scanned.
    private let open: Set<UInt64>

    init(_ cpus: [Int], _ counts: [Int: UInt64], _ blockers: [BlockersReader.Row]) {
        var lists: Set<String> = []
        var open: Set<UInt64> = []
        for row in blockers {
            for reason in row.reasons {
                switch reason {
                case .outside(let cpus), .notEnabled(let cpus), .unexplained(let cpus): lists.insert(cpus)
                case .notScanned: open.insert(row.region)
                case .rmpTable, .firmware, .guest, .leaked, .uncovered: break
                }
            }
        }
        // Equal lists have equal text.
        let ranges = lists.sorted().compactMap { CPURanges(Array($0.utf8)[...]) }
        var groups: [Key: [Int]] = [:]
        for cpu in cpus {
            let key = Key(count: counts[cpu] ?? 0, isIn: ranges.map { $0.contains(cpu) })
            groups[key, default: []].append(cpu)
        }
        self.groups = groups.values.sorted { $0[0] < $1[0] }
        self.open = open
    }

    private struct Key: Hashable {
        let count: UInt64
        let isIn: [Bool]
    }

    /// Whether the file of one CPU of a group speaks for all of them.
    func speaksForGroup(_ rows: [CPUFileReader.Row]) -> Bool {
        if open.isEmpty { return true }
        let optimized = rows.count { $0.status == .optimized && open.contains($0.region) }
        return optimized == 0 || optimized == open.count
    }
}
