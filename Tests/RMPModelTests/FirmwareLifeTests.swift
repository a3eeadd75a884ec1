// SPDX-License-Identifier: Apache-2.0
// What the driver of each version does at SNP_INIT_EX, both shutdowns, failures and kexec.

import Testing

@testable import RMPModel

@Suite struct FirmwareLifeTests {
    private func host(_ series: Series, stage: BootPlan.Stage = .firmware) throws -> Machine {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30, series: series)
        configuration.boot.stage = stage
        return Machine(configuration)
    }

    private let far: UInt64 = 60_000_000_000

    /// v1 to v3 set SNP_EN, set up the driver and run a pass at boot. The others do so at SNP_INIT_EX, but merged
    /// allocates its workqueue at boot.
    @Test(arguments: Series.all) func boot(_ series: Series) throws {
        let machine = try host(series, stage: .kernel)
        let early = series.version <= 3
        #expect(machine.firmwareState == .uninitialized && machine.isSNPEnabled == early)
        #expect(machine.isDriverSetUp == (early || series == .merged) && machine.hasDebugfsTable == early)
        #expect(machine.passes.map(\.trigger) == (early ? [.boot] : []))
        #expect(machine.optimizedRegions.isEmpty == !early)
    }

    @Test(arguments: Series.all) func snpInit(_ series: Series) throws {
        var machine = try host(series, stage: .kernel)
        let start = machine.now
        try machine.perform(.initializeFirmware, at: start)
        #expect(machine.optimizedRegions == [])
        machine.runToIdle()
        #expect(machine.passes.last?.trigger == .firmwareInit)
        #expect(machine.passes.last?.start == start + ([.v3, .merged].contains(series) ? 10_000_000_000 : 0))
        #expect(!machine.optimizedRegions.isEmpty && machine.hasDebugfsTable == (series.version <= 8))
        // A second SNP_INIT_EX does nothing.
        let count = machine.passCount
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.passCount == count)
    }

    /// The guard in v5 to v10 leaves the table empty: no pass comes until a guest ends.
    @Test(arguments: Series.all) func legacyShutdownAndInitAgain(_ series: Series) throws {
        var machine = try host(series)
        let guest = try machine.makeGuest("vm", bytes: 64 << 20)
        let count = machine.passCount
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        #expect(machine.isSNPEnabled && machine.isDriverSetUp && machine.firmwareState == .uninitialized)
        #expect(machine.hasDebugfsTable == (series.version <= 8))
        // The RMPOPT tables stay as they are: SNP_EN is still set and no page was assigned.
        #expect(!machine.optimizedRegions.isEmpty)
        #expect(machine.refusal(.startGuest(guest)) == .noSNP)
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.advance(to: machine.now + far)
        let isGuarded = (5...10).contains(series.version)
        #expect(machine.passCount == count + (isGuarded ? 0 : 1))
        #expect(machine.optimizedRegions.isEmpty == isGuarded)
        try machine.perform(.startGuest(guest), at: machine.now)
        try machine.perform(.stopGuest(guest), at: machine.now)
        machine.runToIdle()
        #expect(!machine.optimizedRegions.isEmpty)
    }

    /// v4 has no guard. Its second set-up creates the directory and the workqueue again: debugfs complains, and the
    /// pending pass is forgotten.
    ///
    /// Source: v4 4/7 and 7/7, snp_setup_rmpopt().
    @Test(arguments: Series.all) func aSecondSetUp(_ series: Series) throws {
        var machine = try host(series)
        let guest = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.perform(.createVM(guest), at: machine.now)
        try machine.perform(.stopGuest(guest), at: machine.now)
        machine.advance(to: machine.now + 1_000_000_000)
        let due = machine.pendingPass?.due
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        try machine.perform(.initializeFirmware, at: machine.now)
        let lines = machine.logLines.filter { $0.text == "debugfs: 'rmpopt' already exists in 'x86'" }
        #expect(lines.map(\.level) == (series == .v4 ? [.error] : []))
        if series == .v4 {
            #expect(machine.pendingPass?.due == machine.now && due == machine.now + 9_000_000_000)
        } else if (5...10).contains(series.version) {
            #expect(machine.pendingPass?.due == due && due != nil)
        }
    }

    @Test(arguments: Series.all) func shutdownThatClearsSNP(_ series: Series) throws {
        var machine = try host(series)
        guard series.version >= 4 else {
            #expect(machine.refusal(.shutDownFirmware(x86: true)) == .unsupported(.x86Shutdown))
            #expect(machine.firmwareState == .initialized)
            return
        }
        let count = machine.passCount
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
        // v4 does not clean up, and merged keeps its workqueue.
        let stays = series == .v4 || series == .merged
        #expect(!machine.isSNPEnabled && machine.isDriverSetUp == stays && machine.hasDebugfsTable == (series == .v4))
        #expect((0..<4).allSatisfy { machine.rmpoptBase(ofCPU: $0)?.rawValue == 0 })
        // A table that is still open has no lines, except in v4: the range starts and ends at 0.
        #expect(machine.tableRegions.isEmpty == (series != .v4) && machine.optimizedRegions == [])
        if !stays { #expect(try machine.perform(.reoptimize, at: machine.now) == .pass(.ignored)) }
        #expect(machine.refusal(.rmpupdate(freeSPA, .init(assigned: true))) == .noSNP)
        // SNP_INIT_EX sets everything up again.
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.isSNPEnabled && machine.hasDebugfsTable == (series.version <= 8))
        #expect(machine.passCount == count + 1 && !machine.optimizedRegions.isEmpty)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// cancel_delayed_work_sync() comes first, so nothing is left to run.
    @Test(arguments: Series.all.filter { $0.cleanUp != .none }) func cleanUpCancelsPasses(_ series: Series) throws {
        for delay in [0, 5_000_000_000, 10_000_100_000] as [UInt64] {
            var machine = try host(series)
            let guest = try machine.makeGuest("vm", bytes: 2 << 20)
            try machine.perform(.startGuest(guest), at: machine.now)
            try machine.perform(.stopGuest(guest), at: machine.now)
            machine.advance(to: machine.now + 1_000_000 + delay)
            let ended = machine.passes.count
            try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
            #expect(machine.pendingPass == nil && !machine.passIsRunning && machine.nextDue == nil)
            machine.advance(to: machine.now + far)
            #expect(machine.passes.count == ended && machine.optimizedRegions == [])
        }
    }

    @Test(arguments: Series.all) func guestsKeepFirmware(_ series: Series) throws {
        var machine = try host(series)
        let guest = try machine.makeGuest("vm", bytes: 64 << 20)
        try machine.perform(.startGuest(guest), at: machine.now)
        for command in [.shutDownFirmware(x86: false), .shutDownFirmware(x86: true), .kexec()] as [Command] {
            #expect(machine.refusal(command) == .busy(.guestsLeft))
        }
        #expect(machine.firmwareState == .initialized)
    }

    @Test(arguments: Series.all) func failedSNPInit(_ series: Series) throws {
        var machine = try host(series, stage: .kernel)
        let count = machine.passCount
        try machine.perform(.failFirmware(count: 2), at: machine.now)
        for left in [1, 0] as [UInt64] {
            #expect(machine.refusal(.initializeFirmware) == .firmwareFailed && machine.firmwareFailuresLeft == left)
            #expect(machine.firmwareState == .uninitialized && machine.passCount == count && machine.isSNPEnabled)
        }
        #expect(machine.logLines.last?.level == .error)
        #expect(machine.logLines.last?.text == "ccp 0000:01:00.5: SEV-SNP: SNP_INIT_EX failed rc -5, error 0x1")
        #expect(machine.refusal(.initializeFirmware) == nil && machine.firmwareState == .initialized)
    }

    /// A new kernel starts from nothing, but SNP_EN, RMPOPT_BASE and the tables stay.
    @Test(arguments: Series.all) func kexec(_ series: Series) throws {
        var machine = try host(series)
        let spa = SPA(5 << 30)
        #expect(machine.code(.rmpupdate(spa, .init(assigned: true))) == .success)
        #expect(machine.code(.rmpupdate(spa, .init())) == .success)
        let bits = machine.optimizedRegions
        try machine.perform(.kexec(), at: machine.now)
        #expect(machine.isSNPEnabled && machine.firmwareState == .uninitialized && machine.optimizedRegions == bits)
        #expect(machine.rmpoptBase(ofCPU: 0)?.isEnabled == true)
        let early = series.version <= 3
        #expect(machine.isDriverSetUp == (early || series == .merged) && machine.hasDebugfsTable == early)
        #expect(machine.passes == [])
        machine.runToIdle()
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.passes.map(\.trigger) == (early ? [.boot, .firmwareInit] : [.firmwareInit]))
        // Regions lost before kexec do not count for this kernel.
        #expect(machine.passes.allSatisfy { $0.regionsLost == 0 })
        #expect(machine.optimizedRegions.contains(5))
    }
}
