// SPDX-License-Identifier: Apache-2.0
// Guests that end together must leave the machine and its log as if they had returned their chunks one at a time. These
// are larger hosts and more guests than the naive model can follow.

import Testing

@testable import RMPModel

@Suite struct EndingTogetherTests {
    /// Guests of up to 600 MB, with either size of folio, packed or scattered. Some are partly shared, and some have a
    /// page or a 2 MB entry that cannot be taken back.
    private static func host(_ series: Series, guests count: Int, _ random: inout Random) throws -> Machine {
        var machine = Machine(try MachineConfiguration(cpus: 8, memoryBytes: 24 << 30, series: series))
        machine.recordEvents(limit: 1_000_000)
        for number in 0..<count {
            let pages = 1 + random.next() % 150_000
            let id = try machine.makeGuest(
                "\(number)",
                bytes: pages << 12,
                backing: random.chance(3) ? .size4K : .size2M,
                placement: random.chance(3) ? .scattered(seed: random.next()) : .packed
            )
            try machine.perform(.startGuest(id), at: machine.now)
            if random.chance(3) {
                let first = (random.next() % pages) << 12
                _ = try? machine.perform(.convert(id, gpa: first..<(pages << 12), toPrivate: false), at: machine.now)
            }
            guard random.chance(4), let chunks = machine.guests[id]?.chunks, let run = chunks.last else { continue }
            let chunk = SPA(UInt64(run.first) << 21)
            let isOne = machine.platform.rmp.chunkWord(run.first).is2M
            let input = RMPUpdateInput(assigned: true, pageSize: isOne ? .size2M : .size4K, immutable: true, asid: 7)
            _ = try? machine.perform(.rmpupdate(chunk, input), at: machine.now)
        }
        return machine
    }

    /// Runs to idle, from one due time to the next.
    private static func runMomentByMoment(_ machine: inout Machine) {
        while let due = machine.nextDue { machine.advance(to: due) }
    }

    private static func difference(_ one: inout Machine, _ other: inout Machine) -> String? {
        let (events, expected) = (one.takeEvents().events, other.takeEvents().events)
        if let (given, expected) = zip(events, expected).first(where: { $0 != $1 }) { return "\(given), \(expected)" }
        if events.count != expected.count { return "\(events.count) events, expected \(expected.count)" }
        if one.now != other.now { return "now \(one.now), expected \(other.now)" }
        if one.passes != other.passes { return "passes" }
        if one.guests.allocator.used != other.guests.allocator.used { return "free memory" }
        for region in 0..<one.regionCount where one.blockers(ofRegion: region) != other.blockers(ofRegion: region) {
            return "owners of region \(region)"
        }
        if one.platform.rmp.assignedChunks != other.platform.rmp.assignedChunks { return "assigned chunks" }
        for chunk in 0..<one.platform.rmp.chunkCount {
            for index in [0, 1, 511] {
                let word = one.platform.rmp.entry(chunk: chunk, index: index)
                if word != other.platform.rmp.entry(chunk: chunk, index: index) { return "chunk \(chunk)" }
            }
        }
        return nil
    }

    @Test(arguments: Series.all) func allAtOnce(_ series: Series) throws {
        var random = Random(seed: testSeed)
        for _ in 0..<3 {
            var machine = try Self.host(series, guests: 24, &random)
            for id in machine.guestIDs where !random.chance(8) {
                let time = machine.now + (random.chance(2) ? 0 : random.next() % 200_000)
                try machine.perform(random.chance(4) ? .removeGuest(id) : .stopGuest(id), at: time)
                if random.chance(6) { try machine.perform(.reoptimize, at: machine.now) }
            }
            var slow = machine
            machine.runToIdle()
            Self.runMomentByMoment(&slow)
            #expect(Self.difference(&machine, &slow) == nil, "seed \(testSeed)")
            #expect(InvariantChecker.violations(in: machine) == [], "seed \(testSeed)")
        }
    }

    /// The log has the time at which the page refused, however far time moves in one step.
    @Test func refusalsAreToldInTime() throws {
        var machine = try machine(cpus: 4, gigabytes: 8)
        let id = try machine.makeGuest("vm", bytes: 64 << 20)
        try machine.perform(.startGuest(id), at: machine.now)
        let chunks = machine.guests[id]?.chunks.flatMap(\.range) ?? []
        let input = RMPUpdateInput(gpa: GPA(20 << 21), assigned: true, pageSize: .size2M, immutable: true, asid: 1)
        try machine.perform(.rmpupdate(SPA(UInt64(chunks[20]) << 21), input), at: machine.now)
        try machine.perform(.stopGuest(id), at: machine.now)
        // The 8 chunks of the initial image go back page by page, then 12 and the one that refuses go back 2 MB at a
        // time.
        let costs = machine.configuration.costs
        let expected = machine.now + 8 * 512 * costs.share4K + 13 * costs.share2M
        machine.runToIdle()
        #expect(machine.now > expected)
        #expect(machine.logLines.last { $0.text.contains("RMPUPDATE") }?.time == expected)
    }
}
