// SPDX-License-Identifier: Apache-2.0
// What the kernel logs about pages that it cannot take back: the exact lines, their level and order, and the list of
// leaked pages afterwards.

import Testing

@testable import RMPModel

@Suite struct EntryDumpTests {
    private static let first = freeSPA.pfn.rawValue
    private static let stack = ["warning Call Trace:", "warning  <TASK>", "warning  </TASK>"]

    /// The log's lines from number `start` on, each with its level.
    private func lines(_ machine: Machine, from start: Int) -> [String] {
        machine.logLines.dropFirst(start).map { "\($0.level) \($0.text)" }
    }

    @Test func leakedPagesAreDumped() throws {
        var machine = try machine()
        let start = machine.logLines.count
        try machine.perform(.leak(Self.first..<(Self.first + 2)), at: machine.now)
        #expect(
            lines(machine, from: start) == [
                "warning SEV-SNP: Leaking PFN range 0x280000-0x280002",
                // The page is assigned, and so is one other of its 2 MB.
                "info SEV-SNP: PFN 0x280000, RMP entry: [0x0000000000000009 - 0x0000000000000000]",
                "info SEV-SNP: PFN 0x280001, RMP entry: [0x0000000000000001 - 0x0000000000000000]",
            ]
        )
    }

    /// More pages than the log has room for: it must end up as if every line had been written.
    @Test(arguments: [1_279, 1_280, 1_535, 1_536, 1_537, 5_000]) func manyLeaks(_ count: Int) throws {
        var machine = try machine()
        var ring = machine.platform.events.log
        let pages = Self.first + 512..<Self.first + 512 + UInt64(count)
        try machine.perform(.leak(pages), at: machine.now)
        func write(_ text: String) { ring.note(.line(.info, text), at: machine.now) }
        write("SEV-SNP: Leaking PFN range 0x280200-0x\(String(pages.upperBound, radix: 16))")
        for page in pages {
            guard let raw = machine.rawRMP(PFN(page)) else { continue }
            let low = String(raw.low, radix: 16)
            let zeros = String(repeating: "0", count: 16 - low.count)
            let number = String(page, radix: 16)
            write("SEV-SNP: PFN 0x\(number), RMP entry: [0x\(zeros)\(low) - 0x0000000000000000]")
        }
        #expect(machine.logLines.map(\.text) == ring.lines.map(\.text))
    }

    /// For a page that is assigned, one line; for one that is not, the non-zero entries of its 2 MB.
    @Test func updatesThatFail() throws {
        var machine = try machine()
        let locked = SPA(freeSPA.rawValue + 0x3000)
        #expect(machine.code(.rmpupdate(locked, .init(gpa: GPA(0x5000), assigned: true, asid: 3))) == .success)
        try machine.perform(.lock(locked, true), at: machine.now)
        var start = machine.logLines.count
        #expect(machine.code(.rmpupdate(locked, .init())) == .failInUse)
        #expect(
            lines(machine, from: start) == [
                "error SEV-SNP: RMPUPDATE failed for PFN 280003, pg_level: 1, ret: 3",
                "info SEV-SNP: PFN 0x280003, RMP entry: [0x8018000000005001 - 0x000000000000001f]",
            ] + Self.stack
        )
        // A page that is not assigned, refused for its ASID.
        start = machine.logLines.count
        let wrong = SPA(freeSPA.rawValue + 0x1000)
        #expect(machine.code(.rmpupdate(wrong, .init(assigned: true, asid: 0x400))) == .failInput)
        #expect(
            lines(machine, from: start) == [
                "error SEV-SNP: RMPUPDATE failed for PFN 280001, pg_level: 1, ret: 1",
                "info SEV-SNP: PFN 0x280001 unassigned, dumping non-zero entries in 2M PFN region: "
                    + "[0x280000 - 0x280200]",
                // The 2 MB-aligned page's entry counts the assigned pages.
                "info SEV-SNP: PFN: 0x280000, [0x0000000000000008 - 0x0000000000000000]",
                "info SEV-SNP: PFN: 0x280003, [0x8018000000005001 - 0x000000000000001f]",
            ] + Self.stack
        )
        // The kernel retries an update that overlaps for ever, and logs nothing.
        start = machine.logLines.count
        let whole = RMPUpdateInput(assigned: true, pageSize: .size2M, asid: 3)
        #expect(machine.code(.rmpupdate(freeSPA, whole)) == .failOverlap && machine.logLines.count == start)
    }

    /// For a page without an entry, RMPREAD returns FAIL_INPUT, and a kernel without RMPREAD gets EFAULT. Past the end
    /// of memory, the kernel does not even try.
    @Test(arguments: [true, false]) func pagesWithoutEntries(_ hasRMPREAD: Bool) throws {
        var configuration = try MachineConfiguration(cpus: 2, memoryBytes: 16 << 30)
        configuration.processor.rmpread = hasRMPREAD
        configuration.rmp = try .segmented(
            base: 0x870_0000,
            shift: 33,
            entries: [
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 6), RSTEntry(index: 1, base: 0xc00_0000, gigabytes: 8),
            ]
        )
        var machine = Machine(configuration)
        #expect(machine.isSNPEnabled)
        let start = machine.logLines.count
        #expect(machine.code(.rmpupdate(SPA(7 << 30), .init())) == .failInput)
        #expect(
            lines(machine, from: start) == [
                "error SEV-SNP: RMPUPDATE failed for PFN 1c0000, pg_level: 1, ret: 1",
                "error SEV-SNP: Failed to read RMP entry for PFN 0x1c0000, error \(hasRMPREAD ? 1 : -14)",
            ] + Self.stack
        )
        #expect(machine.code(.rmpupdate(SPA(16 << 30), .init())) == .failInput)
        #expect(machine.logLines.count == start + 5)
    }

    // MARK: Guests

    private let place = (UInt64(10) << 30)..<(UInt64(11) << 30)
    private let immutable = RMPUpdateInput(assigned: true, immutable: true)

    /// A running guest of 32 MB: 4 KB entries for the 16 MB of its initial image, then 2 MB entries.
    private func guest(_ machine: inout Machine) throws -> GuestID {
        let id = try machine.makeGuest("vm", bytes: 32 << 20, placement: .ranges([place]))
        try machine.perform(.startGuest(id), at: machine.now)
        return id
    }

    /// Guest memory that cannot be taken back: RMPUPDATE's lines for each page, KVM's warning once, and no leak.
    @Test func guestMemoryThatRefusesIsNoLeak() throws {
        var machine = try machine()
        let id = try guest(&machine)
        var whole = immutable
        whole.pageSize = .size2M
        let chunk = SPA(10 << 30 + 18 << 20)
        #expect(machine.code(.rmpupdate(chunk, whole)) == .success)
        for page in [2, 3] as [UInt64] {
            #expect(machine.code(.rmpupdate(SPA((Self.first + page) << 12), immutable)) == .success)
        }
        let start = machine.logLines.count
        try machine.perform(.stopGuest(id), at: machine.now)
        machine.runToIdle()
        let told = lines(machine, from: start).filter { !$0.contains("physical address range") }
        func refused(_ number: String, _ level: Int, _ low: String) -> [String] {
            [
                "error SEV-SNP: RMPUPDATE failed for PFN \(number), pg_level: \(level), ret: 2",
                "info SEV-SNP: PFN 0x\(number), RMP entry: [0x\(low) - 0x0000000000000000]",
            ] + Self.stack
        }
        #expect(
            told == refused("280002", 1, "0000000000000005")
                + ["warning SEV: Failed to update RMP entry for PFN 0x280002 error -14"]
                + refused("280003", 1, "0000000000000005") + refused("281200", 2, "0000000000000007")
        )
        #expect(machine.leaked == [] && machine.assignedPages(ofRegion: 10) == 514)
        #expect(machine.guest(id)?.state == .stopped && InvariantChecker.violations(in: machine) == [])
        // A kernel warns once; one booted by kexec warns again.
        func warnings() -> Int { machine.logLines.count { $0.text.hasPrefix("SEV: Failed to update") } }
        #expect(warnings() == 1)
        for _ in 0..<2 {
            let next = try guestThatRefuses(&machine)
            try machine.perform(.removeGuest(next), at: machine.now)
            machine.runToIdle()
        }
        #expect(warnings() == 1)
        try machine.perform(.kexec(), at: machine.now)
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        let next = try guestThatRefuses(&machine)
        try machine.perform(.removeGuest(next), at: machine.now)
        machine.runToIdle()
        #expect(warnings() == 1)
    }

    private func guestThatRefuses(_ machine: inout Machine) throws -> GuestID {
        let id = try machine.makeGuest("next", bytes: 4 << 20, placement: .aligned)
        try machine.perform(.startGuest(id), at: machine.now)
        let spa = try #require(machine.spa(ofGuest: id, gpa: GPA(0x1000)))
        #expect(machine.code(.rmpupdate(spa, immutable)) == .success)
        return id
    }

    /// Control pages that cannot be taken back, here VMSA pages, are leaked one by one, each with its lines.
    @Test func controlPagesThatRefuseAreLeaks() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.perform(.setGuestVCPUs(id, 2), at: machine.now)
        try machine.perform(.startGuest(id), at: machine.now)
        let pages = machine.vmsaPages(ofGuest: id).map(\.rawValue)
        for page in pages { try machine.perform(.lock(SPA(page << 12), true), at: machine.now) }
        let start = machine.logLines.count
        try machine.perform(.stopGuest(id), at: machine.now)
        let told = lines(machine, from: start).filter { $0.contains("PFN") }
        #expect(pages.count == 2 && pages[1] == pages[0] + 1)
        let expected = pages.flatMap { page in
            let number = String(page, radix: 16)
            return [
                "error SEV-SNP: RMPUPDATE failed for PFN \(number), pg_level: 1, ret: 3",
                "info SEV-SNP: PFN 0x\(number), RMP entry: [0xe",
                "warning SEV-SNP: Leaking PFN range 0x\(number)-0x\(String(page + 1, radix: 16))",
                "info SEV-SNP: PFN 0x\(number), RMP entry: [0xe",
            ]
        }
        #expect(told.count == expected.count && zip(told, expected).allSatisfy { $0.hasPrefix($1) }, "\(told)")
        #expect(machine.leaked.map(\.raw) == [pages[0]..<(pages[0] + 2)])
    }

    /// A private fault logs which page it could not make private; for a page of the image, only RMPUPDATE's lines
    /// appear.
    @Test func pagesThatCannotBecomePrivate() throws {
        var machine = try machine()
        let id = try guest(&machine)
        let gpa = UInt64(16 << 20)..<UInt64(16 << 20 + 4096)
        try machine.perform(.convert(id, gpa: gpa, toPrivate: false), at: machine.now)
        let spa = try #require(machine.spa(ofGuest: id, gpa: GPA(gpa.lowerBound)))
        machine.platform.rmp.setEntry(chunk: Int(spa.rawValue >> 21), index: 0, .hypervisorFixed)
        let start = machine.logLines.count
        #expect(machine.refusal(.convert(id, gpa: gpa, toPrivate: true)) == .rmp(.failPermission))
        let number = String(spa.pfn.rawValue, radix: 16)
        let told = lines(machine, from: start)
        #expect(told.first == "error SEV-SNP: RMPUPDATE failed for PFN \(number), pg_level: 1, ret: 2")
        #expect(
            told.last == "error kvm_amd: SEV: Failed to update RMP entry: GFN 1000 PFN \(number) level 1 error -14"
        )
    }
}
