// SPDX-License-Identifier: Apache-2.0
// The checks of PSMASH in their order, and the 4 KB entries that it leaves.

import Testing

@testable import RMPModel

@Suite struct PSMASHTests {
    /// In the order in which they are checked.
    @Test(
        arguments: [
            ("an address that is not aligned", 0x1000, RMPEntry(assigned: true, pageSize: .size2M), RMPCode.failInput),
            ("an address without an entry", 64 << 30, RMPEntry(), .failInput),
            ("a page that is not assigned", 0, RMPEntry(), .failInput),
            ("an entry of 4 KB", 0, RMPEntry(assigned: true, immutable: true, locked: true), .failInput),
            (
                "immutable and locked", 0,
                RMPEntry(assigned: true, pageSize: .size2M, immutable: true, locked: true), .failPermission
            ),
            (
                "immutable", 0, RMPEntry(assigned: true, pageSize: .size2M, immutable: true), .failPermission
            ),
            ("locked", 0, RMPEntry(assigned: true, pageSize: .size2M, locked: true), .failInUse),
            ("a 2 MB entry", 0, RMPEntry(assigned: true, pageSize: .size2M, asid: 3), .success),
        ] as [(String, UInt64, RMPEntry, RMPCode)]
    )
    func codes(_ name: String, _ at: UInt64, _ entry: RMPEntry, _ code: RMPCode) {
        var rmp = RMP(regionCount: 64)
        rmp.setChunk(0, entry.word)
        #expect(rmp.smash(at) == code, "\(name)")
        let kept = code == .success ? RMPEntry(assigned: true, asid: 3).word : entry.word
        #expect(rmp.entry(chunk: 0, index: 0) == kept, "\(name)")
    }

    @Test func whatIsWritten() throws {
        var machine = try machine()
        #expect(machine.code(.psmash(freeSPA)) == .failInput)
        #expect(machine.code(.rmpupdate(freeSPA, RMPUPDATETests.private2M)) == .success)
        #expect(machine.code(.psmash(SPA(freeSPA.rawValue + 0x1000))) == .failInput)
        #expect(machine.code(.psmash(SPA(64 << 30))) == .failInput)
        #expect(machine.code(.psmash(SPA(.max))) == .failInput)
        #expect(machine.code(.psmash(freeSPA)) == .success)
        for page in [0, 1, 200, 511] as [UInt64] {
            let entry = RMPEntry(assigned: true, gpa: GPA(0x40_0000 + page << 12), asid: 3)
            #expect(machine.rmpEntry(PFN(freeSPA.pfn.rawValue + page)) == entry)
        }
        #expect(machine.code(.psmash(freeSPA)) == .failInput)
        #expect(machine.code(.rmpupdate(SPA(freeSPA.rawValue + 0x3000), .init())) == .success)
        #expect(machine.assignedPages(ofRegion: freeRegion) == 511)
        #expect(InvariantChecker.violations(in: machine) == [])
    }
}
