// SPDX-License-Identifier: Apache-2.0
// PVALIDATE: its codes, its faults, the carry flag, and the order of its checks.

import Testing

@testable import RMPModel

@Suite struct PVALIDATETests {
    /// Chunk 1: a 2 MB entry at GPA 0x400000; chunk 2: the same in 4 KB; page 9: Pre-Guest. All of ASID 3.
    private func rmp() -> RMP {
        var rmp = RMP(regionCount: 1)
        let input = RMPUpdateInput(gpa: GPA(0x40_0000), assigned: true, pageSize: .size2M, asid: 3)
        #expect(rmp.update(1 << 21, input) == .success)
        #expect(rmp.update(2 << 21, input) == .success)
        #expect(rmp.smash(2 << 21) == .success)
        #expect(rmp.update(9 << 12, .init(gpa: GPA(0x9000), assigned: true, immutable: true, asid: 3)) == .success)
        return rmp
    }

    @Test(
        arguments: [
            (1024 + 3, 0x40_3000, 3, PageSize.size4K, PVALIDATECode.success), (512, 0x40_0000, 3, .size2M, .success),
            (512, 0x40_1000, 3, .size2M, .failInput), (1024, 0x40_0000, 3, .size2M, .failSizeMismatch),
            // Alignment is checked before the owner.
            (0, 0x1000, 3, .size2M, .failInput),
        ] as [(UInt64, UInt64, UInt16, PageSize, PVALIDATECode)]
    )
    func codes(_ page: UInt64, _ gpa: UInt64, _ asid: UInt16, _ size: PageSize, _ code: PVALIDATECode) throws {
        var rmp = rmp()
        let outcome = try rmp.pvalidate(PFN(page), gpa: GPA(gpa), asid: asid, size: size, validate: true)
        #expect(outcome == PVALIDATEOutcome(code: code, isUnchanged: false))
        if code != .success { return }
        #expect(rmp.state(of: PFN(page)) == .guestValid)
        let again = try rmp.pvalidate(PFN(page), gpa: GPA(gpa), asid: asid, size: size, validate: true)
        #expect(again == PVALIDATEOutcome(code: .success, isUnchanged: true))
        _ = try rmp.pvalidate(PFN(page), gpa: GPA(gpa), asid: asid, size: size, validate: false)
        #expect(rmp.state(of: PFN(page)) == .guestInvalid)
    }

    @Test(
        arguments: [
            (0, 0, 3, PageSize.size4K, PVALIDATEFault.notAssigned), (1024, 0x40_0000, 4, .size4K, .notAssigned),
            (1024, 0x40_1000, 3, .size4K, .notAssigned), (9, 0x9000, 3, .size4K, .notAssigned),
            (1024, 0x40_0000, 0, .size4K, .notAssigned), (1 << 18, 0x40_0000, 3, .size4K, .notAssigned),
            (512 + 7, 0x40_7000, 3, .size4K, .sizeMismatch), (512 + 7, 0x40_6000, 3, .size4K, .notAssigned),
        ] as [(UInt64, UInt64, UInt16, PageSize, PVALIDATEFault)]
    )
    func faults(_ page: UInt64, _ gpa: UInt64, _ asid: UInt16, _ size: PageSize, _ fault: PVALIDATEFault) {
        var rmp = rmp()
        #expect(throws: fault) {
            try rmp.pvalidate(PFN(page), gpa: GPA(gpa), asid: asid, size: size, validate: true)
        }
    }

    @Test func splitsKeepWhatWasValidated() throws {
        var rmp = rmp()
        _ = try rmp.pvalidate(PFN(512), gpa: GPA(0x40_0000), asid: 3, size: .size2M, validate: true)
        #expect(rmp.smash(1 << 21) == .success)
        #expect((512..<1024).allSatisfy { rmp.state(of: PFN($0)) == .guestValid })
        #expect(rmp.update(1 << 21, .init(gpa: GPA(0x40_0000), assigned: true, asid: 3)) == .success)
        #expect(rmp.state(of: PFN(512)) == .guestInvalid && rmp.state(of: PFN(513)) == .guestValid)
    }
}
