// SPDX-License-Identifier: Apache-2.0
// CPU hotplug: which versions forbid it, and which cores execute RMPOPT where it is allowed.

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
        #expect(refusal(machine) == (series.version >= 8 ? forbidden : nil))
    }

    @Test(arguments: Series.all.filter(\.knowsX86Shutdown)) func afterAShutdownThatClearsSNP(_ series: Series) throws {
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
        #expect(refusal(machine) == (series.version >= 10 ? forbidden : nil))
        #expect(machine.refusal(.initializeFirmware) == nil)
    }

    /// v10 forbids it where the new kernel finds SNP_EN set.
    @Test(arguments: Series.all) func afterKexec(_ series: Series) throws {
        var machine = try host(series)
        try machine.perform(.kexec(), at: machine.now)
        #expect(machine.isSNPEnabled && refusal(machine) == (series.version >= 10 ? forbidden : nil))
    }

    /// With a CPU offline that is there, the kernel refuses from v5 on and says so; before, firmware does, which looks
    /// for SNP_EN on each CPU. Not where SNP_EN is set everywhere already.
    @Test(arguments: Series.all) func someCPUsOffline(_ series: Series) throws {
        var machine = try host(series, stage: .kernel, online: [0, 1, 2, 4, 5, 6, 7])
        let refused = machine.refusal(.initializeFirmware)
        #expect(refused == (series.version >= 5 ? .unsupported(.offlineCPUs) : .firmwareFailed))
        #expect(machine.firmwareState == .uninitialized)
        // SNP_EN is set where a kernel does not look.
        #expect(machine.isSNPEnabled == (series.version <= 4))
        let line = "warning SEV-SNP: SNP init failed: not all CPUs online. (0-2,4-7 online <-> 0-7 present masks)."
        // The ccp driver has a line about firmware's refusal, and none about the kernel's.
        let expected =
            series.version <= 4 ? ["error ccp 0000:01:00.5: SEV-SNP: SNP_INIT_EX failed rc -5, error 0x3"] : [line]
        let told = machine.logLines.map { "\($0.level) \($0.text)" }.filter { $0.contains("ccp") || $0 == line }
        #expect(told == expected)
        machine = try host(series)
        var online = CPUSet(all: 8)
        online.remove(3)
        try machine.perform(.kexec(online: online), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == nil)
    }

    /// A CPU that comes online late gets SNP_EN by a callback in v1 and v2, whose firmware then starts; v3's base
    /// has dropped it, and snp_prepare() of v4 on sets it once.
    @Test(arguments: Series.all.prefix(4)) func aCPUThatComesLate(_ series: Series) throws {
        var machine = try host(series, stage: .kernel, online: [0, 1, 2, 4, 5, 6, 7])
        #expect(machine.refusal(.initializeFirmware) == .firmwareFailed)
        try machine.perform(.setOnline(cpu: 3, true), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == (series.version <= 2 ? nil : .firmwareFailed))
        let syscfg = try machine.rdmsr(MSRs.Number.syscfg, cpu: 3)
        #expect((syscfg & MSRs.snpEnable != 0) == (series.version <= 2))
    }

    /// A core that comes online after set-up has RMPOPT_EN 0. v1 and v2 execute RMPOPT on it in every pass; v3 to v5
    /// only if the work lands there, as masks are fixed at set-up; v6 and v7 look, and take another leader.
    @Test(arguments: Series.all.prefix(7), [0, 3]) func aCoreThatComesLate(_ series: Series, _ workerCPU: Int) throws {
        var configuration = try MachineConfiguration(
            topology: Topology(TopologyShape(coresPerPackage: 4)),
            memory: MemoryMap(bytes: 8 << 30),
            series: series
        )
        configuration.boot.workerCPU = workerCPU
        configuration.boot.stage = .kernel
        var machine = Machine(configuration)
        // Another kernel, in which core 3 is offline as it sets RMPOPT up.
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        machine.platform.rmpopt.program(RMPOPTBase(rawValue: 0), cores: CoreSet(all: 4))
        var online = CPUSet(all: 8)
        online.remove(3)
        online.remove(7)
        try machine.perform(.kexec(online: online), at: machine.now)
        machine.runToIdle()
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.undefinedOpcodes == 0 && machine.isDriverSetUp)
        try machine.perform(.setOnline(cpu: 3, true), at: machine.now)
        try machine.perform(.reoptimize, at: machine.now)
        machine.runToIdle()
        let faults = series.version <= 2 || (series.version <= 5 && workerCPU == 3)
        #expect(machine.undefinedOpcodes == (faults ? 1 : 0))
        #expect(machine.logLines.contains { $0.text.contains("invalid opcode") } == faults)
        #expect(machine.rmpoptBase(ofCPU: 3)?.isEnabled == false)
        // A reader interrupts all online CPUs, in every version that has the file.
        let before = machine.undefinedOpcodes
        machine.noteReport()
        #expect(machine.undefinedOpcodes == before + 1)
    }

    /// A core whose primary thread is not there is covered by its sibling in v1 and v2, and left out from v3 on.
    @Test(arguments: Series.all) func aCoreWithoutPrimaryThread(_ series: Series) throws {
        var machine = try host(series, online: [0, 2, 3, 4, 5, 6, 7], present: [0, 2, 3, 4, 5, 6, 7])
        #expect(machine.isOptimized(region: 5, cpu: 4))
        #expect(machine.isOptimized(region: 5, cpu: 5) == (series.version <= 2))
        // RMPOPT_BASE is written on every online CPU in v2 and v3, through the primary thread alone from v4 on.
        #expect(machine.rmpoptBase(ofCPU: 5)?.isEnabled == (series.version <= 3))
        machine.noteReport()
    }

    @Test func whatNoCPUAllows() throws {
        var machine = try host(.v1, present: [0, 1, 2, 3, 4, 5, 6])
        #expect(machine.refusal(.setOnline(cpu: 0, false)) == .busy(.neededCPU))
        #expect(machine.refusal(.setOnline(cpu: 7, true)) == .invalid(.cpu(7)))
        #expect(machine.refusal(.setOnline(cpu: -1, true)) == .invalid(.cpu(-1)))
        #expect(machine.refusal(.setOnline(cpu: 6, true)) == nil)
    }
}
