// SPDX-License-Identifier: Apache-2.0
// Repeated requests for a pass: threads lose some and workqueues merge them, differently in each version.

import Testing

@testable import RMPModel

private let second: UInt64 = 1_000_000_000

@Suite struct BatchingTests {
    private func host(_ series: Series, guests: Int = 0) throws -> (Machine, [GuestID]) {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30, series: series))
        var made: [GuestID] = []
        for number in 0..<guests {
            let guest = try machine.makeGuest("vm\(number)", bytes: 64 << 20)
            try machine.perform(.startGuest(guest), at: machine.now)
            made.append(guest)
        }
        return (machine, made)
    }

    private func guestEndPasses(_ machine: Machine) -> [PassRecord] {
        machine.passes.filter { $0.trigger == .guestEnd }
    }

    /// queue_delayed_work() does nothing while pending.
    @Test(arguments: [Series.v3, .v4, .v5, .v6, .v7]) func firstRequestCounts(_ series: Series) throws {
        var (machine, guests) = try host(series, guests: 2)
        let start = machine.now
        try machine.perform(.stopGuest(guests[0]), at: start)
        try machine.perform(.stopGuest(guests[1]), at: start + 9_900_000_000)
        #expect(machine.pendingPass?.due == start + 10 * second && machine.pendingPass?.absorbed == 1)
        machine.runToIdle()
        #expect(guestEndPasses(machine).map(\.start) == [start + 10 * second])
    }

    /// mod_delayed_work() postpones the pass each time, without limit.
    @Test(arguments: [Series.v8, .v9, .v10]) func lastRequestCounts(_ series: Series) throws {
        var (machine, guests) = try host(series, guests: 5)
        let start = machine.now
        for (number, guest) in guests.enumerated() {
            try machine.perform(.stopGuest(guest), at: start + UInt64(number) * 9 * second)
            #expect(machine.pendingPass?.due == machine.now + 10 * second)
        }
        machine.advance(to: start + 45 * second)
        #expect(guestEndPasses(machine) == [])
        machine.runToIdle()
        #expect(guestEndPasses(machine).map(\.start) == [start + 46 * second])
    }

    /// A request made during a pass queues another, with either kind of batching.
    @Test(arguments: [Series.v3, .v8]) func aRequestDuringAPassIsNotLost(_ series: Series) throws {
        var (machine, _) = try host(series)
        let before = machine.passCount
        try machine.perform(.reoptimize, at: machine.now)
        machine.advance(to: machine.now + 1000)
        #expect(machine.passIsRunning)
        try machine.perform(.reoptimize, at: machine.now)
        machine.advance(to: machine.now + 1)
        #expect(machine.pendingPass?.isQueued == true && machine.passCount == before + 1)
        machine.runToIdle()
        #expect(machine.passCount == before + 2)
        let last = machine.passes.suffix(2)
        // One at a time: the workqueue has max_active 1.
        #expect(last.first?.end == last.last?.start)
    }

    /// Waking a thread that is awake does nothing (v1 and v2).
    @Test(arguments: [Series.v1, .v2]) func wakeUpsDuringAPassAreLost(_ series: Series) throws {
        var (machine, _) = try host(series)
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        let before = machine.passCount
        try machine.perform(.reoptimize, at: machine.now)
        machine.advance(to: machine.now + 1000)
        let lost = machine.requests(.lost)
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.passCount == before + 1 && machine.requests(.lost) == lost + 1)
    }

    /// v2 requests a pass for each guest_memfd inode that is freed. A guest has two: the first starts a pass, and the
    /// wake-up for the second is lost to it.
    @Test func inodesOfAGuest() throws {
        var (machine, guests) = try host(.v2, guests: 1)
        let (passes, lost) = (machine.passCount, machine.requests(.lost))
        machine.recordEvents(limit: 1 << 16)
        try machine.perform(.stopGuest(guests[0]), at: machine.now)
        machine.runToIdle()
        let events = machine.takeEvents().events
        let freed = events.filter { $0.event == .inodeFreed(guests[0]) }.map(\.time)
        #expect(freed.count == 2 && freed[0] < freed[1])
        let asked = events.compactMap { timed -> UInt64? in
            if case .passRequested(.guestEnd, _) = timed.event { timed.time } else { nil }
        }
        #expect(asked == freed)
        #expect(guestEndPasses(machine).map(\.start) == [freed[0]])
        #expect(machine.passCount == passes + 1 && machine.requests(.lost) == lost + 1)
    }

    @Test func v1HasNoPassAtAGuestsEnd() throws {
        var (machine, guests) = try host(.v1, guests: 1)
        let before = machine.passCount
        try machine.perform(.stopGuest(guests[0]), at: machine.now)
        machine.runToIdle()
        #expect(machine.passCount == before && machine.requests(.lost) == 0)
    }
}
