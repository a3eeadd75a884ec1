// SPDX-License-Identifier: Apache-2.0
// Cached texts: whatever happens to the machine, a cached text equals a fresh one.

import RMPModel
import Testing

@testable import RMPFS

extension Rendering {
    fileprivate var string: String { String(decoding: snapshot.text.bytes, as: UTF8.self) }
}

/// A machine and the texts that its readers have cached.
private struct Readers {
    var machine: Machine
    var texts = MachineTexts()

    init(_ configuration: MachineConfiguration) { machine = Machine(configuration) }

    /// What differs from a fresh text now; nil if nothing does.
    mutating func difference() throws -> String? {
        var fresh = MachineTexts()
        // The second reader makes the table's text.
        for _ in 0..<2 {
            let kept = try texts.renderedDebugfsTable(of: machine)?.string
            _ = try fresh.renderedDebugfsTable(of: machine)
            let new = try fresh.renderedDebugfsTable(of: machine)?.string
            if let kept, kept != new { return "the table is\n\(kept)expected\n\(new ?? "none")" }
        }
        for cpu in 0..<machine.cpuCount {
            let kept = try texts.renderedRegions(ofCPU: cpu, of: machine)?.string
            let new = try fresh.renderedRegions(ofCPU: cpu, of: machine)?.string
            if kept != new { return "cpu\(cpu) is\n\(kept ?? "none")expected\n\(new ?? "none")" }
        }
        return nil
    }

    mutating func perform(_ command: Command, after time: UInt64 = 0) {
        _ = try? machine.perform(command, at: machine.now + time)
    }
}

struct KeptTextTests {
    /// Topologies: two threads per core, one, two packages; all CPUs online, or one of them offline.
    private static func configuration(_ series: Series, _ number: Int) throws -> MachineConfiguration {
        let shapes = [
            TopologyShape(coresPerPackage: 2), TopologyShape(coresPerPackage: 3, threadsPerCore: 1),
            TopologyShape(packages: 2, coresPerPackage: 2),
        ]
        let shape = shapes[number % shapes.count]
        let cpus = shape.packages * shape.coresPerPackage * shape.threadsPerCore
        var online = CPUSet(all: cpus)
        if number >= shapes.count { online.remove(cpus - 1) }
        var configuration = try MachineConfiguration(
            topology: Topology(shape, online: online),
            memory: MemoryMap(bytes: 4 << 30),
            series: series
        )
        configuration.processor.keepsRMPOPTEnable = number.isMultiple(of: 2)
        return configuration
    }

    private static func command(_ random: inout Random, cpus: Int) -> Command {
        let cpu = Int.random(in: 0..<cpus, using: &random)
        let guest = GuestID(1)
        switch Int.random(in: 0..<16, using: &random) {
        case 0, 1: return .initializeFirmware
        case 2, 3: return .shutDownFirmware(x86: random.chance(2))
        case 4, 5: return .setOnline(cpu: cpu, random.chance(2))
        case 6: return .failFirmware(count: UInt64.random(in: 0...2, using: &random))
        case 7:
            if random.chance(2) { return .kexec() }
            var online = CPUSet(all: cpus)
            if cpu > 0 { online.remove(cpu) }
            return .kexec(online: online)
        case 8: return .wrmsr(cpu: cpu, MSRs.Number.syscfg, MSRs.memoryEncryption | MSRs.snpEnable | MSRs.vmplEnable)
        case 9: return .wrmsr(cpu: cpu, RMPOPTBase.msr, random.pick([0, 1, 1 << 30 | 1, 3 << 30 | 1]))
        case 10:
            return .rmpupdate(SPA(UInt64.random(in: 0..<4, using: &random) << 30), .init(assigned: random.chance(2)))
        case 11: return .rmpopt(cpu: cpu, SPA(UInt64.random(in: 0..<4, using: &random) << 30), function: 0)
        case 12: return .startGuest(guest)
        case 13: return .stopGuest(guest)
        case 14: return .createVM(guest)
        default: return .reoptimize
        }
    }

    @Test(arguments: Series.all) func areWhatFreshOnesWouldBe(_ series: Series) throws {
        var random = Random(seed: testSeed &+ UInt64(series.name.utf8.reduce(0) { $0 &* 31 &+ Int($1) }))
        for number in 0..<6 {
            var readers = Readers(try Self.configuration(series, number))
            readers.perform(.createGuest(name: "vm"))
            readers.perform(.setGuestMemory(GuestID(1), bytes: 8 << 20))
            for step in 0..<250 {
                let command = Self.command(&random, cpus: readers.machine.cpuCount)
                readers.perform(command, after: random.pick([0, 1_000, 300_000, 11_000_000_000]))
                let difference = try readers.difference()
                try #require(difference == nil, "seed \(testSeed), topology \(number), step \(step), after \(command)")
            }
        }
    }

    /// Reads of the table before, during and after passes: cached lists never show in the lines. RMPOPT on single cores
    /// makes more kinds of rows than are cached.
    @Test(arguments: Series.all.filter { $0.debugfsTable != nil }.map(\.name))
    func linesDuringPasses(_ name: String) throws {
        let series = try #require(Series.named(name))
        var random = Random(seed: testSeed)
        let topology = try Topology(TopologyShape(packages: 2, coresPerPackage: 5))
        let memory = try MemoryMap(bytes: 40 << 30)
        let host = Host(try MachineConfiguration(topology: topology, memory: memory, series: series))
        let path = "debug/" + (series.debugfsTable?.path ?? "")
        var readings = (quiet: 0, busy: 0)
        for step in 0..<150 {
            let spa = SPA(UInt64.random(in: 0..<40, using: &random) << 30)
            for _ in 0..<random.pick([1, 1, 30]) {
                let cpu = Int.random(in: 0..<topology.cpuCount, using: &random)
                let commands: [Command] = [
                    .reoptimize, .rmpupdate(spa, .init(assigned: false)), .rmpupdate(spa, .init(assigned: true)),
                    .rmpopt(cpu: cpu, SPA(UInt64.random(in: 0..<40, using: &random) << 30), function: 0),
                    .setOnline(cpu: cpu, random.chance(2)),
                ]
                _ = try? host.engine.perform(random.pick(commands))
            }
            try host.engine.skip(nanoseconds: random.pick([0, 50_000, 300_000, 1_000_000, 60_000_000_000]))
            // Twice: the second reader may get the text that the first one made.
            for _ in 0..<2 {
                let expected = try host.engine.look { machine throws(Errno) -> String in
                    var text = TextBuffer()
                    var cpus = CPUSet(limit: machine.cpuCount)
                    let last = series.debugfsTable?.hasEndLine == true ? 1 : 0
                    for region in machine.tableRegions.lowerBound..<(machine.tableRegions.upperBound + last) {
                        machine.collectReportedCPUs(ofRegion: region, machine.sharedMask, into: &cpus)
                        DebugfsTableText.line(region: region, cpus: cpus, into: &text)
                    }
                    return String(decoding: text.bytes, as: UTF8.self)
                }
                let given = try host.read(path)
                try #require(given == expected, "seed \(testSeed), \(name), step \(step)")
            }
            if try host.engine.passIsRunning() { readings.busy += 1 } else { readings.quiet += 1 }
        }
        #expect(readings.busy > 10 && readings.quiet > 10, "seed \(testSeed): \(readings)")
    }

    /// A failing SNP_INIT_EX sets SNP_EN again.
    @Test(arguments: Series.all.filter(\.knowsX86Shutdown)) func afterAFailedInit(_ series: Series) throws {
        var readers = Readers(try Self.configuration(series, 0))
        readers.perform(.shutDownFirmware(x86: true))
        #expect(try readers.difference() == nil)
        readers.perform(.failFirmware(count: 1))
        readers.perform(.initializeFirmware)
        #expect(readers.machine.isSNPEnabled && readers.machine.firmwareState == .uninitialized)
        #expect(try readers.difference() == nil)
        let text = try readers.texts.renderedRegions(ofCPU: 0, of: readers.machine)?.string
        #expect(text?.contains("unchecked") == false)
    }

    /// A kexec after SNP_EN was cleared.
    @Test(arguments: Series.all.filter(\.knowsX86Shutdown)) func afterKexec(_ series: Series) throws {
        var readers = Readers(try Self.configuration(series, 0))
        readers.perform(.shutDownFirmware(x86: true))
        #expect(try readers.difference() == nil)
        readers.perform(.kexec())
        #expect(try readers.difference() == nil)
    }
}
