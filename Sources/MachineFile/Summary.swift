// SPDX-License-Identifier: Apache-2.0
// Summarizes a machine file in a few lines, for checking it without a mount.

import RMPModel

extension MachineFile {
    /// A line for each part of the machine: `name: text`.
    public var summary: String {
        let machine = configuration
        let topology = machine.topology
        let memory = machine.memory
        var lines = [("name", shown(name, limit: .max))]
        if !about.isEmpty { lines.append(("description", line(of: about))) }
        let packages = count(topology.packageCount, "package")
        let cores = count(topology.coreCount, "core")
        let threads = count(topology.cpuCount / topology.coreCount, "thread")
        lines.append(("cpus", "\(topology.cpuCount) in \(packages), \(cores) of \(threads)"))
        lines.append(("online", list(topology.online)))
        if topology.online != topology.present { lines.append(("present", list(topology.present))) }
        for node in 0..<topology.nodeCount {
            let spans = memory.spans.filter { $0.node == node }
            let bytes = spans.reduce(0) { $0 &+ $1.bytes }
            let kind = topology.packageOfNode[node].map { "package \($0)" } ?? "no CPUs"
            let places = spans.map { " \(text($0.range))" }.joined()
            lines.append(("node \(node)", "\(kind), \(bytes == 0 ? "no memory" : Quantities.size(bytes))\(places)"))
        }
        lines.append(("memory", "\(Quantities.size(memory.bytes)), \(count(memory.regionCount, "region"))"))
        let tables = joined(machine.rmp.segments.map(\.table)).map { " \(text($0))" }.joined()
        lines.append(("rmp", "\(text(machine.rmp.head)), \(count(machine.rmp.segments.count, "table")) at\(tables)"))
        if !machine.rmp.problems(with: machine.processor, memory: memory).isEmpty {
            lines.append(("snp", "off: the kernel does not take the RMP where it lies; see rmpsim/log of a mount"))
        }
        let assigned = machine.firmware.assigned.map(text).joined(separator: " ")
        lines.append(("firmware", assigned.isEmpty ? "no pages" : assigned))
        lines.append(("series", machine.series.name))
        lines.append(("windows", Words.word(machine.windows, in: Words.windows)))
        lines.append(("boot", Words.word(machine.boot.stage, in: Words.stages)))
        return lines.map { "\($0.0): \($0.1)\n" }.joined()
    }

    /// The description as one line.
    public var line: String { line(of: about) }

    private func line(of text: String) -> String {
        shown(text.split(whereSeparator: \.isNewline).joined(separator: " "), limit: .max)
    }

    private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// Ranges in ascending order, with adjacent ones merged.
    private func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        ranges.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { joined, range in
            if let last = joined.last, last.upperBound == range.lowerBound {
                joined[joined.count - 1] = last.lowerBound..<range.upperBound
            } else {
                joined.append(range)
            }
        }
    }

    private func list(_ cpus: CPUSet) -> String { String(decoding: CPUList.format(cpus), as: UTF8.self) }

    /// A range as the kernel's log prints it, with an inclusive end.
    private func text(_ range: Range<UInt64>) -> String {
        guard let last = range.last else { return "[]" }
        return "[0x\(String(range.lowerBound, radix: 16))-0x\(String(last, radix: 16))]"
    }
}
