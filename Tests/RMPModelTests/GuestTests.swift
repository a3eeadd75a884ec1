// SPDX-License-Identifier: Apache-2.0
// A guest's life, what it costs in regions, and each refusal.

import Testing

@testable import RMPModel

@Suite struct GuestTests {
    @Test(arguments: Backing.allCases) func life(_ backing: Backing) throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm0", bytes: 8 << 30, backing: backing)
        let before = machine.optimizedRegions
        #expect(machine.guest(id)?.state == .stopped && machine.guest(id)?.asid == nil)
        try machine.perform(.startGuest(id), at: machine.now)
        let info = try #require(machine.guest(id))
        #expect(info.state == .running && info.asid == 1 && info.memoryBytes == 8 << 30 && info.backing == backing)
        let regions = machine.regions(ofGuest: id)
        // With 1 GB folios, memory skips region 4, where firmware's pages are, and the control pages are in region 0.
        #expect(regions == (backing == .size1G ? [0, 1, 2, 3, 5, 6, 7, 8, 9] : Array(0...8)))
        #expect(machine.optimizedRegions == before.filter { !regions.contains($0) })
        let pages = (0..<64).reduce(0) { $0 + machine.assignedPages(ofRegion: $1) }
        #expect(pages == 2_097_152 + 3 + 5 + 64 * 1024 + 514)
        #expect(machine.blockers(ofRegion: 2) == [Blocker(owner: .guest(asid: 1, id), pages: 262_144)])
        #expect(Set(machine.blockers(ofRegion: 0).map(\.owner)) == [.guest(asid: 1, id), .rmpTable, .firmware])
        #expect(machine.passIsRunning == false && InvariantChecker.violations(in: machine) == [])

        try machine.perform(.stopGuest(id), at: machine.now)
        #expect(machine.guest(id)?.state == .ending && machine.guest(id)?.asid == 1)
        let costs = machine.configuration.costs
        // The initial image has 4 KB entries, whatever the backing.
        let chunkCost = 512 * costs.share4K
        let due = try #require(machine.nextDue)
        #expect(due == machine.now + chunkCost)
        let end = machine.now + 8 * chunkCost + 4088 * (backing == .size4K ? chunkCost : costs.share2M)
        machine.advance(to: end - 1)
        #expect(machine.guest(id)?.state == .ending && InvariantChecker.violations(in: machine) == [])
        machine.advance(to: end)
        #expect(machine.guest(id)?.state == .stopped && machine.guest(id)?.asid == nil && machine.nextDue == nil)
        #expect(machine.optimizedRegions == before.filter { !regions.contains($0) })
        #expect((0..<64).filter { machine.assignedPages(ofRegion: $0) > 0 } == [0, 4])
        try machine.perform(.reoptimize, at: machine.now)
        machine.runToIdle()
        #expect(machine.optimizedRegions == before)
        #expect(InvariantChecker.violations(in: machine) == [])
        // The second time is like the first.
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(machine.regions(ofGuest: id) == regions)
        try machine.perform(.stopGuest(id), at: machine.now)
        #expect(machine.nextDue == machine.now + chunkCost)
        machine.runToIdle()
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// With two teardowns and a pass at once, the machine ends up the same whether time moves in one step or in many.
    @Test func stepsOfTimeDoNotMatter() throws {
        var machine = try machine()
        let guests = try ["a", "b"].map { try machine.makeGuest($0, bytes: 3 << 30) }
        for id in guests { try machine.perform(.startGuest(id), at: machine.now) }
        for id in guests { try machine.perform(.stopGuest(id), at: machine.now + 50) }
        try machine.perform(.reoptimize, at: machine.now)
        var stepped = machine
        let end = machine.now + 20_000_000
        machine.advance(to: end)
        while stepped.now < end { stepped.advance(to: min(end, stepped.now + 7_777)) }
        #expect(machine.optimizedRegions == stepped.optimizedRegions)
        #expect(machine.passes == stepped.passes && machine.nextDue == stepped.nextDue)
        #expect(
            (0..<machine.regionCount).allSatisfy {
                machine.assignedPages(ofRegion: $0) == stepped.assignedPages(ofRegion: $0)
            }
        )
        #expect(guests.allSatisfy { machine.guest($0) == stepped.guest($0) })
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func memoryThatIsNoWholeChunk() throws {
        var machine = try machine()
        let id = try machine.makeGuest("odd", bytes: 10 << 21 + 3 << 12)
        try machine.perform(.startGuest(id), at: machine.now)
        // Chunk 0 is HV-fixed in part, chunk 1 holds the context page, chunks 2 to 9 the initial image.
        let first = machine.rmpEntry(PFN(2 * 512))
        #expect(first == RMPEntry(assigned: true, gpa: GPA(0), asid: 1, validated: true))
        let second = machine.rmpEntry(PFN(11 * 512))
        #expect(second == RMPEntry(assigned: true, pageSize: .size2M, gpa: GPA(9 << 21), asid: 1))
        let last = RMPEntry(assigned: true, gpa: GPA(10 << 21 + 2 << 12), asid: 1)
        #expect(machine.rmpEntry(PFN(12 * 512 + 2)) == last)
        #expect(machine.rmpEntry(PFN(12 * 512 + 3)) == RMPEntry())
        #expect(machine.rmpEntry(PFN(512)) == RMPEntry(assigned: true, immutable: true, vmsa: true))
        try machine.perform(.stopGuest(id), at: machine.now)
        #expect(machine.rmpEntry(PFN(512)) == RMPEntry())
        let start = machine.now
        machine.runToIdle()
        let costs = machine.configuration.costs
        #expect(machine.now == start + 2 * costs.share2M + (8 * 512 + 3) * costs.share4K)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func refusals() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 0)
        #expect(machine.refusal(.createGuest(name: "vm")) == .exists("vm"))
        for name in [[], [UInt8](repeating: 65, count: 256), [65, 0], [47]] {
            #expect(machine.refusal(.createGuest(name: GuestName(bytes: name))) == .invalid(.name))
        }
        #expect(machine.refusal(.startGuest(id)) == .invalid(.noMemorySet))
        #expect(machine.refusal(.setGuestMemory(id, bytes: 4097)) == .invalid(.memoryGranularity(4097)))
        let tooMuch = 64 << 30 + 4096 as UInt64
        #expect(
            machine.refusal(.setGuestMemory(id, bytes: tooMuch)) == .noMemory(requested: tooMuch, available: 64 << 30)
        )
        #expect(machine.refusal(.setGuestMemory(id, bytes: 64 << 30)) == nil)
        guard case .noMemory(64 << 30, let available) = machine.refusal(.startGuest(id)) else {
            Issue.record("64 GB cannot all be free")
            return
        }
        // Not free: 1 HV-fixed chunk, 1 with the head, 128 of table, 1 TMR, 1 with command buffers, 1 for the context.
        #expect(available == 64 << 30 - 133 << 21)
        #expect(machine.guest(id)?.state == .stopped && InvariantChecker.violations(in: machine) == [])
        #expect(machine.refusal(.setGuestMemory(id, bytes: available)) == nil)
        #expect(machine.refusal(.startGuest(id)) == nil)
        #expect(machine.optimizedRegions == [])
        #expect(machine.refusal(.startGuest(id)) == nil)
        #expect(machine.refusal(.setGuestMemory(id, bytes: 4096)) == .busy(.guestRunning))
        #expect(machine.refusal(.setGuestBacking(id, .size4K)) == .busy(.guestRunning))
        let other = try machine.makeGuest("other", bytes: 4096)
        #expect(machine.refusal(.startGuest(other)) == .noMemory(requested: 4096, available: 0))
        #expect(machine.refusal(.stopGuest(id)) == nil)
        #expect(machine.refusal(.stopGuest(id)) == nil)
        #expect(machine.refusal(.startGuest(id)) == .busy(.guestEnding))
        #expect(machine.refusal(.setGuestMemory(id, bytes: 4096)) == .busy(.guestEnding))
        #expect(machine.refusal(.stopGuest(other)) == nil)
        let nobody = GuestID(99)
        for command: Command in [
            .startGuest(nobody), .stopGuest(nobody), .removeGuest(nobody), .setGuestMemory(nobody, bytes: 0),
            .setGuestBacking(nobody, .size4K), .setGuestPlacement(nobody, .packed),
            .setGuestNode(nobody, nil), .setGuestVCPUs(nobody, 1), .setGuestType(nobody, .ordinary),
            .convert(nobody, gpa: 0..<4096, toPrivate: true),
            .validate(nobody, gpa: 0..<4096, .size4K),
        ] { #expect(machine.refusal(command) == .noSuchGuest(nobody)) }
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func removalFreesTheNameAtOnce() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 1 << 30)
        try machine.perform(.startGuest(id), at: machine.now)
        try machine.perform(.removeGuest(id), at: machine.now)
        #expect(machine.guest(id) == nil && machine.guestIDs == [] && machine.guestID(named: "vm") == nil)
        #expect(throws: CommandError.noSuchGuest(id)) { try machine.perform(.removeGuest(id), at: machine.now) }
        let next = try machine.makeGuest("vm", bytes: 1 << 30)
        #expect(next != id && machine.guestID(named: "vm") == next)
        try machine.perform(.startGuest(next), at: machine.now)
        // The first guest's pages are still there, and so is its ASID.
        #expect(
            machine.guest(next)?.asid == 2 && machine.blockers(ofRegion: 0).contains { $0.owner == .guest(asid: 1, id) }
        )
        #expect(InvariantChecker.violations(in: machine) == [])
        machine.runToIdle()
        #expect(InvariantChecker.violations(in: machine) == [])
        #expect(machine.blockers(ofRegion: 0).allSatisfy { $0.owner != .guest(asid: 1, id) })
        try machine.perform(.removeGuest(next), at: machine.now)
        machine.runToIdle()
        #expect(machine.assignedPages(ofRegion: 1) == 0 && InvariantChecker.violations(in: machine) == [])
        let idle = try machine.makeGuest("idle", bytes: 4096)
        try machine.perform(.removeGuest(idle), at: machine.now)
        #expect(machine.guest(idle) == nil && machine.nextDue == nil)
    }

    @Test func allASIDs() throws {
        var machine = try machine(cpus: 2, gigabytes: 8)
        var ids: [GuestID] = []
        for number in 0..<1007 { ids.append(try machine.makeGuest("vm\(number)", bytes: 4096)) }
        for id in ids.dropLast() { try machine.perform(.startGuest(id), at: machine.now) }
        #expect(machine.guest(ids[1005])?.asid == 1006)
        #expect(throws: CommandError.noASID) { try machine.perform(.startGuest(ids[1006]), at: machine.now) }
        try machine.perform(.stopGuest(ids[4]), at: machine.now)
        machine.runToIdle()
        try machine.perform(.startGuest(ids[1006]), at: machine.now)
        #expect(machine.guest(ids[1006])?.asid == 5)
        #expect(InvariantChecker.violations(in: machine) == [])
        for id in ids { try machine.perform(.removeGuest(id), at: machine.now) }
        machine.runToIdle()
        #expect(machine.guestIDs.isEmpty && InvariantChecker.violations(in: machine) == [])
        #expect(machine.assignedPages(ofRegion: 1) == 0)
    }

    /// Pages changed by hand must break neither a launch nor a teardown.
    @Test func pagesChangedByHand() throws {
        var machine = try machine()
        #expect(machine.code(.rmpupdate(SPA(2 << 21 + 0x5000), .init(assigned: true))) == .success)
        let id = try machine.makeGuest("vm", bytes: 16 << 21)
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(machine.rmpEntry(PFN(2 * 512)) == RMPEntry())
        #expect(machine.rmpEntry(PFN(3 * 512))?.asid == 1)
        #expect(machine.code(.psmash(SPA(14 << 21))) == .success)
        #expect(machine.code(.rmpupdate(SPA(14 << 21 + 0x3000), .init(assigned: true, immutable: true))) == .success)
        #expect(machine.code(.rmpupdate(SPA(14 << 21 + 0x4000), .init())) == .success)
        #expect(machine.code(.psmash(SPA(15 << 21))) == .success)
        try machine.perform(.stopGuest(id), at: machine.now)
        machine.runToIdle()
        #expect(machine.guest(id)?.state == .stopped)
        #expect(machine.rmpEntry(PFN(14 * 512 + 3)) == RMPEntry(assigned: true, immutable: true))
        #expect(machine.leaked == [])
        #expect(machine.assignedPages(ofRegion: 0) == 5 + 65_536 + 2)
        #expect(machine.blockers(ofRegion: 0).contains(Blocker(owner: .leaked, pages: 1)))
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// The list of a large guest's chunks is handed over at its end, once; that of a small one is not kept.
    @Test func memoryOfALargeGuest() throws {
        var machine = try machine()
        for (bytes, isKept) in [(UInt64(1) << 30, false), (UInt64(32) << 30, true)] {
            let id = try machine.makeGuest("vm", bytes: bytes, placement: .scattered(seed: 1))
            try machine.perform(.startGuest(id), at: machine.now)
            try machine.perform(.removeGuest(id), at: machine.now)
            let before = machine.takeDiscardedMemory()
            #expect(before == nil)
            machine.runToIdle()
            let (first, second) = (machine.takeDiscardedMemory(), machine.takeDiscardedMemory())
            #expect((first != nil) == isKept && second == nil)
        }
    }

    @Test func blockersByHand() throws {
        var machine = try machine()
        #expect(machine.code(.rmpupdate(freeSPA, .init(assigned: true, asid: 77))) == .success)
        #expect(machine.blockers(ofRegion: freeRegion) == [Blocker(owner: .guest(asid: 77, nil), pages: 1)])
    }
}
