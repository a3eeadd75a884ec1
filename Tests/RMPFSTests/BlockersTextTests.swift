// SPDX-License-Identifier: Apache-2.0
// The text of debug/rmpopt/blockers for an RMP whose segments are spread over memory.

import RMPModel
import Testing

@testable import RMPFS

@Suite struct BlockersTextTests {
    /// 8 GB in segments of 1 GB with tables of 4 MB, 1,024 pages: two are in region 0, with bookkeeping and RST, one
    /// extends from region 1 into region 2, two are adjacent in region 5.
    private func host() throws -> Host {
        let bases: [UInt64] = [
            0x1_4010_0000, 0x4000_0000, 0x1_4050_0000, 0x2030_0000, 0x7fe0_0000, 0x1_c000_0000, 0x1000_0000,
            0x1_9ff0_0000,
        ]
        let entries = bases.enumerated().map { RSTEntry(index: $0.offset, base: $0.element, gigabytes: 1) }
        let configuration = try MachineConfiguration(
            topology: try Topology(cpus: 4),
            memory: try MemoryMap(bytes: 8 << 30),
            rmp: try RMPLayout.segmented(base: 0xf00_0000, shift: 30, entries: entries)
        )
        return Host(configuration)
    }

    @Test func scatteredTables() throws {
        let host = try host()
        let expected = """
            Memory @  0GB: RMP table 2053 pages
            Memory @  1GB: RMP table 1536 pages
            Memory @  2GB: RMP table 512 pages
            Memory @  4GB: firmware 514 pages
            Memory @  5GB: RMP table 2048 pages
            Memory @  6GB: RMP table 1024 pages
            Memory @  7GB: RMP table 1024 pages

            """
        #expect(try host.read("debug/rmpopt/blockers") == expected)
        let metrics = try host.read("debug/rmpopt/metrics")
        #expect(metrics.contains("rmpopt_regions_blocked{by=\"rmp_table\"} 6\n"))
        #expect(metrics.contains("rmpopt_regions_optimized{cpus=\"all\"} 1\n"))
        let cpu = try host.lines("debug/rmpopt/cpu3")
        #expect(cpu.indices.filter { cpu[$0].hasSuffix("optimized") } == [3])
    }

    /// A region with a table and a guest names both, most pages first.
    @Test func aGuestAmongThem() throws {
        let host = try host()
        try host.makeGuest("vm", memory: "4M")
        try host.write("rmpsim/guests/vm/state", "running")
        let line = try host.lines("debug/rmpopt/blockers").first { $0.contains("guest vm") }
        #expect(line?.hasPrefix("Memory @  0GB: RMP table 2053 pages, guest vm (asid 1) 10") == true, "\(line ?? "")")
    }

    /// A hole in memory for which the RMP has no entries, as a segment's: no pass ever optimizes it.
    @Test func memoryWithoutEntries() throws {
        let entries = [0, 1, 4, 5].map {
            RSTEntry(index: $0, base: UInt64(0x1000_0000 + $0 << 23), gigabytes: 1)
        }
        let configuration = try MachineConfiguration(
            topology: try Topology(cpus: 4),
            memory: try MemoryMap(
                spans: [
                    MemorySpan(start: SPA(0), bytes: 2 << 30, node: 0),
                    MemorySpan(start: SPA(4 << 30), bytes: 2 << 30, node: 0),
                ],
                nodeCount: 1
            ),
            rmp: try RMPLayout.segmented(base: 0x870_0000, shift: 30, entries: entries)
        )
        let host = Host(configuration)
        let expected = """
            Memory @  0GB: RMP table 4101 pages
            Memory @  2GB: not covered 262144 pages
            Memory @  3GB: not covered 262144 pages
            Memory @  4GB: firmware 514 pages

            """
        #expect(try host.read("debug/rmpopt/blockers") == expected)
        let metrics = try host.read("debug/rmpopt/metrics")
        #expect(metrics.contains("rmpopt_regions_held_back{reason=\"uncovered\"} 2\n"))
        #expect(metrics.contains("rmpopt_regions_held_back{reason=\"not_scanned\"} 0\n"))
    }
}
