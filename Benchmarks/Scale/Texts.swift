// SPDX-License-Identifier: Apache-2.0
// The files' texts, read as by a client of a mount, each for the first time after a change.

import RMPFS
import RMPModel

/// Measures the texts of a machine, and the memory of a whole idle tree.
struct Texts {
    private static let names = ["cpu0", "rmpopt-table", "blockers", "metrics"]
    private let root: Directory
    private let regions: Int
    private let cpus: Int

    /// The tree of a machine whose clock is advanced by hand.
    init(_ configuration: MachineConfiguration) {
        root = HostTree(owner: .root).root(SimulatedEngine(configuration, pace: .manual))
        regions = configuration.memory.regionCount
        cpus = configuration.topology.cpuCount
        reportMemory("idle")
    }

    private struct NoFile: Error { let path: String }

    private func file(_ path: String) throws -> File {
        guard let file = try root.node(at: path) as? File else { throw NoFile(path: path) }
        return file
    }

    /// The start of a guest of 8 GB takes away at least eight regions; a pass after its end brings them back.
    func measure() throws {
        try (root.node(at: "rmpsim/guests") as? Directory)?.makeItem(named: Array("vm".utf8))
        try file("rmpsim/guests/vm/memory").write("8G")
        let state = try file("rmpsim/guests/vm/state")
        let clock = try file("rmpsim/clock")
        let files = try Texts.names.map { try file("debug/rmpopt/\($0)") }
        var samples = files.map { _ in Samples() }
        var sizes = files.map { _ in 0 }
        var lists = 0
        for _ in 0..<9 {
            try state.write("running")
            for (index, file) in files.enumerated() {
                var bytes = 0
                try samples[index].time { try file.read { bytes += $0.count } }
                sizes[index] = bytes
            }
            lists = try Texts.lists(in: files[1].contents())
            try state.write("stopped")
            try clock.write("+100s")
            try file("rmpopt/reenable").write("1")
            try clock.write("+100s")
        }
        for (index, name) in Texts.names.enumerated() {
            // A list of CPUs is made only for a line whose list differs from the line before; that reads a bit for each
            // CPU.
            let bytes = sizes[index]
            switch name {
            case "cpu0": samples[index].report(name, touches: ["bytes": bytes, "regions": regions])
            case "rmpopt-table":
                samples[index].report(name, touches: ["bytes": bytes, "regions": regions, "bits": lists * cpus])
            default: samples[index].report(name, touches: ["bytes": bytes, "regions": regions, "CPUs": cpus])
            }
        }
        reportMemory("used")
    }

    /// How many lists of CPUs of a table differ from the one before.
    private static func lists(in table: [UInt8]) -> Int {
        var lists = 0
        var last: ArraySlice<UInt8>?
        for line in table.split(separator: 0x0A) {
            let list = line.suffix(from: line.lastIndex(of: 0x20) ?? line.startIndex)
            if list != last { lists += 1 }
            last = list
        }
        return lists
    }
}
