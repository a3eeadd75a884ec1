// SPDX-License-Identifier: Apache-2.0
// Which machines can be built, and what errors all others give.

import Testing

@testable import RMPModel

@Suite struct ConfigurationTests {
    @Test(arguments: [1, 2, 3, 16, 1023, 1024, 8191, 8192]) func cpuNumbers(_ cpus: Int) throws {
        let topology = try Topology(cpus: cpus)
        #expect(topology.cpuCount == cpus)
        #expect(topology.coreCount == (cpus % 2 == 0 ? cpus / 2 : cpus))
        #expect(topology.firstOnlineThreads.count == topology.coreCount)
        #expect(topology.coreOfCPU == topology.places.map(\.core))
        #expect(topology.online.count == cpus)
    }

    @Test func linuxNumbersThreads() throws {
        let topology = try Topology(cpus: 8)
        #expect(topology.coreOfCPU == [0, 1, 2, 3, 0, 1, 2, 3])
        #expect(topology.places[5] == CPUPlace(package: 0, node: 0, core: 1, thread: 1))
    }

    @Test func firstOnlineThreadIsPrimary() throws {
        var topology = try Topology(cpus: 8)
        topology.online.remove(1)
        topology.online.remove(2)
        topology.online.remove(6)
        #expect(CPUList.format(topology.firstOnlineThreads) == Array("0,3,5".utf8))
    }

    @Test(arguments: [0, -1, 8193, Int.max, Int.min]) func cpuLimits(_ cpus: Int) {
        let error = ConfigurationError.cpus(cpus, limits: 1...8192)
        #expect(throws: error) { try MachineConfiguration(cpus: cpus, memoryBytes: 1 << 30) }
        #expect(error.description.contains("\(cpus)") && error.description.contains("8192"))
    }

    @Test(arguments: [0, 1, 1 << 30 - 1, 1 << 46 + 1, .max] as [UInt64]) func memoryLimits(_ bytes: UInt64) {
        let error = ConfigurationError.memory(bytes, limits: (1 << 30)...(1 << 46))
        #expect(throws: error) { try MachineConfiguration(cpus: 1, memoryBytes: bytes) }
        #expect(error.description.contains("\(bytes)") && error.description.contains("64 TB"))
    }

    @Test func memoryGranularity() throws {
        let error = ConfigurationError.memoryGranularity(1 << 30 + 4096)
        #expect(throws: error) { try MachineConfiguration(cpus: 1, memoryBytes: 1 << 30 + 4096) }
        #expect(error.description.contains("\(1 << 30)"))
        #expect(try MemoryMap(bytes: 1 << 30 + 1 << 21).regionCount == 2)
        #expect(try MemoryMap(bytes: 1 << 30).regionCount == 1)
        #expect(try MemoryMap(bytes: 1 << 46).regionCount == 65_536)
    }

    @Test func rmpLayout() {
        let small = RMPLayout(regionCount: 1)
        #expect(small.head == 0x870_0000..<0x870_5000)
        #expect(small.tables == 0x880_0000..<0x8c0_0000)
        let large = RMPLayout(regionCount: 300)
        #expect(large.segments.map { $0.covered.lowerBound } == [0, 128 << 30, 256 << 30])
        #expect(large.segments[0].table == 0x880_0000..<(0x880_0000 + 512 << 20))
        #expect(large.segments[2].covered.upperBound == 300 << 30)
        #expect(large.tables.count == 300 * 4 << 20)
        #expect(RMPLayout(regionCount: 65_536).segments.count == 512)
        #expect(small.contains(SPA(0x870_4fff)) && !small.contains(SPA(0x870_5000)))
    }

    /// A boot plan given later is checked just as the first one was.
    @Test func bootPlans() throws {
        let configuration = try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30)
        var plan = configuration.boot
        plan.workerCPU = 4
        #expect(throws: ConfigurationError.number("worker CPU", 4, limits: 0...3)) { try configuration.booting(plan) }
        plan.workerCPU = 3
        plan.lateMemoryBytes = 4 << 30
        #expect(throws: ConfigurationError.lateMemory(4 << 30)) { try configuration.booting(plan) }
        plan.lateMemoryBytes = 1 << 30
        #expect(try configuration.booting(plan).lateMemory == (3 << 30)..<(4 << 30))
        #expect(configuration.boot == BootPlan())
    }
}
