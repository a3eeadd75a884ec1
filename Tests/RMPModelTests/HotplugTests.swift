// SPDX-License-Identifier: Apache-2.0
// CPUs that come and go: where a version forbids it, and which cores RMPOPT is executed on where it does not.

import Testing

@testable import RMPModel

@Suite struct HotplugTests {
    /// Eight CPUs, four cores: the siblings of core n are n and n + 4.
    private func host(
        _ series: Series,
        stage: BootPlan.Stage = .firmware,
        online: [Int]? = nil,
        present: [Int]? = nil
    ) throws -> Machine {
        func set(_ cpus: [Int]?) -> CPUSet? {
            guard let cpus else { return nil }
            var set = CPUSet(limit: 8)
            for cpu in cpus { set.insert(cpu) }
            return set
        }
        let topology = try Topology(TopologyShape(coresPerPackage: 4), present: set(present), online: set(online))
        var configuration = try MachineConfiguration(
            topology: topology,
            memory: MemoryMap(bytes: 8 << 30),
            series: series
        )
        configuration.boot.stage = stage
        return Machine(configuration)
    }

    /// The refusal of taking CPU 5 offline.
    private func refusal(_ machine: Machine) -> CommandError? {
        var copy = machine
        return copy.refusal(.setOnline(cpu: 5, false))
    }

    private let forbidden = CommandError.busy(.hotplugForbidden)

    @Test(arguments: Series.all) func beforeAndAfterSNPInit(_ series: Series) throws {
        #expect(refusal(try host(series, stage: .kernel)) == nil)
        #expect(refusal(try host(series)) == (series.version >= 8 ? forbidden : nil))
    }

    @Test(arguments: Series.all) func afterALegacyShutdown(_ series: Series) throws {
        var machine = try host(series)
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        #expect(refusal(machine) == (series.version >= 9 ? forbidden : nil))
    }

    @Test(arguments: Series.all.filter(\.hasCleanUp)) func afterAShutdownThatClearsSNP(_ series: Series) throws {
        var machine = try host(series)
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
        #expect(!machine.isSNPEnabled && refusal(machine) == nil)
        try machine.perform(.initializeFirmware, at: machine.now)
        #expect(machine.isSNPEnabled && refusal(machine) == (series.version >= 8 ? forbidden : nil))
    }

    /// v10 forbids it before SNP_EN is set, so that a failure comes too late.
    @Test(arguments: Series.all) func afterAFailedSNPInit(_ series: Series) throws {
        var machine = try host(series, stage: .kernel)
        try machine.perform(.failFirmware(count: 1), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == .firmwareFailed)
        #expect(refusal(machine) == (series.version == 10 ? forbidden : nil))
        #expect(machine.refusal(.initializeFirmware) == nil)
    }

    /// v10 forbids it where the new kernel finds SNP_EN set.
    @Test(arguments: Series.all) func afterKexec(_ series: Series) throws {
        var machine = try host(series)
        try machine.perform(.kexec, at: machine.now)
        #expect(machine.isSNPEnabled && refusal(machine) == (series.version == 10 ? forbidden : nil))
    }

    /// With CPUs offline, snp_prepare() refuses (v8 and later); not where SNP_EN is set already.
    @Test(arguments: Series.all) func someCPUsOffline(_ series: Series) throws {
        var machine = try host(series, stage: .kernel)
        try machine.perform(.setOnline(cpu: 3, false), at: machine.now)
        let refused = machine.refusal(.initializeFirmware)
        #expect(refused == (series.version >= 8 ? .unsupported(.offlineCPUs) : nil))
        let line = "SEV-SNP: SNP init failed: not all CPUs online. (0-2,4-7 online <-> 0-7 present masks)."
        // The ccp driver adds a line about each failure, unless there is no SNP at all.
        let second = "ccp 0000:01:00.5: SEV-SNP: failed to INIT rc -95, error 0x0"
        let told = machine.logLines.suffix(2).map { "\($0.level) \($0.text)" }
        #expect((told == ["warning \(line)", "error \(second)"]) == (series.version >= 8))
        if series.hotplug == .forbiddenBeforeSNP { return }
        machine = try host(series)
        try machine.perform(.kexec, at: machine.now)
        try machine.perform(.setOnline(cpu: 3, false), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == nil)
    }

    /// A core that comes online after set-up: its RMPOPT_EN is 0, and v1 to v4 execute RMPOPT on it all the same.
    @Test(arguments: [Series.v1, .v2, .v3, .v4, .v5, .v6, .v7]) func aCoreThatComesLate(_ series: Series) throws {
        var machine = try host(series, online: [0, 1, 2, 4, 5, 6])
        #expect(machine.undefinedOpcodes == 0)
        try machine.perform(.setOnline(cpu: 3, true), at: machine.now)
        try machine.perform(.reoptimize, at: machine.now)
        machine.runToIdle()
        #expect(machine.undefinedOpcodes == (series.version <= 4 ? 1 : 0))
        #expect(machine.logLines.contains { $0.text.contains("invalid opcode") } == (series.version <= 4))
        #expect(machine.rmpoptBase(ofCPU: 3)?.isEnabled == false)
        // A reader interrupts all online CPUs, in every version that has the file.
        let before = machine.undefinedOpcodes
        machine.noteReport()
        #expect(machine.undefinedOpcodes == before + 1)
    }

    /// A core whose primary thread is not there is covered by its sibling until v4, and left out from v5 on.
    @Test(arguments: Series.all) func aCoreWithoutPrimaryThread(_ series: Series) throws {
        let machine = try host(series, online: [0, 2, 3, 4, 5, 6, 7], present: [0, 2, 3, 4, 5, 6, 7])
        #expect(machine.isOptimized(region: 5, cpu: 4))
        #expect(machine.isOptimized(region: 5, cpu: 5) == (series.version <= 4))
    }

    @Test func whatNoCPUAllows() throws {
        var machine = try host(.v1, present: [0, 1, 2, 3, 4, 5, 6])
        #expect(machine.refusal(.setOnline(cpu: 0, false)) == .busy(.neededCPU))
        #expect(machine.refusal(.setOnline(cpu: 7, true)) == .invalid(.cpu(7)))
        #expect(machine.refusal(.setOnline(cpu: -1, true)) == .invalid(.cpu(-1)))
        #expect(machine.refusal(.setOnline(cpu: 6, true)) == nil)
    }
}
