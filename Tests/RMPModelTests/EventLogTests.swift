// SPDX-License-Identifier: Apache-2.0
// The event log is complete from boot on, in order and bounded, and keeps the names of removed guests. The horizon
// never lies past the next event.

import Testing

@testable import RMPModel

@Suite struct EventLogTests {
    private static func events(_ machine: borrowing Machine, from start: UInt64 = 0) -> [LoggedEvent] {
        var events: [LoggedEvent] = []
        machine.eventLog.forEach(from: start) { event in
            events.append(event)
            return true
        }
        return events
    }

    private static func host(_ series: Series = .v1, gigabytes: UInt64 = 8) throws -> Machine {
        Machine(try MachineConfiguration(cpus: 4, memoryBytes: gigabytes << 30, series: series))
    }

    @Test func bootIsThere() throws {
        let machine = try Self.host()
        let events = Self.events(machine)
        #expect(events.first?.event == .kernelStarted && events.first?.time == 0)
        #expect(machine.eventLog.first == 0 && machine.eventLog.count == UInt64(events.count))
        let ended = events.compactMap { if case .passEnded(let record) = $0.event { record } else { nil } }
        #expect(ended == machine.passes)
        let lines = events.compactMap { if case .line(_, let text) = $0.event { text } else { nil } }
        #expect(lines == machine.logLines.map(\.text))
    }

    @Test func clearedRegionsAreOneEventForEachCommand() throws {
        var machine = try Self.host(gigabytes: 64)
        let id = try machine.makeGuest("big", bytes: 6 << 30)
        let start = machine.eventLog.count
        try machine.perform(.startGuest(id), at: machine.now)
        let spans = Self.events(machine, from: start).compactMap(\.regions)
        // Firmware's regions lie in between; they were not optimized.
        #expect(spans.reduce(0) { $0 + $1.count } >= 4 && spans.count <= 2)
        // Same moment, but another command: a reader may have read the log in between.
        let next = machine.eventLog.count
        try machine.perform(.rmpupdate(SPA(20 << 30), RMPUpdateInput(assigned: true)), at: machine.now)
        #expect(machine.eventLog.count == next + 1)
        try machine.perform(.rmpupdate(SPA(21 << 30), RMPUpdateInput(assigned: true)), at: machine.now)
        #expect(Self.events(machine, from: next).compactMap(\.regions) == [20...20, 21...21])
    }

    @Test func namesStayWithEventsOfRemovedGuests() throws {
        var machine = try Self.host()
        let first = try machine.makeGuest("vm", bytes: 1 << 30)
        try machine.perform(.startGuest(first), at: machine.now)
        try machine.perform(.removeGuest(first), at: machine.now)
        // The name is free although its first owner's pages are still going back.
        _ = try machine.makeGuest("vm", bytes: 1 << 30)
        let start = machine.eventLog.count
        machine.runToIdle()
        let after = Self.events(machine, from: start)
        #expect(after.contains { $0.event == .guest(first, .stopped) && $0.guest == "vm" })
        #expect(after.filter { $0.event == .inodeFreed(first) }.count == 2)
    }

    @Test func theOldestGoAndTheirNumberIsKnown() throws {
        var machine = try Self.host()
        let most = UInt64(EventLog.limits.upperBound)
        while machine.eventLog.count < 3 * most { machine.note("line \(machine.eventLog.count)") }
        let log = machine.eventLog
        let events = Self.events(machine)
        #expect(EventLog.limits.contains(events.count) && log.first + UInt64(events.count) == log.count)
        #expect(events.last?.event == .line(.info, "line \(log.count - 1)"))
        #expect(events.first?.event == .line(.info, "line \(log.first)"))
        // A reader's position among the events kept, among those lost, and at the end.
        var seen = 0
        #expect(
            log.forEach(
                from: log.count - 3,
                { _ in
                    seen += 1; return true
                }
            ) == log.count && seen == 3
        )
        #expect(log.forEach(from: 5, { _ in false }) == log.first + 1)
        #expect(log.forEach(from: log.count, { _ in true }) == log.count)
    }

    /// Nothing happens before the horizon, and a reader that asks again at each horizon gets to the next event.
    @Test(arguments: Series.all) func nothingHappensBeforeTheHorizon(_ series: Series) throws {
        var random = Random(seed: testSeed)
        var machine = try Self.host(series, gigabytes: 16)
        var guests: [GuestID] = []
        for number in 0..<3 { guests.append(try machine.makeGuest("g\(number)", bytes: 3 << 30, backing: .size4K)) }
        for step in 0..<60 {
            let guest = guests[Int.random(in: guests.indices, using: &random)]
            let commands: [Command] = [
                .startGuest(guest), .stopGuest(guest), .reoptimize, .initializeFirmware, .shutDownFirmware(x86: true),
            ]
            _ = try? machine.perform(commands[Int.random(in: commands.indices, using: &random)], at: machine.now)
            var asked = 0
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let before = machine.eventLog.count
                while machine.eventLog.count == before, let next = machine.nextEvent {
                    asked += 1
                    var ahead = machine
                    if next > machine.now { ahead.advance(to: next - 1) }
                    #expect(ahead.eventLog.count == before, "\(series), step \(step), seed \(testSeed)")
                    machine.advance(to: next)
                }
                if machine.nextEvent == nil { #expect(machine.nextDue == nil, "\(series), step \(step)") }
            }
            #expect(asked < 2_000, "\(series), step \(step), seed \(testSeed)")
        }
    }
}
