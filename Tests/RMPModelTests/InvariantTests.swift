// SPDX-License-Identifier: Apache-2.0
// The checker itself: each kind of damage must be found, or its silence elsewhere means nothing.

import Testing

@testable import RMPModel

@Suite struct InvariantTests {
    /// A machine with a running guest, soundness asserted.
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

    @Test func aBitOutsideTheWindow() throws {
        var machine = try machine(cpus: 2, gigabytes: 2050)
        machine.platform.rmpopt.set(region: 2049, core: 0)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("inside a window") })
    }

    @Test func aFrameGivenBackWhileHeld() throws {
        var (machine, _) = try Self.sound()
        machine.guests.allocator.release(5)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("frames in use") })
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

    @Test func aFrameHeldTwice() throws {
        var (machine, id) = try Self.sound()
        machine.guests[id]?.frames.append(FrameRun(first: 5, count: 1))
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("held twice") })
    }

    @Test func aContextPageInAnotherState() throws {
        var (machine, id) = try Self.sound()
        let page = try #require(machine.guests[id]?.contextPage)
        machine.platform.rmp.setEntry(frame: Int(page.rawValue >> 9), index: Int(page.rawValue & 511), .firmware)
        #expect(InvariantChecker.violations(in: machine).contains { $0.contains("context page") })
    }
}
