// SPDX-License-Identifier: Apache-2.0
// RMPREAD: what it returns for an entry, and the raw entry behind it.

import Testing

@testable import RMPModel

@Suite struct RMPREADTests {
    @Test func whatIsRead() throws {
        var machine = try machine()
        #expect(throws: RMPCode.failInput) { try machine.rmpread(SPA(64 << 30)) }
        #expect(try machine.rmpread(freeSPA).hugePageRegionStatus == false)
        #expect(machine.code(.rmpupdate(SPA(freeSPA.rawValue + 0x1000), RMPUPDATETests.privatePage)) == .success)
        let first = try machine.rmpread(freeSPA)
        #expect(first.hugePageRegionStatus && !first.assigned)
        let page = try machine.rmpread(SPA(freeSPA.rawValue + 0x1abc))
        #expect(!page.hugePageRegionStatus && page.assigned && page.asid == 3 && page.gpa == GPA(0x5000))
        #expect(machine.rawRMP(freeSPA.pfn)?.low == 1 << 3)
        #expect(machine.rawRMP(PFN(freeSPA.pfn.rawValue + 1))?.low == 3 << 51 | 0x5000 | 1)
        #expect(machine.rawRMP(PFN(.max))?.low == nil)
    }
}
