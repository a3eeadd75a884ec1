// SPDX-License-Identifier: Apache-2.0
// An RMP whose segment tables are scattered over memory: which regions they occupy, counted page by page.

import Testing

@testable import RMPModel

@Suite struct ScatteredRMPTests {
    /// 8 GB in segments of 1 GB, whose tables of 4 MB lie in six regions, out of order; some begin in the middle of a
    /// chunk, two touch, and one runs on into the next region.
    static func layout() throws -> RMPLayout {
        let bases: [UInt64] = [
            0x1_4010_0000, 0x4000_0000, 0x1_4050_0000, 0x2030_0000, 0x7fe0_0000, 0x1_c000_0000, 0x1000_0000,
            0x1_9ff0_0000,
        ]
        let entries = bases.enumerated().map { RSTEntry(index: $0.offset, base: $0.element, gigabytes: 1) }
        return try RMPLayout.segmented(base: 0xf00_0000, shift: 30, entries: entries.reversed())
    }

    private func machine() throws -> Machine {
        let memory = try MemoryMap(bytes: 8 << 30)
        return Machine(try MachineConfiguration(topology: try Topology(cpus: 4), memory: memory, rmp: Self.layout()))
    }

    /// How many pages of each region hold the RMP, worked out from its pieces alone.
    private func pagesOfTable(_ layout: RMPLayout) -> [Int] {
        var pages = [Set<UInt64>](repeating: [], count: 8)
        for piece in [layout.head] + layout.segments.map(\.table) {
            for page in (piece.lowerBound >> 12)..<((piece.upperBound + 0xfff) >> 12) {
                pages[Int(page >> 18)].insert(page)
            }
        }
        return pages.map(\.count)
    }

    private func tablePages(_ machine: Machine, _ region: Int) -> Int {
        machine.blockers(ofRegion: region).first { $0.owner == .rmpTable }?.pages ?? 0
    }

    @Test func blocksTheRegionsOfItsTables() throws {
        let machine = try machine()
        let expected = pagesOfTable(machine.rmpLayout)
        #expect(expected.reduce(0, +) == 8 * 1024 + 5)
        #expect(expected.map { $0 > 0 } == [true, true, true, false, false, true, true, true])
        #expect((0..<8).map { tablePages(machine, $0) } == expected)
        for region in 0..<8 {
            let others = machine.blockers(ofRegion: region).filter { $0.owner != .rmpTable }
            #expect(others.allSatisfy { $0.owner == .firmware }, "region \(region)")
            let sum = machine.blockers(ofRegion: region).reduce(0) { $0 + $1.pages }
            #expect(sum == machine.assignedPages(ofRegion: region), "region \(region)")
            #expect((machine.optimizedCoreCount(ofRegion: region) == machine.coreCount) == (sum == 0))
        }
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// Guests' pages around the tables are told apart from them, even in chunks that both share.
    @Test func guestsAroundTheTables() throws {
        var machine = try machine()
        let expected = pagesOfTable(machine.rmpLayout)
        // Two tables begin 1 MB into a chunk, so there is room before them; the chunk after region 7's table is free.
        for (page, asid) in [(0x14_0000, 5), (0x14_00ff, 5), (0x2_0200, 6), (0x1c_0400, 7), (0x1c_07ff, 5)] {
            let input = RMPUpdateInput(gpa: GPA(UInt64(page) << 12), assigned: true, asid: UInt32(asid))
            try machine.perform(.rmpupdate(SPA(UInt64(page) << 12), input), at: 0)
        }
        #expect((0..<8).map { tablePages(machine, $0) } == expected)
        let guests = (0..<8).map { region in
            machine.blockers(ofRegion: region).reduce(0) { sum, blocker in
                if case .guest = blocker.owner { return sum + blocker.pages }
                return sum
            }
        }
        #expect(guests == [1, 0, 0, 0, 0, 2, 0, 2])
    }
}
