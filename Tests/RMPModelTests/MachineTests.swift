// SPDX-License-Identifier: Apache-2.0
// A machine after boot, at all sizes, and RMPOPT executed by a single CPU.

import Testing

@testable import RMPModel

@Suite struct MachineTests {
    @Test func bootState() throws {
        let machine = try machine()
        #expect(machine.regionCount == 64 && machine.cpuCount == 16 && machine.coreCount == 8)
        #expect((0..<64).filter { machine.optimizedCoreCount(ofRegion: $0) == 0 } == [0, 4])
        #expect(machine.optimizedRegions.count == 62)
        #expect(machine.isOptimized(region: 1, cpu: 15) && !machine.isOptimized(region: 4, cpu: 15))
        #expect(machine.isInWindow(region: 0, cpu: 0))
        #expect(machine.rmpoptBase(ofCPU: 3) == RMPOPTBase(rawValue: 1))
        #expect(machine.passes.map(\.trigger) == [.boot, .firmwareInit])
        #expect(machine.passes[0].start == 0 && machine.passes[1].end.map { $0 + 1_000 } == machine.now)
        // Before SNP_INIT_EX, only the RMP's own pages are assigned.
        #expect(machine.passes[0].regionsWon == 63 && machine.passes[0].regionsBlocked == 1)
        #expect(machine.passes[1].regionsWon == 62 && machine.passes[1].regionsBlocked == 2)
        #expect(machine.nextDue == nil)
        #expect(machine.guestIDs == [])
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func blockersAfterBoot() throws {
        let machine = try machine()
        #expect(machine.blockers(ofRegion: 0) == [Blocker(owner: .rmpTable, pages: 5 + 64 * 1024)])
        #expect(machine.blockers(ofRegion: 4) == [Blocker(owner: .firmware, pages: 514)])
        #expect(machine.blockers(ofRegion: 1) == [])
        #expect(machine.blockers(ofRegion: 64) == [] && machine.blockers(ofRegion: -1) == [])
        #expect(machine.rawRMP(PFN(0x8700))?.low == 0x8000_0000_0000_0005)
    }

    @Test(arguments: [1 << 30, 1 << 30 + 1 << 21, 4 << 30, 4 << 30 + 1 << 21, 4 << 30 + 2 << 21, 5 << 30] as [UInt64])
    func smallMachines(_ bytes: UInt64) throws {
        let machine = Machine(try MachineConfiguration(cpus: 1, memoryBytes: bytes))
        let above = bytes >= 4 << 30 + 2 << 21
        #expect((machine.optimizedCoreCount(ofRegion: 4) == 0) == (above || machine.regionCount <= 4))
        #expect(machine.optimizedCoreCount(ofRegion: 0) == 0)
        #expect(machine.optimizedRegions.count == machine.regionCount - (above ? 2 : 1))
        #expect(machine.firmwarePages.assigned[0].upperBound <= bytes)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func theLargestMachine() throws {
        var machine = try machine(cpus: 8192, gigabytes: 64 << 10)
        #expect(machine.regionCount == 65_536 && machine.coreCount == 4096)
        // Not optimized: the 256 GB of RMP and what lies below, firmware's pages next to it, and all above the 2 TB
        // window.
        #expect(machine.optimizedRegions == Array(257..<2048))
        #expect(machine.isInWindow(region: 2047, cpu: 8191) && !machine.isInWindow(region: 2048, cpu: 8191))
        #expect(machine.blockers(ofRegion: 100) == [Blocker(owner: .rmpTable, pages: 262_144)])
        #expect(machine.blockers(ofRegion: 256).map(\.owner) == [.rmpTable, .firmware])
        #expect(machine.passes[0].regionsOutside == 65_536 - 2048)
        let guest = try machine.makeGuest("big", bytes: 1 << 40)
        try machine.perform(.startGuest(guest), at: machine.now)
        // First fit: what the RMP leaves of regions 0 and 256, then everything except the 4 GB from 0xfd00000000 on,
        // which are HV-fixed.
        #expect(machine.regions(ofGuest: guest) == [0] + Array(256..<1012) + Array(1016...1284))
        #expect(machine.optimizedRegions == Array(1012..<1016) + Array(1285..<2048))
    }

    @Test func rows() throws {
        var machine = try machine(cpus: 256, gigabytes: 16)
        #expect(machine.wordsPerRow == 2)
        #expect(machine.withRow(ofRegion: 5) { row in row.count == 2 && row[0] == .max && row[1] == .max })
        #expect(machine.withRow(ofRegion: 4) { row in row[0] == 0 && row[1] == 0 })
        #expect(machine.withRow(ofRegion: 16) { row in row.count } == 0)
        #expect(machine.withRow(ofRegion: -1) { row in row.count } == 0)
        #expect(machine.hasEqualRows(1, 2) && !machine.hasEqualRows(3, 4) && !machine.hasEqualRows(1, 16))
        var cpus = CPUSet(limit: 256)
        machine.collectOptimizedCPUs(ofRegion: 5, into: &cpus)
        #expect(CPUList.format(cpus) == Array("0-255".utf8))
        machine.collectOptimizedCPUs(ofRegion: 4, into: &cpus)
        #expect(cpus.isEmpty)
        let generation = machine.rowGeneration
        #expect(machine.code(.rmpupdate(SPA(4 << 30 + 0x40_0000), .init(assigned: true))) == .success)
        #expect(machine.rowGeneration == generation)
        #expect(machine.code(.rmpupdate(SPA(5 << 30), .init(assigned: true))) == .success)
        #expect(machine.rowGeneration != generation)
        #expect(machine.withRow(ofRegion: 5) { row in row[0] == 0 && row[1] == 0 })
        #expect(machine.withRow(ofRegion: 6) { row in row[0] == .max })
    }

    @Test func queriesOfWhatDoesNotExist() throws {
        let machine = try machine()
        for (region, cpu) in [(-1, 0), (64, 0), (0, -1), (1, 16), (.max, .max), (.min, .min)] {
            #expect(!machine.isOptimized(region: region, cpu: cpu))
            #expect(!machine.isInWindow(region: region, cpu: cpu))
        }
        #expect(machine.optimizedCoreCount(ofRegion: 64) == 0 && machine.assignedPages(ofRegion: 64) == 0)
        #expect(machine.rmpoptBase(ofCPU: 16) == nil && machine.rmpEntry(PFN(64 << 18)) == nil)
        #expect(machine.guest(GuestID(1)) == nil && machine.regions(ofGuest: GuestID(1)) == [])
    }

    // MARK: RMPOPT

    @Test func rmpoptVerifiesAndReports() throws {
        var machine = try machine()
        func rmpopt(_ cpu: Int, _ spa: UInt64, _ function: UInt64) throws -> CommandResult {
            try machine.perform(.rmpopt(cpu: cpu, SPA(spa), function: function), at: machine.now)
        }
        #expect(try rmpopt(0, 10 << 30, 1) == .carry(true))
        #expect(machine.code(.rmpupdate(freeSPA, .init(assigned: true))) == .success)
        #expect(try rmpopt(0, 10 << 30, 1) == .carry(false))
        #expect(try rmpopt(0, 10 << 30, 0) == .carry(false))
        #expect(machine.code(.rmpupdate(freeSPA, .init())) == .success)
        #expect(try rmpopt(0, 10 << 30, 1) == .carry(false))
        #expect(try rmpopt(3, 10 << 30 + 12_345, 0) == .carry(true))
        // The bit belongs to the core: its sibling thread has it too, other CPUs do not.
        #expect(try rmpopt(11, 10 << 30, 1) == .carry(true))
        #expect(try rmpopt(4, 10 << 30, 1) == .carry(false))
        #expect(machine.optimizedCoreCount(ofRegion: 10) == 1)
        #expect(try rmpopt(0, 64 << 30, 0) == .carry(false))
        #expect(try rmpopt(0, .max, 1) == .carry(false))
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func rmpoptFaults() throws {
        var machine = try machine()
        for function in [2, .max] as [UInt64] {
            #expect(throws: CommandError.fault(.generalProtection)) {
                try machine.perform(.rmpopt(cpu: 0, SPA(0), function: function), at: 0)
            }
        }
        for cpu in [-1, 16, Int.max] {
            #expect(throws: CommandError.invalid(.cpu(cpu))) {
                try machine.perform(.rmpopt(cpu: cpu, SPA(0), function: 0), at: 0)
            }
        }
        var tables = RMPOPTTables(coreCount: 2, regionCount: 4)
        let rmp = RMP(regionCount: 4)
        tables.program(RMPOPTBase(enabledFrom: SPA(2 << 30)), cores: CoreSet(1..<2, limit: 2))
        #expect(throws: RMPOPTFault.undefinedOpcode) {
            _ = try tables.execute(core: 0, spa: SPA(0), function: 0, rmp: rmp)
        }
        #expect(throws: RMPOPTFault.undefinedOpcode) {
            _ = try tables.execute(core: 0, spa: SPA(0), function: 7, rmp: rmp)
        }
        let below = try tables.execute(core: 1, spa: SPA(1 << 30), function: 0, rmp: rmp)
        let inside = try tables.execute(core: 1, spa: SPA(2 << 30), function: 0, rmp: rmp)
        #expect(!below && inside)
    }

    @Test func windowsGroupCores() {
        var tables = RMPOPTTables(coreCount: 70, regionCount: 4096)
        tables.program(RMPOPTBase(enabledFrom: SPA(0)), cores: CoreSet(0..<66, limit: 70))
        tables.program(RMPOPTBase(enabledFrom: SPA(1000 << 30 + 5)), cores: CoreSet(66..<69, limit: 70))
        let all = CoreSet(all: 70)
        #expect(tables.windows.count == 2)
        #expect(tables.coresWithWindow(over: 0, of: all) == 66)
        #expect(tables.coresWithWindow(over: 1500, of: all) == 69)
        #expect(tables.coresWithWindow(over: 3000, of: all) == 3)
        #expect(tables.coresWithWindow(over: 3048, of: all) == 0)
        #expect(tables.set(region: 1500, cores: all) == 69 && tables.setCores[1500] == 69)
        #expect(tables.set(region: 1500, cores: all) == 0)
        #expect(!tables.isSet(region: 1500, core: 69))
        #expect([tables.clear(region: 1500), tables.clear(region: 1500)] == [true, false])
        #expect(tables.setCores[1500] == 0)
    }
}
