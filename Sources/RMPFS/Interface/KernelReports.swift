// SPDX-License-Identifier: Apache-2.0
// The texts of `metrics` and `blockers` for a running kernel: what its table tells, and no more.

import RMPModel

/// Reports on a table that was read from the kernel.
struct KernelReports {
    let engine: KernelEngine

    /// How many regions have which share of the online CPUs, and how many each CPU has: Prometheus' text format.
    func metrics(into text: inout TextBuffer) throws(Errno) {
        let reading = try engine.read()
        let lines = engine.files.regions.count
        // Most regions have one of few sets of CPUs: each set is looked at once.
        var uses = [UInt64](repeating: 0, count: reading.table.sets.count)
        for line in 0..<lines { uses[reading.table.rows[line]] += 1 }
        var shares: (all: UInt64, some: UInt64, none: UInt64) = (0, 0, 0)
        var ofCPU = [UInt64](repeating: 0, count: engine.cpuCount)
        for (set, count) in zip(reading.table.sets, uses) where count > 0 {
            if set.isEmpty {
                shares.none += count
            } else if set == reading.online {
                shares.all += count
            } else {
                shares.some += count
            }
            set.forEachRun { run in
                for cpu in run { ofCPU[cpu] += count }
            }
        }
        header("rmpopt_regions", "Regions of 1 GB that the table shows.", into: &text)
        sample("rmpopt_regions", UInt64(lines), into: &text)
        header("rmpopt_regions_optimized", "Regions that are optimized on all, some or no online CPUs.", into: &text)
        sample("rmpopt_regions_optimized{cpus=\"all\"}", shares.all, into: &text)
        sample("rmpopt_regions_optimized{cpus=\"some\"}", shares.some, into: &text)
        sample("rmpopt_regions_optimized{cpus=\"none\"}", shares.none, into: &text)
        header("rmpopt_cpu_regions_optimized", "Regions that are optimized on an online CPU.", into: &text)
        for cpu in 0..<engine.cpuCount where reading.online.contains(cpu) {
            text.append("rmpopt_cpu_regions_optimized{cpu=\"")
            text.append(decimal: UInt64(cpu))
            sample("\"}", ofCPU[cpu], into: &text)
        }
        guard engine.files.series.hasAction else { return }
        header("rmpopt_pass_running", "Whether a pass is running that was asked for.", into: &text)
        sample("rmpopt_pass_running", try engine.passIsRunning() ? 1 : 0, into: &text)
    }

    private func header(_ name: StaticString, _ help: StaticString, into text: inout TextBuffer) {
        text.append("# HELP ")
        text.append(name)
        text.append(" ")
        text.append(help)
        text.append("\n# TYPE ")
        text.append(name)
        text.append(" gauge\n")
    }

    private func sample(_ name: StaticString, _ value: UInt64, into text: inout TextBuffer) {
        text.append(name)
        text.append(" ")
        text.append(decimal: value)
        text.append("\n")
    }

    /// The regions that are not optimized everywhere, and on which online CPUs they are not.
    func blockers(into text: inout TextBuffer) throws(Errno) {
        let reading = try engine.read()
        // The text behind the region for each set of CPUs, made when it first occurs.
        var reasons = [[UInt8]?](repeating: nil, count: reading.table.sets.count)
        for (line, region) in engine.files.regions.enumerated() {
            let row = reading.table.rows[line]
            let missing = reasons[row] ?? Self.missing(reading.table.sets[row], of: reading.online)
            reasons[row] = missing
            if missing.isEmpty { continue }
            text.append(region: region)
            text.append(
                engine.isBeyondWindow(line: line)
                    ? "outside the window of CPU(s) " : "reason unknown, not optimized on CPU(s) "
            )
            text.append(missing)
            text.append(0x0A)
        }
    }

    /// The list of the online CPUs that are not in a set.
    private static func missing(_ set: CPUSet, of online: CPUSet) -> [UInt8] {
        var rest = online
        set.forEachRun { run in
            for cpu in run { rest.remove(cpu) }
        }
        return CPUList.format(rest)
    }
}
