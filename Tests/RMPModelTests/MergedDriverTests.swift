// SPDX-License-Identifier: Apache-2.0
// The driver as merged into Linux, compared with v10: set-up at boot, one function for all triggers, shutdowns, kexec,
// and the cases in which it does nothing or the wrong thing.

import Testing

@testable import RMPModel

private let second: UInt64 = 1_000_000_000

private func host(_ series: Series = .merged, _ change: (inout MachineConfiguration) throws -> Void = { _ in }) throws
    -> Machine
{
    var configuration = try MachineConfiguration(
        topology: Topology(TopologyShape(coresPerPackage: 4)),
        memory: MemoryMap(bytes: 8 << 30),
        series: series
    )
    try change(&configuration)
    return Machine(configuration)
}

extension Machine {
    /// The cores whose RMPOPT_EN is 1.
    fileprivate var enabledCores: [Int] { (0..<coreCount).filter { platform.rmpopt.bases[$0].isEnabled } }

    /// The log's lines that contain any of `words`.
    fileprivate func lines(_ words: String...) -> [String] {
        logLines.map(\.text).filter { text in words.contains { text.contains($0) } }
    }

    /// Creates a VM that is never launched, and destroys it.
    fileprivate mutating func destroyVM(_ guest: GuestID, at time: UInt64) throws {
        try perform(.createVM(guest), at: time)
        try perform(.stopGuest(guest), at: time)
    }
}

@Suite struct MergedDriverTests {
    // MARK: Probe and boot

    /// X86_FEATURE_RMPOPT stays set with a valid segmented RMP, and with a contiguous one on a processor that supports
    /// segments, which v10 refuses.
    ///
    /// Source: commit 15d974be0a3b, snp_probe_rmptable_info().
    @Test func whereTheFeatureStays() throws {
        let contiguous = try RMPLayout.contiguous(base: 0x1000_0000, end: 0x1880_3fff)
        let tooSmall = try RMPLayout.contiguous(base: 0x1000_0000, end: 0x10ff_ffff)
        struct Row {
            let hasSegments: Bool
            let layout: RMPLayout?
            let isKept: Bool
            let hasSNP: Bool
        }
        let rows = [
            Row(hasSegments: false, layout: contiguous, isKept: false, hasSNP: true),
            Row(hasSegments: false, layout: tooSmall, isKept: false, hasSNP: false),
            Row(hasSegments: true, layout: nil, isKept: true, hasSNP: true),
            Row(hasSegments: true, layout: contiguous, isKept: true, hasSNP: true),
            Row(hasSegments: true, layout: tooSmall, isKept: true, hasSNP: false),
        ]
        for (number, row) in rows.enumerated() {
            let machine = try host { configuration in
                configuration.processor.segmentedRMP = row.hasSegments
                if let layout = row.layout {
                    configuration.rmp = layout
                    configuration.firmware = FirmwarePages(memory: configuration.memory, layout: layout)
                }
                configuration.boot.stage = .kernel
            }
            #expect(machine.lines("RMPOPT optimizations enabled").count == (row.isKept ? 1 : 0), "row \(number)")
            #expect(machine.isDriverSetUp == row.isKept && machine.isSNPPossible == row.hasSNP, "row \(number)")
        }
        let failed = try host { configuration in
            configuration.processor.segmentShifts = 21...22
            configuration.boot.stage = .kernel
        }
        #expect(!failed.isDriverSetUp && !failed.isSNPPossible && failed.lines("RMPOPT") == [])
        // Without SNP the RMP is not probed at all, and nothing clears the flag.
        for hasSegments in [false, true] {
            let withoutSNP = try host { configuration in
                configuration.processor.snp = false
                configuration.processor.segmentedRMP = hasSegments
            }
            #expect(withoutSNP.isDriverSetUp && !withoutSNP.isSNPPossible)
            #expect(withoutSNP.logLines.map(\.text) == ["SEV-SNP: RMPOPT optimizations enabled"])
            #expect(withoutSNP.firmwareState == .uninitialized && withoutSNP.enabledCores == [])
        }
    }

    /// Boot logs one line, but writes no register and starts no pass. Without its workqueue the driver never does
    /// anything.
    @Test func boot() throws {
        let booted = try host { $0.boot.stage = .kernel }
        #expect(booted.isDriverSetUp && booted.enabledCores == [] && booted.nextDue == nil && booted.passCount == 0)
        #expect(booted.lines("RMPOPT") == ["SEV-SNP: RMPOPT optimizations enabled"])
        var failed = try host { $0.boot.driverFailures = [.workqueue] }
        #expect(failed.lines("RMPOPT") == ["SEV-SNP: Failed to allocate RMPOPT workqueue"])
        #expect(failed.firmwareState == .initialized && failed.enabledCores == [] && failed.passCount == 0)
        let guest = try failed.makeGuest("vm", bytes: 2 << 20)
        try failed.perform(.startGuest(guest), at: failed.now)
        try failed.perform(.stopGuest(guest), at: failed.now)
        failed.runToIdle()
        #expect(failed.enabledCores == [] && failed.passCount == 0)
    }

    // MARK: v10 and merged

    /// What changed between v10 and Linux.
    @Test func whatChangedSinceV10() throws {
        for series in [Series.v10, .merged] {
            let isMerged = series == .merged
            var machine = try host(series) { $0.boot.stage = .kernel }
            #expect(machine.isDriverSetUp == isMerged && !machine.hasDebugfsTable && !machine.hasConfigfs)
            let start = machine.now
            try machine.perform(.initializeFirmware, at: start)
            #expect(machine.pendingPass?.due == start + (isMerged ? 10 * second : 0))
            #expect(machine.enabledCores == [0, 1, 2, 3])
            machine.runToIdle()
            let pass = try #require(machine.passes.last)
            #expect(pass.executions == (isMerged ? 8 * 5 : 8 * 4) && pass.broadcasts == (isMerged ? 1 : 8))
            #expect(pass.interrupts == (isMerged ? 3 : 8 * 3))
            #expect(machine.lines("Attempt RMP optimizations").count == (isMerged ? 0 : 1))
            // A legacy shutdown and SNP_INIT_EX again: v10's guard returns before it requests a pass.
            try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
            try machine.perform(.initializeFirmware, at: machine.now)
            #expect(machine.pendingPass?.due == (isMerged ? machine.now + 10 * second : nil))
        }
    }

    // MARK: Triggers

    /// The first pass and guests' ends share one timer, and each end restarts it. A VM that was never launched is
    /// enough: whoever keeps creating and destroying such VMs keeps the host from ever being optimized. v10 gets its
    /// first pass.
    @Test func guestsThatEndPutTheFirstPassOff() throws {
        for series in [Series.v10, .merged] {
            var machine = try host(series) { $0.boot.stage = .kernel }
            try machine.perform(.initializeFirmware, at: machine.now)
            let guest = try machine.makeGuest("vm", bytes: 2 << 20)
            for _ in 0..<20 { try machine.destroyVM(guest, at: machine.now + 9 * second) }
            let isMerged = series == .merged
            #expect(machine.passCount == (isMerged ? 0 : 1) && machine.optimizedRegions.isEmpty == isMerged)
            let due = machine.now + 10 * second
            #expect(machine.pendingPass?.due == due)
            machine.runToIdle()
            #expect(machine.passes.last?.start == due && !machine.optimizedRegions.isEmpty)
        }
    }

    /// After KVM_SEV_INIT2, a VM has an ASID and nothing else. Its end requests a pass, since decommission returns 0 if
    /// there is no context.
    @Test(arguments: Series.all) func aVMThatWasNeverLaunched(_ series: Series) throws {
        var machine = try host(series)
        let guest = try machine.makeGuest("vm", bytes: 64 << 20)
        let pages = (0..<8).map { machine.assignedPages(ofRegion: $0) }
        try machine.perform(.createVM(guest), at: machine.now)
        #expect(machine.guest(guest)?.state == .created && machine.guest(guest)?.asid != nil)
        #expect((0..<8).map { machine.assignedPages(ofRegion: $0) } == pages)
        #expect(machine.refusal(.setGuestMemory(guest, bytes: 2 << 20)) == .busy(.guestRunning))
        let count = machine.passCount
        let start = machine.now
        try machine.perform(.stopGuest(guest), at: start)
        #expect(machine.guest(guest)?.state == .stopped && machine.guest(guest)?.asid == nil)
        machine.runToIdle()
        // v1 has no such trigger; v2's is the freeing of an inode that has memory.
        #expect(machine.passCount == count + (series.version <= 2 ? 0 : 1))
        if series.version >= 3 { #expect(machine.passes.last?.start == start + 10 * second) }
        // Such a VM does not keep firmware from being shut down.
        try machine.perform(.createVM(guest), at: machine.now)
        #expect(machine.refusal(.shutDownFirmware(x86: false)) == nil)
    }

    /// A created VM that ends after an x86 shutdown: merged writes RMPOPT_BASE and executes RMPOPT, and both fault; in
    /// v10 the workqueue is gone.
    @Test func aVMThatEndsAfterAnX86Shutdown() throws {
        for series in [Series.v10, .merged] {
            var machine = try host(series)
            let guest = try machine.makeGuest("vm", bytes: 2 << 20)
            try machine.perform(.createVM(guest), at: machine.now)
            try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
            try machine.perform(.stopGuest(guest), at: machine.now)
            machine.runToIdle()
            let isMerged = series == .merged
            #expect(machine.lines("unchecked MSR access error").count == (isMerged ? 1 : 0))
            #expect(machine.undefinedOpcodes == (isMerged ? 4 : 0))
        }
    }

    // MARK: Shutdown, again, kexec

    /// SNP_SHUTDOWN_EX with x86_snp_shutdown cancels the pass and allows CPU hotplug again. A legacy shutdown does
    /// neither, and the pass runs with SNP_EN set.
    @Test func bothShutdowns() throws {
        var machine = try host()
        let guest = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.destroyVM(guest, at: machine.now)
        let count = machine.passCount
        let due = machine.now + 10 * second
        var legacy = machine
        try legacy.perform(.shutDownFirmware(x86: false), at: legacy.now + second)
        #expect(legacy.isSNPEnabled && legacy.isHotplugForbidden && legacy.enabledCores == [0, 1, 2, 3])
        #expect(legacy.pendingPass?.due == due && legacy.isDriverSetUp)
        legacy.runToIdle()
        #expect(legacy.passCount == count + 1 && legacy.passes.last?.start == due && legacy.undefinedOpcodes == 0)
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now + second)
        #expect(!machine.isSNPEnabled && !machine.isHotplugForbidden && machine.isDriverSetUp)
        #expect(machine.pendingPass == nil && machine.nextDue == nil)
        machine.advance(to: machine.now + 60 * second)
        #expect(machine.passCount == count)
    }

    /// RMPOPT_BASE is written again only if RMPOPT_EN is 0 on the CPU that asks; the pass comes either way.
    @Test func initAgain() throws {
        var x86 = try host()
        try x86.perform(.shutDownFirmware(x86: true), at: x86.now)
        #expect(x86.enabledCores == [])
        try x86.perform(.initializeFirmware, at: x86.now)
        #expect(x86.enabledCores == [0, 1, 2, 3] && x86.pendingPass?.due == x86.now + 10 * second)
        // A core whose RMPOPT_EN was lost shows whether anything is written.
        for core in [0, 3] {
            var legacy = try host()
            try legacy.perform(.shutDownFirmware(x86: false), at: legacy.now)
            legacy.platform.rmpopt.program(RMPOPTBase(rawValue: 0), cores: CoreSet(core..<(core + 1), limit: 4))
            try legacy.perform(.initializeFirmware, at: legacy.now)
            #expect(legacy.enabledCores == (core == 0 ? [0, 1, 2, 3] : [0, 1, 2]))
            #expect(legacy.pendingPass?.due == legacy.now + 10 * second && legacy.optimizedRegions == [])
            legacy.runToIdle()
            #expect(legacy.undefinedOpcodes == (core == 0 ? 0 : 1))
        }
    }

    /// A legacy shutdown, then SNP_INIT_EX within the 10 s: the pending pass is postponed.
    @Test func initAgainPutsThePendingPassOff() throws {
        var machine = try host()
        let guest = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.destroyVM(guest, at: machine.now)
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now + 4 * second)
        try machine.perform(.initializeFirmware, at: machine.now + second)
        let start = machine.now
        let count = machine.passCount
        machine.runToIdle()
        #expect(machine.passCount == count + 1 && machine.passes.last?.start == start + 10 * second)
    }

    /// The timer dies with its kernel. The new one finds SNP_EN set, disables hotplug, and keeps the registers and
    /// tables of the old one until SNP_INIT_EX.
    @Test func kexec() throws {
        var machine = try host()
        let guest = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.destroyVM(guest, at: machine.now)
        let bits = machine.optimizedRegions
        try machine.perform(.kexec(), at: machine.now)
        #expect(machine.nextDue == nil && machine.isHotplugForbidden && machine.isSNPEnabled)
        #expect(machine.enabledCores == [0, 1, 2, 3] && machine.optimizedRegions == bits && !bits.isEmpty)
        try machine.perform(.initializeFirmware, at: machine.now)
        #expect(machine.optimizedRegions == [] && machine.pendingPass?.due == machine.now + 10 * second)
        machine.runToIdle()
        #expect(machine.optimizedRegions == bits)
    }

    /// snp_prepare() disables hotplug. It allows it again if it refuses; a failed SNP_INIT_EX does not.
    @Test func hotplugAroundSNPInit() throws {
        func online(_ machine: Machine) -> Bool {
            var copy = machine
            return copy.refusal(.setOnline(cpu: 6, false)) == nil
        }
        var machine = try host { $0.boot.stage = .kernel }
        try machine.perform(.setOnline(cpu: 5, false), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == .unsupported(.offlineCPUs) && online(machine))
        #expect(machine.lines("not all CPUs online").count == 1 && !machine.isSNPEnabled)
        try machine.perform(.setOnline(cpu: 5, true), at: machine.now)
        try machine.perform(.failFirmware(count: 1), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == .firmwareFailed && !online(machine))
        #expect(machine.passCount == 0 && machine.pendingPass == nil && machine.enabledCores == [])
        try machine.perform(.initializeFirmware, at: machine.now)
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
        #expect(online(machine))
    }

    // MARK: Where it goes wrong

    /// Built-in KVM runs SNP_INIT_EX before the driver's initcall: no register is written, no pass comes, and the log
    /// says nothing but that RMPOPT is enabled. The first guest that ends puts it right.
    @Test func builtInKVM() throws {
        var machine = try host { $0.boot.kvmIsBuiltIn = true }
        #expect(machine.firmwareState == .initialized && machine.isDriverSetUp)
        #expect(machine.enabledCores == [] && machine.passCount == 0 && machine.nextDue == nil)
        #expect(machine.lines("RMPOPT") == ["SEV-SNP: RMPOPT optimizations enabled"])
        let guest = try machine.makeGuest("vm", bytes: 2 << 20)
        try machine.destroyVM(guest, at: machine.now)
        #expect(machine.enabledCores == [0, 1, 2, 3])
        machine.runToIdle()
        #expect(!machine.optimizedRegions.isEmpty)
        let v10 = try host(.v10) { $0.boot.kvmIsBuiltIn = true }
        #expect(!v10.optimizedRegions.isEmpty)
    }

    /// A contiguous RMP on a processor that supports segments: the write of RMPOPT_BASE faults, which is logged once,
    /// and RMPOPT raises #UD on every core. v10 does without RMPOPT.
    @Test func aContiguousRMP() throws {
        for series in [Series.v10, .merged] {
            let machine = try host(series) { configuration in
                configuration.rmp = try RMPLayout.contiguous(base: 0x1000_0000, end: 0x1880_3fff)
                configuration.firmware = FirmwarePages(memory: configuration.memory, layout: configuration.rmp)
            }
            let isMerged = series == .merged
            #expect(machine.isSNPEnabled && machine.enabledCores == [])
            #expect(
                machine.lines("unchecked MSR").map { $0.prefix(86) }
                    == (isMerged
                        ? ["unchecked MSR access error: WRMSR to 0xc0010139 (tried to write 0x0000000000000001) at"]
                        : [])
            )
            #expect(machine.undefinedOpcodes == (isMerged ? 4 : 0) && machine.optimizedRegions == [])
        }
    }

    /// If RMPOPT_EN outlives SNP_EN on all cores but one that went offline meanwhile, nothing is written, and that core
    /// takes a #UD. If RMPOPT_EN is cleared along with SNP_EN, every core is written.
    @Test func enabledHereAndNotThere() throws {
        for keeps in [true, false] {
            var machine = try host { $0.processor.keepsRMPOPTEnable = keeps }
            try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
            #expect(machine.enabledCores == (keeps ? [0, 1, 2, 3] : []))
            for cpu in [3, 7] { try machine.perform(.setOnline(cpu: cpu, false), at: machine.now) }
            for cpu in [3, 7] { try machine.perform(.setOnline(cpu: cpu, true), at: machine.now) }
            try machine.perform(.initializeFirmware, at: machine.now)
            machine.runToIdle()
            #expect(machine.enabledCores == (keeps ? [0, 1, 2] : [0, 1, 2, 3]))
            #expect(machine.undefinedOpcodes == (keeps ? 1 : 0) && machine.isOptimized(region: 5, cpu: 3) != keeps)
        }
    }

    /// Memory added after boot never becomes part of the range; v10 picks it up at its next set-up.
    @Test func memoryThatIsAddedLater() throws {
        for series in [Series.v10, .merged] {
            var machine = try host(series) { $0.boot.lateMemoryBytes = 2 << 30 }
            #expect(machine.passes.last?.regionsScanned == 6 && !machine.isOptimized(region: 7, cpu: 0))
            try machine.perform(.addMemory, at: machine.now)
            try machine.perform(.reoptimize, at: machine.now)
            machine.runToIdle()
            #expect(machine.passes.last?.regionsScanned == 6)
            try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
            try machine.perform(.initializeFirmware, at: machine.now)
            machine.runToIdle()
            let isMerged = series == .merged
            #expect(machine.passes.last?.regionsScanned == (isMerged ? 6 : 8))
            #expect(machine.isOptimized(region: 7, cpu: 0) != isMerged)
        }
    }

    /// The kernel complains about a per-CPU worker that hogs its CPU for more than 10 ms the 4th, 5th, 7th and 11th
    /// time.
    @Test func aWorkerThatHogsItsCPU() throws {
        func hogs(_ series: Series, scan: UInt64) throws -> [String] {
            var machine = try host(series) { $0.costs.fullScan = scan }
            while machine.passCount < 12 {
                try machine.perform(.reoptimize, at: machine.now)
                machine.runToIdle()
            }
            return machine.lines("hogged")
        }
        let expected = [4, 5, 7, 11].map {
            "workqueue: do_rmpopt_work hogged CPU for >10000us \($0) times, consider switching to WQ_UNBOUND"
        }
        #expect(try hogs(.merged, scan: 2_000_000) == expected)
        #expect(try hogs(.merged, scan: 41_000) == [])
        // Unbound workqueues are exempt.
        #expect(try hogs(.v10, scan: 2_000_000) == [])
    }
}
