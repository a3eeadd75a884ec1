// SPDX-License-Identifier: Apache-2.0
// The lines of rmpopt-table and cpuN, and what they show halfway through a pass.

import Testing

@testable import RMPFS
@testable import RMPModel

@Suite struct HostTextTests {
    private func line(_ write: (inout TextBuffer) -> Void) -> String {
        var text = TextBuffer()
        write(&text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (0, "", "Memory @  0GB: CPU(s): none\n"), (7, "0-15", "Memory @  7GB: CPU(s): 0-15\n"),
        (99, "1,3", "Memory @ 99GB: CPU(s): 1,3\n"), (100, "0", "Memory @100GB: CPU(s): 0\n"),
        (2047, "0-1023", "Memory @2047GB: CPU(s): 0-1023\n"), (65536, "", "Memory @65536GB: CPU(s): none\n"),
    ])
    func tableLine(region: Int, cpus: String, expected: String) throws {
        let cpus = try CPUList.parse(cpus.utf8, limit: 1_024)
        #expect(line { DebugfsTableText.line(region: region, cpus: cpus, into: &$0) } == expected)
    }

    /// Every number of a table of 64 TB.
    @Test func regionsOfLines() throws {
        for region in 0...65_536 {
            let number = String(region)
            let expected = "Memory @\(String(repeating: " ", count: max(0, 3 - number.count)))\(number)GB: "
            try #require(line { $0.append(region: region) } == expected)
        }
    }

    @Test(
        arguments: [
            (0, .optimized, "Memory @  0GB: optimized\n"), (42, .checked, "Memory @ 42GB: checked\n"),
            (2048, .outside, "Memory @2048GB: outside\n"),
        ] as [(Int, CPURegions.Status, String)]
    )
    func cpuLine(region: Int, status: CPURegions.Status, expected: String) {
        #expect(line { CPURegions.line(region: region, status, into: &$0) } == expected)
    }

    @Test(arguments: [(0, 0..<65), (10, 10..<65), (63, 63..<65), (64, 64..<64), (65, 64..<64), (1000, 64..<64)])
    func linesOfAFill(first: Int, expected: Range<Int>) {
        #expect(
            DebugfsTableText.lines(from: first, regions: 0..<64, hasEndLine: true) == expected,
            "none when it starts at the end"
        )
    }

    @Test func theTableOfABootedHost() throws {
        let host = try Host()
        let lines = try host.lines("debug/rmpopt/rmpopt-table")
        #expect(lines.count == 65)
        for (number, line) in lines.enumerated() {
            let head = "Memory @\(number < 10 ? "  " : " ")\(number)GB: CPU(s): "
            #expect(line == head + "none" || line == head + "0-15")
        }
        #expect(lines[64] == "Memory @ 64GB: CPU(s): none")
        #expect(try host.optimizedRegions() > 50)
    }

    @Test func theEndLineIsLostWhenAReadStartsThere() throws {
        let host = try Host()
        let file = try host.root.file("debug/rmpopt/rmpopt-table")
        let whole = try host.read("debug/rmpopt/rmpopt-table")
        let end = "Memory @ 64GB: CPU(s): none\n"
        #expect(whole.hasSuffix(end))
        let before = UInt64(whole.utf8.count - end.utf8.count)

        // A buffer that was filled exactly to that point: the next fill starts at the end, and gets nothing.
        let opened = try file.open(.reading)
        #expect(try opened.text(size: Int(before)).utf8.count == Int(before))
        #expect(try opened.text(at: before).isEmpty)
        // A position exactly there gives the same; one byte further is within the line.
        #expect(try file.open(.reading).text(at: before).isEmpty)
        #expect(try file.open(.reading).text(at: before + 1) == String(end.dropFirst()))
        #expect(try file.open(.reading).text(at: before - 1) == "\n")
        // The rest of the last region's line is returned alone: the fill after it starts at the end.
        let inside = try file.open(.reading)
        _ = try inside.text(size: Int(before) - 1)
        #expect(try inside.text(at: before - 1) == "\n")
        #expect(try inside.text(at: before).isEmpty)
    }

    @Test func aTableLongerThanAPageComesInWholeLines() throws {
        let host = try Host(cpus: 2, memory: 300 << 30)
        let opened = try host.root.file("debug/rmpopt/rmpopt-table").open(.reading)
        let (lengths, bytes) = try opened.readAll(1 << 20)
        #expect(lengths.count >= 3)
        #expect(lengths.allSatisfy { $0 < 4096 })
        #expect(bytes.last == 0x0A)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.split(separator: "\n").count == 301)
        var end = 0
        for length in lengths.dropLast() {
            end += length
            #expect(bytes[end - 1] == 0x0A)
        }
    }

    /// A CPU that came online late has no RMPOPT_EN in v1. The effects of a read are counted once per reading, however
    /// many pages it takes, and even if it begins in the middle.
    @Test func aReadingIsCountedOnce() throws {
        let shape = TopologyShape(coresPerPackage: 4, threadsPerCore: 1)
        var online = CPUSet(all: 4)
        online.remove(3)
        let topology = try Topology(shape, present: CPUSet(all: 4), online: online)
        let host = Host(try MachineConfiguration(topology: topology, memory: try MemoryMap(bytes: 300 << 30)))
        try host.write("rmpsim/cpus/cpu3/online", "1\n")
        let file = try host.root.file("debug/rmpopt/rmpopt-table")
        func faults() throws -> UInt64 { try host.engine.look { machine throws(Errno) in machine.undefinedOpcodes } }

        let before = try faults()
        #expect(try file.open(.reading).readAll(1 << 20).0.count >= 3)
        let each = try faults() - before
        // The first of them may have made the text; the others use it unchanged.
        #expect(try file.open(.reading).readAll(1 << 20).0.count >= 3)
        #expect(try file.open(.reading).readAll(100).0.count >= 3)
        #expect(try faults() - before == 3 * each)
        #expect(each == 1)
        #expect(try file.open(.reading).text(at: 5000) != "")
        #expect(try faults() - before == 4 * each)
    }

    @Test func cpuFilesComeInOneGo() throws {
        let host = try Host(cpus: 2, memory: 300 << 30)
        let (lengths, bytes) = try host.root.file("debug/rmpopt/cpu1").open(.reading).readAll(1 << 20)
        #expect(lengths.count == 2)
        #expect(String(decoding: bytes, as: UTF8.self).split(separator: "\n").count == 300)
    }

    @Test func cpuFilesSayWhatTheTableSays() throws {
        let host = try Host(cpus: 6)
        try host.makeGuest("g0", memory: "3G")
        try host.write("rmpsim/guests/g0/state", "running")
        let table = try host.lines("debug/rmpopt/rmpopt-table")
        for cpu in 0..<6 {
            let lines = try host.lines("debug/rmpopt/cpu\(cpu)")
            #expect(lines.count == 64)
            for (number, line) in lines.enumerated() {
                #expect(line.hasSuffix(table[number].hasSuffix("0-5") ? ": optimized" : ": checked"))
                #expect(line.prefix(14) == table[number].prefix(14))
            }
        }
    }

    @Test func beyondTheWindowIsOutside() throws {
        let host = try Host(cpus: 2, memory: 2050 << 30)
        let lines = try host.lines("debug/rmpopt/cpu0")
        #expect(lines.count == 2050)
        #expect(lines[2048] == "Memory @2048GB: outside")
        #expect(lines[2049] == "Memory @2049GB: outside")
        #expect(lines[..<2048].allSatisfy { !$0.hasSuffix("outside") })
    }

    @Test func anOfflineCPUHasNoText() throws {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30)
        configuration.topology.online.remove(2)
        let host = Host(configuration)
        #expect(refusal(of: { try host.read("debug/rmpopt/cpu2") }) == .noSuchDevice)
        #expect(try host.lines("debug/rmpopt/cpu1").count == 8)
        #expect(try host.lines("debug/rmpopt/rmpopt-table").contains { $0.hasSuffix("CPU(s): 0-1,3") })
    }

    @Test func aPassIsSeenHalfDone() throws {
        let host = try Host()
        let atBoot = try host.optimizedRegions()
        try host.makeGuest("g0", memory: "20G")
        try host.write("rmpsim/guests/g0/state", "running")
        let withGuest = try host.optimizedRegions()
        #expect(withGuest <= atBoot - 18)
        try host.write("rmpsim/guests/g0/state", "stopped")
        #expect(try host.read("rmpsim/guests/g0/state") == "ending\n")
        try host.write("rmpsim/clock", "+1h")
        #expect(try host.read("rmpsim/guests/g0/state") == "stopped\n")
        #expect(try host.optimizedRegions() == withGuest, "nothing is won back without a pass")

        try host.write("rmpopt/action", "1")
        let stale = try host.root.file("rmpopt/action").open(.reading)
        #expect(try stale.text() == "RMP optimization in progress: Yes\n")
        // 64 regions take about 9 ms: checked every 0.5 ms, they come back one after another.
        var seen: [Int] = []
        while try host.read("rmpopt/reenable") == "1\n", seen.count < 100 {
            seen.append(try host.optimizedRegions())
            try host.write("rmpsim/clock", "+500us")
        }
        #expect(seen == seen.sorted())
        #expect(seen.first == withGuest)
        #expect(Set(seen).count > 5)
        try host.write("rmpsim/clock", "+1min")
        #expect(try host.optimizedRegions() == atBoot)
        #expect(try host.read("rmpopt/reenable") == "0\n")
        #expect(try host.read("rmpopt/action") == "RMP optimization in progress: No\n")
        #expect(
            try stale.text() == "RMP optimization in progress: Yes\n",
            "an open file goes on showing what it showed"
        )
    }

    @Test func anInstantHostHasEndedEverythingWhenAWriteReturns() throws {
        let host = try Host(pace: .instant)
        let atBoot = try host.optimizedRegions()
        try host.makeGuest("g0", memory: "5G")
        try host.write("rmpsim/guests/g0/state", "running")
        #expect(try host.read("rmpsim/guests/g0/state") == "running\n")
        #expect(try host.optimizedRegions() < atBoot)
        try host.write("rmpsim/guests/g0/state", "stopped")
        #expect(try host.read("rmpsim/guests/g0/state") == "stopped\n")
        try host.write("rmpopt/reenable", "1")
        #expect(try host.read("rmpopt/reenable") == "0\n")
        #expect(try host.read("rmpopt/action") == "RMP optimization in progress: No\n")
        #expect(try host.optimizedRegions() == atBoot)
    }
}
