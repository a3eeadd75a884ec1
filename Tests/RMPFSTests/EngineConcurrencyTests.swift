// SPDX-License-Identifier: Apache-2.0
// One engine, many threads: readers, writers, guests and a clock at once; every line read is checked.

import RMPModel
import Testing

@testable import RMPFS

@Suite struct EngineConcurrencyTests {
    /// Errors from all threads.
    private final class Complaints: Sendable {
        private let list = Box<[String]>([])
        private let lock = Lock()

        func add(_ text: String) { lock.run { list.value += [text] } }
        var first: String? { list.value.first }
    }

    private static func check(table text: String, regions: Int, cpus: Int, _ complaints: Complaints) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.last == "", lines.count - 1 == regions else {
            return complaints.add("a table of \(lines.count - 1) lines")
        }
        for (number, line) in lines.dropLast().enumerated() {
            let head = "Memory @\(number < 10 ? "  " : number < 100 ? " " : "")\(number)GB: CPU(s): "
            // No CPU, every CPU, the threads of the leader's core, which scans first, or only those of the followers if
            // a guest came and went between the two scans.
            let lists = ["none", "0-\(cpus - 1)", "0,\(cpus / 2)", "1,\(cpus / 2 + 1)"]
            if !lists.contains(where: { line == head + $0 }) { complaints.add("line \(number): \(line)") }
        }
    }

    /// On v5 and later: before, lines that are read during a pass may mix two results.
    @Test(.timeLimit(.minutes(1)), arguments: [Series.v5, .v8]) func everybodyAtOnce(series: Series) throws {
        let host = Host(try MachineConfiguration(cpus: 4, memoryBytes: 16 << 30, series: series))
        let path = "debug/x86/rmpopt/rmpopt-table"
        let table = try host.read(path)
        let complaints = Complaints()
        inThreads(10) { number in
            for round in 0..<60 {
                do {
                    switch number {
                    case 0, 1:
                        let text = try host.read(path)
                        Self.check(table: text, regions: 16, cpus: 4, complaints)
                    case 2, 3:
                        let lines = try host.lines("debug/rmpopt/cpu\(number)")
                        let good = lines.allSatisfy { $0.hasSuffix("GB: optimized") || $0.hasSuffix("GB: checked") }
                        if lines.count != 16 || !good { complaints.add("cpu\(number): \(lines)") }
                    case 4, 5:
                        try host.write("rmpopt/reenable", "1\n")
                        let text = try host.read("rmpopt/reenable")
                        if !["1\n", "0\n"].contains(text) { complaints.add(text) }
                    case 6:
                        try host.write("rmpsim/clock", "+\(round)ms")
                    default:
                        let name = "g\(number)"
                        try host.makeGuest(name, memory: "2G")
                        try host.write("rmpsim/guests/\(name)/state", "running")
                        if try host.read("rmpsim/guests/\(name)/state") != "running\n" { complaints.add("not running") }
                        try host.root.folder("rmpsim/guests").rmdir(name)
                        // Wait until its memory is free before the next one asks for it.
                        try host.write("rmpsim/clock", "+1s")
                    }
                } catch {
                    complaints.add("thread \(number), round \(round): \(error)")
                }
            }
        }
        #expect(complaints.first == nil)
        try host.write("rmpsim/clock", "+1min")
        try host.write("rmpopt/reenable", "1")
        try host.write("rmpsim/clock", "+1min")
        #expect(try host.read(path) == table, "everything is won back at the end")
        #expect(try host.root.folder("rmpsim/guests").names.isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func manyReadersOfOneOpenFile() throws {
        let host = try Host(cpus: 64, memory: 512 << 30)
        let whole = try host.read("debug/rmpopt/cpu0")
        let opened = try host.root.file("debug/rmpopt/cpu0").open(.reading)
        let bytes = Array(whole.utf8)
        let complaints = Complaints()
        inThreads(8) { number in
            var random = Random(seed: testSeed &+ UInt64(number))
            for _ in 0..<20 {
                let offset = Int.random(in: 0...bytes.count, using: &random)
                let size = Int.random(in: 1...5000, using: &random)
                do {
                    let part = try opened.read(at: UInt64(offset), size: size).array
                    if part[...] != bytes[offset..<min(offset + size, bytes.count)] {
                        complaints.add("pread \(size)@\(offset), RMPFS_TEST_SEED=\(testSeed)")
                    }
                } catch {
                    complaints.add("pread \(size)@\(offset): \(error)")
                }
            }
        }
        #expect(complaints.first == nil)
    }

    @Test(.timeLimit(.minutes(1))) func manyWritersAndReadersOfOneOpenAttribute() throws {
        let value = Box<[UInt8]>(Array("0".utf8))
        let attribute = Attribute(
            owner: .root,
            show: { text throws(Errno) in text.append(value.value) },
            store: { text throws(Errno) in value.value = Array(text.bytes) }
        )
        let opened = try attribute.open(.both)
        let complaints = Complaints()
        inThreads(8) { number in
            let mine = [UInt8](repeating: UInt8(0x30 + number), count: 1000 + number)
            for _ in 0..<300 {
                do {
                    try opened.write(mine)
                    let text = try opened.read(at: 0, size: 4096).array
                    if Set(text).count != 1 || text.count < 1000 || text.count != 1000 + Int(text[0] - 0x30) {
                        complaints.add("torn: \(text.count) bytes of \(Set(text))")
                    }
                } catch {
                    complaints.add("\(error)")
                }
            }
        }
        #expect(complaints.first == nil)
    }
}
