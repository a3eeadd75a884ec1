// SPDX-License-Identifier: Apache-2.0
// Series v1's driver: the flag, absorbed requests, a pass observed halfway.

import Testing

@testable import RMPModel

@Suite struct DriverTests {
    @Test func requestSetsTheFlagUntilThePassEnds() throws {
        var machine = try machine()
        #expect(!machine.optimizationInProgress && !machine.passIsRunning && machine.nextDue == nil)
        #expect(try machine.perform(.reoptimize, at: machine.now) == .pass(.begun))
        #expect(machine.optimizationInProgress && machine.passIsRunning)
        #expect(machine.runningPass?.trigger == .request)
        machine.runToIdle()
        #expect(!machine.optimizationInProgress && !machine.passIsRunning)
        #expect(machine.runningPass == nil)
    }

    @Test func secondRequestIsAbsorbed() throws {
        var machine = try machine()
        let start = machine.now
        #expect(try machine.perform(.reoptimize, at: start) == .pass(.begun))
        #expect(try machine.perform(.reoptimize, at: start + 1_000_000) == .pass(.absorbed))
        machine.runToIdle()
        #expect(machine.passes.map(\.trigger) == [.boot, .firmwareInit, .request])
        #expect(try machine.perform(.reoptimize, at: machine.now) == .pass(.begun))
    }

    /// A request made during SNP_INIT's own pass sets the flag but wakes nobody, and is forgotten when that pass ends.
    @Test func requestDuringThePassOfSNPInitIsLost() throws {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30)
        configuration.boot.stage = .kernel
        var machine = Machine(configuration)
        #expect(machine.passes.map(\.trigger) == [.boot] && machine.firmwareState == .uninitialized)
        try machine.perform(.initializeFirmware, at: machine.now)
        #expect(machine.runningPass?.trigger == .firmwareInit && !machine.optimizationInProgress)
        #expect(try machine.perform(.reoptimize, at: machine.now + 5) == .pass(.lost))
        #expect(machine.optimizationInProgress)
        machine.runToIdle()
        #expect(!machine.optimizationInProgress && machine.passes.map(\.trigger) == [.boot, .firmwareInit])
    }

    @Test func aReaderSeesAPassHalfDone() throws {
        var machine = try machine()
        let regions: [Int] = [10, 50]
        for region in regions {
            let spa = SPA(UInt64(region) << 30)
            #expect(machine.code(.rmpupdate(spa, .init(assigned: true))) == .success)
            #expect(machine.code(.rmpupdate(spa, .init())) == .success)
            #expect(machine.optimizedCoreCount(ofRegion: region) == 0)
        }
        let start = machine.now
        try machine.perform(.reoptimize, at: start)
        let first = try #require(machine.nextDue)
        machine.advance(to: first - 1)
        #expect(machine.runningPass?.regionsScanned == 0)
        machine.advance(to: first)
        #expect(machine.runningPass?.regionsScanned == 1)
        while machine.runningPass?.regionsScanned != 30, let due = machine.nextDue { machine.advance(to: due) }
        #expect(machine.optimizedCoreCount(ofRegion: 10) == machine.coreCount)
        #expect(machine.optimizedCoreCount(ofRegion: 50) == 0)
        #expect(InvariantChecker.violations(in: machine) == [])
        machine.runToIdle()
        #expect(machine.optimizedCoreCount(ofRegion: 50) == machine.coreCount)
        let pass = try #require(machine.passes.last)
        #expect(pass.regionsWon == 2 && pass.regionsLost == 2 && pass.regionsBlocked == 2)
        #expect(pass.regionsKept == 60 && pass.regionsScanned == 64 && pass.regionsOutside == 0)
        #expect(pass.start == start && pass.number == 3)
        #expect(
            pass.broadcastNanoseconds + pass.scanNanoseconds + pass.followerNanoseconds == pass.end.map { $0 - start }
        )
    }

    /// A region that the pass is done with stays lost until the next one; a region still ahead is won by this pass.
    @Test func updatesDuringAPass() throws {
        var machine = try machine()
        try machine.perform(.reoptimize, at: machine.now)
        while machine.runningPass?.regionsScanned != 30, let due = machine.nextDue { machine.advance(to: due) }
        for region in [20, 40] as [UInt64] {
            let spa = SPA(region << 30)
            #expect(machine.code(.rmpupdate(spa, .init(assigned: true))) == .success)
            #expect(machine.code(.rmpupdate(spa, .init())) == .success)
        }
        machine.runToIdle()
        #expect(machine.optimizedCoreCount(ofRegion: 20) == 0)
        #expect(machine.optimizedCoreCount(ofRegion: 40) == machine.coreCount)
    }

    @Test func onlyTheLast64PassesAreKept() throws {
        var machine = try machine(cpus: 2, gigabytes: 1)
        for _ in 0..<70 {
            try machine.perform(.reoptimize, at: machine.now)
            machine.runToIdle()
        }
        #expect(machine.passes.map(\.number) == Array(9...72))
    }

    @Test func stepsOfTimeDoNotMatter() throws {
        var stepped = try machine(gigabytes: 16)
        let guest = try stepped.makeGuest("vm", bytes: 3 << 30)
        try stepped.perform(.startGuest(guest), at: stepped.now)
        try stepped.perform(.stopGuest(guest), at: stepped.now)
        try stepped.perform(.reoptimize, at: stepped.now)
        var atOnce = stepped
        let end = stepped.now + 1_700_000
        while stepped.now < end { stepped.advance(to: stepped.now + 777) }
        atOnce.advance(to: stepped.now)
        #expect(stepped.now == atOnce.now && stepped.nextDue == atOnce.nextDue)
        #expect(stepped.runningPass == atOnce.runningPass && stepped.passes == atOnce.passes)
        #expect((0..<16).allSatisfy { stepped.assignedPages(ofRegion: $0) == atOnce.assignedPages(ofRegion: $0) })
        #expect(stepped.rowGeneration == atOnce.rowGeneration)
    }

    @Test func timeNeverGoesBackwardsOrWraps() throws {
        var machine = try machine()
        let boot = machine.now
        machine.advance(to: boot - 1)
        #expect(machine.now == boot)
        machine.advance(to: .max)
        #expect(machine.now == .max)
        #expect(try machine.perform(.reoptimize, at: 0) == .pass(.begun))
        machine.runToIdle()
        #expect(machine.now == .max && !machine.optimizationInProgress)
    }
}
