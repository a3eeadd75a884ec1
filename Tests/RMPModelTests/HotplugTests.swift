// SPDX-License-Identifier: Apache-2.0
// CPU hotplug: which versions forbid it, and which cores execute RMPOPT where it is allowed.

import Testing

@testable import RMPModel

@Suite struct HotplugTests {
    /// Eight CPUs, four cores: the threads of core n are CPUs n and n + 4.
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

    /// Why CPU 5 cannot be taken offline; nil if it can.
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

    /// v10 and merged forbid hotplug before they set SNP_EN, so it stays forbidden when SNP_INIT_EX fails.
    @Test(arguments: Series.all) func afterAFailedSNPInit(_ series: Series) throws {
        var machine = try host(series, stage: .kernel)
        try machine.perform(.failFirmware(count: 1), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == .firmwareFailed)
        #expect(refusal(machine) == (series.version >= 10 ? forbidden : nil))
        #expect(machine.refusal(.initializeFirmware) == nil)
    }

    /// v10 and merged forbid hotplug when the new kernel finds SNP_EN set.
    @Test(arguments: Series.all) func afterKexec(_ series: Series) throws {
        var machine = try host(series)
        try machine.perform(.kexec(), at: machine.now)
        #expect(machine.isSNPEnabled && refusal(machine) == (series.version >= 10 ? forbidden : nil))
    }

    /// With a present CPU offline, the kernel refuses from v5 on and says so. Before that, firmware refuses, since it
    /// looks for SNP_EN on every CPU. If SNP_EN is already set everywhere, nobody refuses.
    @Test(arguments: Series.all) func someCPUsOffline(_ series: Series) throws {
        var machine = try host(series, stage: .kernel, online: [0, 1, 2, 4, 5, 6, 7])
        let refused = machine.refusal(.initializeFirmware)
        #expect(refused == (series.version >= 5 ? .unsupported(.offlineCPUs) : .firmwareFailed))
        #expect(machine.firmwareState == .uninitialized)
        // A kernel that does not look for offline CPUs has set SNP_EN by now.
        #expect(machine.isSNPEnabled == (series.version <= 4))
        let line = "warning SEV-SNP: SNP init failed: not all CPUs online. (0-2,4-7 online <-> 0-7 present masks)."
        // The ccp driver logs firmware's refusal, but not the kernel's.
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

    /// In v1 and v2, a callback sets SNP_EN on a CPU that comes online late, and SNP_INIT_EX then succeeds. v3's base
    /// has dropped the callback, and snp_prepare(), from v4 on, sets SNP_EN only once.
    @Test(arguments: Series.all.prefix(4)) func aCPUThatComesLate(_ series: Series) throws {
        var machine = try host(series, stage: .kernel, online: [0, 1, 2, 4, 5, 6, 7])
        #expect(machine.refusal(.initializeFirmware) == .firmwareFailed)
        try machine.perform(.setOnline(cpu: 3, true), at: machine.now)
        #expect(machine.refusal(.initializeFirmware) == (series.version <= 2 ? nil : .firmwareFailed))
        let syscfg = try machine.rdmsr(MSRs.Number.syscfg, cpu: 3)
        #expect((syscfg & MSRs.snpEnable != 0) == (series.version <= 2))
    }

    /// A core that comes online after set-up has RMPOPT_EN 0. v1 and v2 execute RMPOPT on it in every pass; v3 to v5
    /// only if the work lands there, since masks are fixed at set-up; v6 and v7 check, and pick another leader.
    @Test(arguments: Series.all.prefix(7), [0, 3]) func aCoreThatComesLate(_ series: Series, _ workerCPU: Int) throws {
        var configuration = try MachineConfiguration(
            topology: Topology(TopologyShape(coresPerPackage: 4)),
            memory: MemoryMap(bytes: 8 << 30),
            series: series
        )
        configuration.boot.workerCPU = workerCPU
        configuration.boot.stage = .kernel
        var machine = Machine(configuration)
        // Boots a second kernel, which sets RMPOPT up while core 3 is offline.
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
        // Reading the table interrupts all online CPUs, in every version that has the file.
        let before = machine.undefinedOpcodes
        machine.noteReport()
        #expect(machine.undefinedOpcodes == before + 1)
    }

    /// A core whose primary thread is not present is covered by its sibling in v1 and v2, and left out from v3 on.
    @Test(arguments: Series.all) func aCoreWithoutPrimaryThread(_ series: Series) throws {
        var machine = try host(series, online: [0, 2, 3, 4, 5, 6, 7], present: [0, 2, 3, 4, 5, 6, 7])
        #expect(machine.isOptimized(region: 5, cpu: 4))
        #expect(machine.isOptimized(region: 5, cpu: 5) == (series.version <= 2))
        // v2 and v3 write RMPOPT_BASE on every online CPU, later versions only through the primary thread.
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

    /// Cores without an online CPU optimize nothing, and nobody needs them to.
    @Test func optimizedOnAllThatAreOnline() throws {
        var machine = try host(.v1)
        let all = machine.optimizedRegions
        let web = try machine.launch(GuestDescription("web", memoryBytes: 1 << 30, placement: .aligned))
        let lost = machine.regions(ofGuest: web).filter { all.contains($0) }
        try machine.perform(.stopGuest(web))
        for cpu in [1, 5] { try machine.perform(.setOnline(cpu: cpu, false)) }
        machine.runToIdle()
        #expect(!lost.isEmpty && machine.optimizedRegions == all.filter { !lost.contains($0) })
        try machine.perform(.reoptimize)
        machine.runToIdle()
        #expect(machine.optimizedRegions == all && !machine.isOptimized(region: lost[0], cpu: 1))
        // The core comes back with the bits that it had, so its regions are lost again.
        try machine.perform(.setOnline(cpu: 5, true))
        #expect(machine.optimizedRegions == all.filter { !lost.contains($0) })
    }
}
