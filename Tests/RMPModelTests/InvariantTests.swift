// SPDX-License-Identifier: Apache-2.0
// The invariant checker itself must find each kind of damage.

import Testing

@testable import RMPModel

@Suite struct InvariantTests {
    /// A machine with a running guest and no violations.
    private static func sound() throws -> (Machine, GuestID) {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 4 << 30)
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(InvariantChecker.violations(in: machine) == [])
        return (machine, id)
    }

    @Test func anOptimizedRegionWithAnAssignedPage() throws {
        var (machine, _) = try Self.sound()
        machine.platform.rmpopt.set(region: 1, core: 0)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("optimized and holds") })
    }

    @Test func aPageAssignedBehindTheTables() throws {
        var (machine, _) = try Self.sound()
        #expect(machine.platform.rmp.update(freeSPA.rawValue, .init(assigned: true)) == .success)
        #expect(!InvariantChecker.violations(in: machine).isEmpty)
    }

    @Test func anOwnerMiscounted() throws {
        let (sound, _) = try Self.sound()
        // Firmware's instead of nobody's, another guest's instead of the guest's: the sum of the region is right.
        for (from, to) in [(EntryWord.hypervisor, EntryWord.firmware), (entry(asid: 1), entry(asid: 2))] {
            var machine = sound
            machine.platform.rmp.owners.change(2, from: from, to: to)
            #expect(InvariantChecker.violations(in: machine).contains { $0.contains("region 2: owners") })
        }
        var machine = sound
        machine.platform.rmp.owners.changeLarge(from: .hypervisor, to: EntryWord(bits: entry(asid: 1).bits | 2))
        #expect(InvariantChecker.violations(in: machine).contains { $0.hasPrefix("guest 1: GuestEntries") })
    }

    private func entry(asid: UInt16) -> EntryWord { RMPEntry(assigned: true, asid: asid).word }

    @Test func aBitOutsideTheWindow() throws {
        var machine = try machine(cpus: 2, gigabytes: 2050)
        machine.platform.rmpopt.set(region: 2049, core: 0)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("inside a window") })
    }

    /// RMPOPT answers CF 0 for a region unless each of its pages has an RMP entry.
    @Test func aBitOfARegionThatTheRMPDoesNotCover() throws {
        var configuration = try MachineConfiguration(cpus: 2, memoryBytes: 4 << 30)
        configuration.rmp = RMPLayout(regionCount: 3)
        var machine = Machine(configuration)
        machine.platform.rmpopt.set(region: 3, core: 0)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("is optimized, not covered") })
    }

    @Test func aChunkGivenBackWhileHeld() throws {
        var (machine, _) = try Self.sound()
        machine.guests.allocator.release(5)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("chunks in use") })
    }

    @Test func anASIDGivenBackWhileUsed() throws {
        var (machine, _) = try Self.sound()
        machine.guests.asids.release(1)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("ASID 1 is in use and free") })
    }

    @Test func aStateWithoutItsWork() throws {
        var (machine, id) = try Self.sound()
        machine.guests[id]?.state = .ending
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("pieces of work") })
    }

    @Test func aChunkHeldTwice() throws {
        var (machine, id) = try Self.sound()
        machine.guests[id]?.chunks.append(ChunkRun(first: 5, count: 1))
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("held twice") })
    }

    @Test func aContextPageInAnotherState() throws {
        var (machine, id) = try Self.sound()
        let page = try #require(machine.guests[id]?.contextPage)
        machine.platform.rmp.setEntry(chunk: Int(page.rawValue >> 9), index: Int(page.rawValue & 511), .firmware)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("context page") })
    }

    @Test func aControlPageGivenBackWhileUsed() throws {
        var (machine, id) = try Self.sound()
        let page = try #require(machine.vmsaPages(ofGuest: id).first)
        machine.guests.controls.release(page, to: &machine.guests.allocator)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("is in use and free") })
    }

    @Test func aControlPageOfNobody() throws {
        var (machine, id) = try Self.sound()
        machine.guests[id]?.vmsaPages = []
        let violations = InvariantChecker.violations(in: machine)
        #expect(violations.contains { $0.contains("control pages taken") })
        #expect(violations.contains { $0.contains("2 control pages") })
    }

    @Test func anAlignedVMSAPage() throws {
        var (machine, id) = try Self.sound()
        machine.guests[id]?.vmsaPages = [PFN(5 * 512)]
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("is 2 MB-aligned") })
    }

    @Test func aResponsePageInAnotherState() throws {
        var (machine, id) = try Self.sound()
        let page = try #require(machine.guests[id]?.responsePage)
        machine.platform.rmp.setEntry(chunk: Int(page.rawValue >> 9), index: Int(page.rawValue & 511), .hypervisor)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("response page") })
    }

    @Test func aLeakInAGuestsChunk() throws {
        var (machine, id) = try Self.sound()
        let spa = try #require(machine.spa(ofGuest: id, gpa: GPA(0)))
        machine.guests.leaked.add(spa.pfn.rawValue..<(spa.pfn.rawValue + 1))
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("held twice") })
    }

    @Test func memoryThatDoesNotFitTheGuest() throws {
        let (sound, id) = try Self.sound()
        var machine = sound
        machine.guests[id]?.backing = .size1G
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("no whole folios") })
        machine = sound
        machine.guests[id]?.node = 1
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("outside of node 1") })
        machine = sound
        machine.guests[id]?.memoryBytes = 1 << 30
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("chunks while running") })
        machine = sound
        machine.guests[id]?.teardown.done = 1
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("a teardown while running") })
    }
}
