// SPDX-License-Identifier: Apache-2.0
// The event stream alone explains what each of its consumers shows. It records nothing unless asked to, and never more
// than its limit.

import Testing

@testable import RMPModel

/// What an observer who sees nothing but events knows.
private struct Witness {
    var log = KernelLog()
    var passes = PassHistory()
    var faults: UInt64 = 0
    var snpEnabled: Bool
    var firmware: FirmwareState
    var online: CPUSet
    var passIsRunning = false
    var guests: [GuestID: GuestState] = [:]
    var optimized: Set<Int> = []

    mutating func note(_ timed: TimedEvent) {
        log.note(timed.event, at: timed.time)
        passes.note(timed.event)
        switch timed.event {
        case .undefinedOpcodes(let count): faults += UInt64(count)
        case .snpEnabled(let isEnabled): snpEnabled = isEnabled
        case .firmware(let state): firmware = state
        case .cpuOnline(let cpu, true): online.insert(cpu)
        case .cpuOnline(let cpu, false): online.remove(cpu)
        case .passBegan: passIsRunning = true
        case .passEnded, .passesCancelled: passIsRunning = false
        case .guest(let id, let state): guests[id] = state
        case .regionOptimized(let region, _): optimized.insert(region)
        case .regionCleared(let region): optimized.remove(region)
        case .rmpoptTablesCleared: optimized = []
        default: break
        }
    }
}

@Suite struct EventTests {
    private static func host(_ series: Series, workerCPU: Int = 0) throws -> Machine {
        var configuration = try MachineConfiguration(
            topology: Topology(TopologyShape(coresPerPackage: 2)),
            memory: MemoryMap(bytes: 4 << 30),
            series: series
        )
        configuration.boot.workerCPU = workerCPU
        return Machine(configuration)
    }

    /// A random command that a client could give.
    private static func command(_ random: inout Random) -> Command {
        let guest = GuestID(UInt64.random(in: 1...2, using: &random))
        switch Int.random(in: 0..<14, using: &random) {
        case 0, 1: return .startGuest(guest)
        case 2: return .stopGuest(guest)
        case 3: return .createVM(guest)
        case 4: return .setOnline(cpu: Int.random(in: 0..<4, using: &random), random.chance(2))
        case 5, 6: return .initializeFirmware
        case 7: return .shutDownFirmware(x86: random.chance(2))
        case 8: return .failFirmware(count: 1)
        case 9: return .failDecommission(count: 1)
        case 10:
            let spa = SPA(UInt64.random(in: 2..<4, using: &random) << 30)
            return .rmpupdate(spa, .init(assigned: random.chance(2)))
        case 11 where random.chance(4): return .kexec()
        default: return .reoptimize
        }
    }

    /// Performs `count` random commands at random intervals.
    private static func run(_ machine: inout Machine, _ count: Int, seed: UInt64) {
        var random = Random(seed: seed)
        for _ in 0..<count {
            let times: [UInt64] = [0, 1_000, 300_000, 20_000_000, 11_000_000_000]
            let time = machine.now + times[Int.random(in: times.indices, using: &random)]
            _ = try? machine.perform(command(&random), at: time)
        }
    }

    @Test(arguments: Series.all) func eventsExplainWhatIsShown(_ series: Series) throws {
        for seed in testSeed..<(testSeed + 8) {
            var machine = try Self.host(series, workerCPU: Int(seed % 4))
            for name in ["a", "b"] { _ = try machine.makeGuest(name, bytes: 8 << 20) }
            var witness = Witness(
                snpEnabled: machine.isSNPEnabled,
                firmware: machine.firmwareState,
                online: machine.onlineCPUs
            )
            let faults = machine.undefinedOpcodes
            machine.recordEvents(limit: 1 << 20)
            // A new kernel starts with an empty log and no passes, and so does the witness.
            try machine.perform(.kexec(), at: machine.now)
            try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
            machine.platform.clearRMPOPTTables()
            Self.run(&machine, 400, seed: seed)
            let (events, lost) = machine.takeEvents()
            #expect(lost == 0 && events.count > 100, "seed \(seed)")
            #expect(zip(events, events.dropFirst()).allSatisfy { $0.time <= $1.time }, "seed \(seed)")
            for event in events { witness.note(event) }
            #expect(witness.log.lines == machine.logLines, "seed \(seed)")
            #expect(witness.passes.records == machine.passes, "seed \(seed)")
            #expect(witness.passes.count == machine.passCount, "seed \(seed)")
            #expect(witness.passes.totals == machine.passTotals, "seed \(seed)")
            for outcome in RequestOutcome.allCases {
                #expect(witness.passes.outcomes[outcome] ?? 0 == machine.requests(outcome), "\(outcome), seed \(seed)")
            }
            #expect(witness.faults == machine.undefinedOpcodes - faults, "seed \(seed)")
            #expect(witness.snpEnabled == machine.isSNPEnabled, "seed \(seed)")
            #expect(witness.firmware == machine.firmwareState && witness.online == machine.onlineCPUs, "seed \(seed)")
            #expect(witness.passIsRunning == machine.passIsRunning, "seed \(seed)")
            for (id, state) in witness.guests { #expect(machine.guest(id)?.state == state, "\(id), seed \(seed)") }
            let optimized = (0..<4).filter { machine.optimizedCoreCount(ofRegion: $0) > 0 }
            #expect(witness.optimized.sorted() == optimized, "seed \(seed)")
        }
    }

    /// Recording has no effect on the machine.
    @Test(arguments: Series.all) func nothingIsRecordedUnlessAskedFor(_ series: Series) throws {
        var silent = try Self.host(series)
        for name in ["a", "b"] { _ = try silent.makeGuest(name, bytes: 8 << 20) }
        var recorded = silent
        recorded.recordEvents(limit: 1000)
        Self.run(&silent, 100, seed: testSeed)
        Self.run(&recorded, 100, seed: testSeed)
        #expect(silent.takeEvents().events == [] && silent.takeEvents().lost == 0)
        #expect(silent.logLines == recorded.logLines && silent.passes == recorded.passes)
        #expect(silent.rowGeneration == recorded.rowGeneration && silent.nextDue == recorded.nextDue)
        #expect(!recorded.takeEvents().events.isEmpty)
        // Fetched events are gone, and stopping discards the rest.
        #expect(recorded.takeEvents().events == [])
        Self.run(&recorded, 20, seed: testSeed)
        recorded.recordEvents(limit: nil)
        #expect(recorded.takeEvents().events == [])
    }

    /// The oldest events are dropped, and counted.
    @Test(arguments: [1, 3, 64]) func theRecorderIsBounded(_ limit: Int) throws {
        var whole = try Self.host(.v10)
        for name in ["a", "b"] { _ = try whole.makeGuest(name, bytes: 8 << 20) }
        var bounded = whole
        whole.recordEvents(limit: 1 << 20)
        bounded.recordEvents(limit: limit)
        Self.run(&whole, 200, seed: testSeed)
        Self.run(&bounded, 200, seed: testSeed)
        let all = whole.takeEvents().events
        let (kept, lost) = bounded.takeEvents()
        #expect(all.count > limit && kept.count <= limit && !kept.isEmpty)
        #expect(kept == Array(all.suffix(kept.count)) && Int(lost) == all.count - kept.count)
        // The next fetch counts from zero.
        #expect(bounded.takeEvents().lost == 0)
    }
}
