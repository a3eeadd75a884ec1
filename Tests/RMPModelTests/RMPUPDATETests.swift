// SPDX-License-Identifier: Apache-2.0
// The checks of RMPUPDATE in their order, one table row or test per rule.

import Testing

@testable import RMPModel

@Suite struct RMPUPDATETests {
    static let privatePage = RMPUpdateInput(gpa: GPA(0x5000), assigned: true, asid: 3)
    static let private2M = RMPUpdateInput(gpa: GPA(0x40_0000), assigned: true, pageSize: .size2M, asid: 3)
    static let shared2M = RMPUpdateInput(pageSize: .size2M)

    /// Updates to do first, the one to try, and the code that it must return.
    struct Row: CustomTestStringConvertible {
        var testDescription: String
        var before: [(UInt64, RMPUpdateInput)] = []
        var at: UInt64
        var input: RMPUpdateInput
        var code: RMPCode
    }

    static let rows = [
        Row(testDescription: "assign", at: 0, input: privatePage, code: .success),
        Row(testDescription: "assign 2 MB", at: 0, input: private2M, code: .success),
        Row(testDescription: "1: 2 MB at an odd address", at: 0x1000, input: private2M, code: .failInput),
        Row(testDescription: "bits 11:0 do not count", at: 0xfff, input: private2M, code: .success),
        Row(testDescription: "2: unassigned and immutable", at: 0, input: .init(immutable: true), code: .failInput),
        Row(testDescription: "2: unassigned with an ASID", at: 0, input: .init(asid: 1), code: .failInput),
        Row(
            testDescription: "an ASID that no entry holds",
            at: 0,
            input: .init(assigned: true, asid: 1024),
            code: .failInput
        ),
        Row(testDescription: "the largest ASID", at: 0, input: .init(assigned: true, asid: 1023), code: .success),
        Row(testDescription: "3: beyond the RMP", at: 64 << 30, input: privatePage, code: .failInput),
        Row(testDescription: "3: the last address of all", at: .max, input: privatePage, code: .failInput),
        Row(
            testDescription: "4: immutable",
            before: [(0, .init(assigned: true, immutable: true))],
            at: 0,
            input: .init(),
            code: .failPermission
        ),
        Row(
            testDescription: "2 comes before 4",
            before: [(0, .init(assigned: true, immutable: true))],
            at: 0,
            input: .init(asid: 1),
            code: .failInput
        ),
        Row(
            testDescription: "1 comes before 4",
            before: [(0x1000, .init(assigned: true, immutable: true))],
            at: 0x1000,
            input: private2M,
            code: .failInput
        ),
        Row(
            testDescription: "1 comes before 6",
            before: [(0x7000, privatePage)],
            at: 0x1000,
            input: private2M,
            code: .failInput
        ),
        Row(
            testDescription: "2 comes before 5",
            before: [(0, private2M)],
            at: 0x7000,
            input: .init(immutable: true),
            code: .failInput
        ),
        Row(
            testDescription: "2 comes before 6",
            before: [(0x7000, privatePage)],
            at: 0,
            input: .init(pageSize: .size2M, asid: 1),
            code: .failInput
        ),
        Row(
            testDescription: "4 comes before 5",
            before: [(0, .init(assigned: true, pageSize: .size2M, immutable: true))],
            at: 0,
            input: privatePage,
            code: .failPermission
        ),
        Row(
            testDescription: "4 comes before 6",
            before: [(0, .init(assigned: true, immutable: true))],
            at: 0,
            input: private2M,
            code: .failPermission
        ),
        Row(
            testDescription: "5: 4 KB over the first page of 2 MB",
            before: [(0, private2M)],
            at: 0,
            input: .init(),
            code: .failOverlap
        ),
        Row(
            testDescription: "5: 4 KB inside 2 MB",
            before: [(0, private2M)],
            at: 0x7000,
            input: .init(),
            code: .failOverlap
        ),
        Row(
            testDescription: "6: 2 MB over an assigned page",
            before: [(0x7000, privatePage)],
            at: 0,
            input: private2M,
            code: .failOverlap
        ),
        Row(
            testDescription: "6: the same to unassign",
            before: [(0x7000, privatePage)],
            at: 0,
            input: shared2M,
            code: .failOverlap
        ),
        Row(
            testDescription: "2 MB back in one update",
            before: [(0, private2M)],
            at: 0,
            input: shared2M,
            code: .success
        ),
        Row(testDescription: "2 MB over 2 MB", before: [(0, private2M)], at: 0, input: private2M, code: .success),
        Row(
            testDescription: "an assigned page again",
            before: [(0x7000, privatePage)],
            at: 0x7000,
            input: .init(assigned: true, asid: 9),
            code: .success
        ),
    ]

    @Test(arguments: rows) func order(_ row: Row) throws {
        var machine = try machine()
        // Addresses below 1 GB are relative to a free region.
        let base = row.at < 1 << 30 ? freeSPA.rawValue : 0
        for (at, input) in row.before { #expect(machine.code(.rmpupdate(SPA(base + at), input)) == .success) }
        let entry = machine.rmpEntry(SPA(base &+ row.at).pfn)
        #expect(machine.code(.rmpupdate(SPA(base &+ row.at), row.input)) == row.code)
        if row.code != .success { #expect(machine.rmpEntry(SPA(base &+ row.at).pfn) == entry) }
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func whatIsWritten() throws {
        var machine = try machine()
        #expect(machine.code(.rmpupdate(freeSPA, Self.privatePage)) == .success)
        #expect(machine.rmpEntry(freeSPA.pfn) == RMPEntry(assigned: true, gpa: GPA(0x5000), asid: 3))
        #expect(machine.code(.rmpupdate(freeSPA, .init())) == .success)
        #expect(machine.rmpEntry(freeSPA.pfn) == RMPEntry())
        #expect(machine.code(.rmpupdate(freeSPA, Self.private2M)) == .success)
        let entry = RMPEntry(assigned: true, pageSize: .size2M, gpa: GPA(0x40_0000), asid: 3)
        #expect(machine.rmpEntry(freeSPA.pfn) == entry)
        #expect(machine.rmpEntry(PFN(freeSPA.pfn.rawValue + 511)) == RMPEntry(assigned: true))
        #expect(machine.assignedPages(ofRegion: freeRegion) == 512)
        #expect(machine.code(.rmpupdate(freeSPA, .init(gpa: GPA(0x9000), pageSize: .size2M))) == .success)
        #expect(machine.rmpEntry(freeSPA.pfn) == RMPEntry(gpa: GPA(0x9000)))
        #expect(machine.rmpEntry(PFN(freeSPA.pfn.rawValue + 1)) == RMPEntry())
        #expect(machine.assignedPages(ofRegion: freeRegion) == 0)
    }

    @Test func hvFixedPagesAreNeverAssigned() throws {
        var machine = try machine()
        #expect(machine.rmpEntry(PFN(0)) == RMPEntry(immutable: true))
        #expect(machine.rmpEntry(PFN(0x9f)) == RMPEntry())
        #expect(machine.rmpEntry(PFN(0xa0)) == RMPEntry(immutable: true))
        #expect(machine.rmpEntry(PFN(0xff)) == RMPEntry(immutable: true))
        #expect(machine.rmpEntry(PFN(0x100)) == RMPEntry())
        #expect(machine.code(.rmpupdate(SPA(0), Self.privatePage)) == .failPermission)
        #expect(machine.code(.rmpupdate(SPA(0xa_0000), Self.privatePage)) == .failPermission)
        #expect(machine.code(.rmpupdate(SPA(0x9_f000), Self.privatePage)) == .success)
    }

    @Test func immutableInsideTwoMegabytes() {
        var rmp = RMP(regionCount: 1)
        rmp.setEntry(chunk: 3, index: 5, .hypervisorFixed)
        #expect(rmp.update(3 << 21, Self.private2M) == .failPermission)
        rmp.setEntry(chunk: 3, index: 6, RMPEntry(assigned: true).word)
        #expect(rmp.update(3 << 21, Self.private2M) == .failOverlap)
    }

    @Test func lockedEntriesAreInUse() {
        var rmp = RMP(regionCount: 1)
        rmp.setEntry(chunk: 3, index: 5, RMPEntry(assigned: true, locked: true).word)
        #expect(rmp.update(3 << 21 + 5 << 12, .init()) == .failInUse)
        rmp.setEntry(chunk: 3, index: 5, .firmware)
        #expect(rmp.update(3 << 21 + 5 << 12, .init()) == .failPermission)
    }

    /// A locked page inside the 2 MB is checked for last.
    @Test func lockedInsideTwoMegabytes() {
        var rmp = RMP(regionCount: 1)
        rmp.setEntry(chunk: 3, index: 5, RMPEntry(locked: true).word)
        #expect(rmp.update(3 << 21, Self.private2M) == .failInUse)
        rmp.setEntry(chunk: 3, index: 6, .hypervisorFixed)
        #expect(rmp.update(3 << 21, Self.private2M) == .failPermission)
        rmp.setEntry(chunk: 3, index: 7, RMPEntry(assigned: true).word)
        #expect(rmp.update(3 << 21, Self.private2M) == .failOverlap)
        rmp.setChunk(4, RMPEntry(locked: true).word)
        #expect(rmp.update(4 << 21, Self.private2M) == .failInUse)
    }

    @Test func vmsaAndValidatedAreCleared() {
        var rmp = RMP(regionCount: 1)
        rmp.setEntry(chunk: 0, index: 1, RMPEntry(assigned: true, asid: 4, vmsa: true, validated: true).word)
        #expect(rmp.update(0x1000, .init(assigned: true, asid: 4)) == .success)
        #expect(rmp.entry(chunk: 0, index: 1) == RMPEntry(assigned: true, asid: 4).word)
    }

    /// Locked (FAIL_INUSE) is checked after immutable and before overlaps: a choice of the model.
    @Test func lockedBeforeOverlap() {
        var rmp = RMP(regionCount: 1)
        rmp.setChunk(4, RMPEntry(assigned: true, pageSize: .size2M, locked: true).word)
        #expect(rmp.update(4 << 21, Self.privatePage) == .failInUse)
        rmp.setEntry(chunk: 3, index: 0, RMPEntry(locked: true).word)
        rmp.setEntry(chunk: 3, index: 6, RMPEntry(assigned: true).word)
        #expect(rmp.update(3 << 21, Self.private2M) == .failInUse)
        rmp.setEntry(chunk: 3, index: 0, RMPEntry(immutable: true, locked: true).word)
        #expect(rmp.update(3 << 21, Self.private2M) == .failPermission)
    }
}
