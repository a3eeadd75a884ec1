// SPDX-License-Identifier: Apache-2.0
// Who executes RMPOPT in a pass, in which order, how often, and with interrupts off for how long: leaders, masks, and
// the merged driver's two phases.

import Testing

@testable import RMPModel

private let regions = 8

/// Eight CPUs, four cores: the threads of core n are CPUs n and n + 4. Eight regions.
private func host(_ series: Series, workerCPU: Int = 0) throws -> Machine {
    var configuration = try MachineConfiguration(
        topology: Topology(TopologyShape(coresPerPackage: 4)),
        memory: MemoryMap(bytes: UInt64(regions) << 30),
        series: series
    )
    configuration.boot.workerCPU = workerCPU
    return Machine(configuration)
}

/// Requests one more pass and runs it to its end.
private func pass(_ machine: inout Machine) throws -> PassRecord {
    try machine.perform(.reoptimize, at: machine.now)
    machine.runToIdle()
    return try #require(machine.passes.last)
}

extension Machine {
    /// How many of each region's 512 chunks a scan reads before it stops.
    fileprivate var scannedChunks: [UInt64] {
        (0..<regionCount).map { UInt64(platform.rmp.firstAssignedChunk(ofRegion: $0) ?? 512) }
    }
}

@Suite struct MergedPassTests {
    /// N * (C + 1) executions, since the first scanner's core scans again. One broadcast, to C - 1 other CPUs, or to C
    /// if the first scanner is not a primary thread and so not in the mask.
    ///
    /// Source: commit c6c6f156d192, do_rmpopt_work().
    @Test(arguments: [0, 2, 5]) func executionsAndInterrupts(_ workerCPU: Int) throws {
        var machine = try host(.merged, workerCPU: workerCPU)
        let first = try #require(machine.passes.last)
        let optimized = UInt64(machine.optimizedRegions.count)
        #expect(optimized > 0 && optimized < UInt64(regions))
        for (record, bits) in [(first, optimized * 4), (try pass(&machine), 0)] {
            #expect(record.executions == 8 * 5 && record.executionsInVain == 8 * 5 - bits)
            #expect(record.broadcasts == 1 && record.interrupts == (workerCPU < 4 ? 3 : 4))
            #expect(record.faultingCPUs == 0 && record.regionsScanned == regions)
        }
    }

    /// T = W + B + F: W is the first scanner's walk, B one broadcast, and F each core's own walk, which it does with
    /// interrupts off throughout.
    @Test func whatItCosts() throws {
        let machine = try host(.merged)
        let record = try #require(machine.passes.last)
        let costs = CostModel.standard
        let first = machine.scannedChunks.reduce(0) { $0 + costs.fullScan * $1 / 512 + costs.instruction }
        let own = machine.scannedChunks.reduce(0) { $0 + costs.independentFollower * $1 / 512 + costs.instruction }
        #expect(
            record.scanNanoseconds == first && record.broadcastNanoseconds == costs.broadcast
                && record.followerNanoseconds == own
        )
        #expect(record.end == record.start + first + costs.broadcast + own)
        #expect(record.interruptsOffNanoseconds == own)
        #expect(record.stolenNanoseconds == first + 4 * own)
    }

    /// Regions whose first result is not cached cost each core a scan of its own.
    @Test func regionsThatAreNotCached() throws {
        var configuration = try MachineConfiguration(cpus: 8, memoryBytes: UInt64(regions) << 30, series: .merged)
        configuration.costs.cachedRegions = 3
        let machine = Machine(configuration)
        let costs = configuration.costs
        let own = machine.scannedChunks.enumerated().reduce(0) { sum, item in
            sum + (item.offset < 3 ? costs.independentFollower : costs.fullScan) * item.element / 512
                + costs.instruction
        }
        #expect(machine.passes.last?.interruptsOffNanoseconds == own)
    }

    /// The first scanner walks the whole range before any other core gets its turn.
    @Test(arguments: [0, 5]) func firstOneThenAll(_ workerCPU: Int) throws {
        var machine = try host(.merged, workerCPU: workerCPU)
        let wanted = machine.optimizedRegions
        machine.platform.clearRMPOPTTables()
        try machine.perform(.reoptimize, at: machine.now)
        machine.advance(to: machine.now)
        for step in 0..<regions {
            #expect(machine.runningPass?.executions == UInt64(step) && machine.runningPass?.broadcasts == 0)
            machine.advance(to: try #require(machine.nextDue))
        }
        #expect(machine.runningPass?.regionsScanned == 0 && machine.runningPass?.interruptsOffNanoseconds == 0)
        for region in 0..<regions {
            let isWanted = wanted.contains(region)
            #expect(machine.optimizedCoreCount(ofRegion: region) == (isWanted ? 1 : 0))
            #expect(machine.isOptimized(region: region, cpu: workerCPU) == isWanted)
        }
        for step in 0..<regions {
            machine.advance(to: try #require(machine.nextDue))
            let done = wanted.filter { machine.optimizedCoreCount(ofRegion: $0) == 4 }
            #expect(done == wanted.filter { $0 <= step })
        }
        #expect(!machine.passIsRunning && machine.passes.last?.executions == 8 * 5)
    }

    /// The broadcast leaves out a primary thread that is offline.
    @Test func anOfflinePrimary() throws {
        var machine = try host(.merged)
        var online = CPUSet(all: 8)
        online.remove(2)
        try machine.perform(.kexec(online: online), at: machine.now)
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        let record = try #require(machine.passes.last)
        #expect(record.executions == 8 * 4 && record.interrupts == 2 && record.faultingCPUs == 0)
        #expect(!machine.isOptimized(region: 5, cpu: 6) && machine.isOptimized(region: 5, cpu: 7))
    }
}

@Suite struct LeaderTests {
    /// What a pass executes when the work lands on a primary thread, and when it lands on a secondary one. v3 to v5
    /// leave only the leader out of the followers, so a secondary leader's core executes twice; v6 to v10 leave out its
    /// core.
    ///
    /// Source: rmpopt_work_handler() in v3 3/6, v4 4/7, v5 4/7, v6 3/6, v7 3/6, v8 4/7, v9 4/6, v10 4/6.
    @Test(arguments: Series.all.filter { $0.order == .leaderThenEachRegion })
    func leaderAndFollowers(_ series: Series) throws {
        for workerCPU in [0, 1, 5] {
            var machine = try host(series, workerCPU: workerCPU)
            let repeats = workerCPU == 5 && series.version <= 5
            let record = try pass(&machine)
            #expect(record.executions == 8 * (repeats ? 5 : 4))
            #expect(record.interrupts == 8 * (repeats ? 4 : 3) && record.broadcasts == 8)
            // Interrupts are off for one RMPOPT at a time.
            let costs = CostModel.standard
            #expect(record.interruptsOffNanoseconds == costs.contendedFollower + costs.instruction)
            #expect(machine.optimizedRegions == (0..<8).filter { machine.assignedPages(ofRegion: $0) == 0 })
        }
    }

    /// v3 puts the CPU that ran a pass into the mask of later passes, whichever it is; v4 and v5 only if it was there
    /// before.
    @Test func whoLedJoinsTheMaskInV3() throws {
        for series in [Series.v3, .v4, .v5] {
            let machine = try host(series, workerCPU: 5)
            #expect(machine.driver.mask.contains(5) == (series == .v3), "\(series.name)")
            #expect((0..<4).allSatisfy(machine.driver.mask.contains), "\(series.name)")
        }
    }

    /// v1 allocates the mask of its thread once and never clears it: the sibling that stood in for an offline primary
    /// still takes part when the primary is back.
    ///
    /// Source: v1 3/6, rmpopt_kthread().
    @Test func v1sMaskOnlyGrows() throws {
        var machine = try host(.v1)
        #expect(try pass(&machine).executions == 8 * 4)
        try machine.perform(.setOnline(cpu: 1, false), at: machine.now)
        #expect(try pass(&machine).executions == 8 * 4)
        try machine.perform(.setOnline(cpu: 1, true), at: machine.now)
        let record = try pass(&machine)
        #expect(record.executions == 8 * 5 && record.interrupts == 8 * 4)
        // A thread that is offline again is left out.
        try machine.perform(.setOnline(cpu: 5, false), at: machine.now)
        #expect(try pass(&machine).executions == 8 * 4)
    }

    /// v1 sends each region to one thread of a core, v2 to all.
    @Test func withoutLeader() throws {
        for (series, count) in [(Series.v1, 4), (.v2, 8)] as [(Series, UInt64)] {
            var machine = try host(series)
            let record = try pass(&machine)
            #expect(record.executions == 8 * count && record.interrupts == 8 * (count - 1) && record.broadcasts == 8)
            #expect(record.executionsInVain == record.executions)
        }
    }

    /// A leader whose core has RMPOPT_EN 0 takes a #UD in v3 to v5. v6 and v7 check, and let the mask's first CPU lead:
    /// they call it once per region, by an interrupt, so it runs with interrupts off.
    @Test(arguments: Series.all.filter { (3...7).contains($0.version) })
    func theWorkLandsOutsideOfTheMask(_ series: Series) throws {
        var configuration = try MachineConfiguration(
            topology: Topology(TopologyShape(coresPerPackage: 4)),
            memory: MemoryMap(bytes: 8 << 30),
            series: series
        )
        configuration.boot.workerCPU = 3
        var machine = Machine(configuration)
        // As if core 3 had come online late: neither set up nor in the mask.
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        machine.platform.rmpopt.program(RMPOPTBase(rawValue: 0), cores: CoreSet(all: 4))
        var online = CPUSet(all: 8)
        for cpu in [3, 7] { online.remove(cpu) }
        try machine.perform(.kexec(online: online), at: machine.now)
        machine.runToIdle()
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        for cpu in [3, 7] { try machine.perform(.setOnline(cpu: cpu, true), at: machine.now) }
        let record = try pass(&machine)
        let checks = series.version >= 6
        #expect(record.faultingCPUs == (checks ? 0 : 1) && record.executions == 8 * 3)
        // The sender is not a follower: the other three are all interrupted, the called leader once per region.
        #expect(record.interrupts == 8 * 3)
        #expect(!machine.isOptimized(region: 5, cpu: 3) && machine.isOptimized(region: 5, cpu: 2))
    }
}
