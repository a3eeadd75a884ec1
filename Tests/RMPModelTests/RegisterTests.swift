// SPDX-License-Identifier: Apache-2.0
// RDMSR and WRMSR with the rules of each register, and the two leaves of CPUID.

import Testing

@testable import RMPModel

@Suite struct RegisterTests {
    private static let syscfg: UInt32 = 0xc001_0010
    private static let rmpBase: UInt32 = 0xc001_0132
    private static let rmpEnd: UInt32 = 0xc001_0133
    private static let rmpCfg: UInt32 = 0xc001_0136
    private static let rmpoptBase: UInt32 = 0xc001_0139
    private static let encryption: UInt64 = 1 << 23
    private static let snp: UInt64 = 1 << 24

    /// A platform of two cores whose RMP covers four regions, SNP not enabled.
    private func platform(_ processor: Processor = Processor(), _ layout: RMPLayout? = nil) -> Platform {
        Platform(
            rmp: RMP(regionCount: 4),
            rmpopt: RMPOPTTables(coreCount: 2, regionCount: 4),
            msrs: MSRs(processor, layout ?? RMPLayout(regionCount: 4)),
            cpuCount: 2,
            events: EventStream(series: .v10)
        )
    }

    /// A value written before SNP_EN is set, and whether WRMSR takes it or faults.
    struct Write: CustomTestStringConvertible {
        var testDescription: String
        var msr: UInt32
        var value: UInt64
        var isTaken: Bool
    }

    static let writes = [
        Write(testDescription: "SYSCFG, all known bits", msr: syscfg, value: 0x3fc_0000 & ~(1 << 18), isTaken: true),
        Write(testDescription: "SYSCFG, bit 0", msr: syscfg, value: encryption | 1, isTaken: false),
        Write(testDescription: "SYSCFG, bit 63", msr: syscfg, value: 1 << 63, isTaken: false),
        Write(testDescription: "SNP_EN without MEM_ENCRYPT", msr: syscfg, value: snp, isTaken: false),
        Write(testDescription: "SNP_EN", msr: syscfg, value: snp | encryption, isTaken: true),
        Write(testDescription: "RMP_BASE, 8 KB", msr: rmpBase, value: 0x2000, isTaken: true),
        Write(testDescription: "RMP_BASE, highest", msr: rmpBase, value: 0xf_ffff_ffff_e000, isTaken: true),
        Write(testDescription: "RMP_BASE, 4 KB", msr: rmpBase, value: 0x1000, isTaken: false),
        Write(testDescription: "RMP_BASE, bit 52", msr: rmpBase, value: 1 << 52, isTaken: false),
        Write(testDescription: "RMP_END, inclusive", msr: rmpEnd, value: 0x75bf_ffff, isTaken: true),
        Write(testDescription: "RMP_END, bit 52", msr: rmpEnd, value: 1 << 52, isTaken: false),
        Write(testDescription: "RMP_CFG", msr: rmpCfg, value: 0x3f01, isTaken: true),
        Write(testDescription: "RMP_CFG, bit 1", msr: rmpCfg, value: 0x2503, isTaken: false),
        Write(testDescription: "RMP_CFG, bit 14", msr: rmpCfg, value: 1 << 14, isTaken: false),
        Write(testDescription: "RMPOPT_BASE without SNP_EN", msr: rmpoptBase, value: 3 << 30, isTaken: false),
        Write(testDescription: "RMPOPT_EN without SNP_EN", msr: rmpoptBase, value: 1, isTaken: false),
        Write(testDescription: "RMPOPT_BASE, bit 1", msr: rmpoptBase, value: 2, isTaken: false),
        Write(testDescription: "RMPOPT_BASE, bit 29", msr: rmpoptBase, value: 1 << 29, isTaken: false),
        Write(testDescription: "RMPOPT_BASE, bit 52", msr: rmpoptBase, value: 1 << 52, isTaken: false),
        Write(testDescription: "no such register", msr: 0xc001_0138, value: 0, isTaken: false),
    ]

    @Test(arguments: writes) func beforeSNP(_ write: Write) throws {
        var platform = platform()
        let before = try? platform.rdmsr(write.msr, cpu: 0, core: 0)
        if write.isTaken {
            try platform.wrmsr(write.msr, write.value, core: 0)
            #expect(try platform.rdmsr(write.msr, cpu: 0, core: 0) == write.value)
        } else {
            #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(write.msr, write.value, core: 0) }
            #expect((try? platform.rdmsr(write.msr, cpu: 0, core: 0)) == before)
        }
    }

    @Test func afterSNP() throws {
        var platform = platform()
        #expect(!platform.snpEnabled)
        try platform.wrmsr(Self.syscfg, Self.encryption | Self.snp, core: 1)
        #expect(platform.snpEnabled)
        // Ignored, not refused, whatever the value.
        for value in [0, .max, Self.encryption] as [UInt64] {
            try platform.wrmsr(Self.syscfg, value, core: 0)
            #expect(try platform.rdmsr(Self.syscfg, cpu: 0, core: 0) == Self.encryption | Self.snp)
        }
        for msr in [Self.rmpBase, Self.rmpEnd, Self.rmpCfg] {
            let before = try platform.rdmsr(msr, cpu: 0, core: 0)
            #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(msr, before, core: 0) }
            #expect(try platform.rdmsr(msr, cpu: 0, core: 0) == before)
        }
        // Only firmware clears it; then all registers can be written again.
        platform.clearSNP()
        #expect(!platform.snpEnabled)
        try platform.wrmsr(Self.rmpCfg, 0, core: 0)
        platform.enableSNP(on: CPUSet(all: 2))
        #expect(platform.snpEnabled && platform.msrs.syscfg & MSRs.vmplEnable != 0)
        // There is no RMPOPT with a contiguous RMP.
        #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(Self.rmpoptBase, 1, core: 0) }
        try platform.wrmsr(Self.rmpoptBase, 0, core: 0)
    }

    /// Once SNP is enabled, each bit of RMPOPT_BASE that is not reserved can be written, but RMPOPT_EN stays set.
    @Test func rmpoptEnStays() throws {
        var platform = platform()
        #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(Self.rmpoptBase, 0, core: 0) }
        platform.enableSNP(on: CPUSet(all: 2))
        try platform.wrmsr(Self.rmpoptBase, 3 << 30, core: 0)
        for value in [1 << 1, 1 << 29, 1 << 52] as [UInt64] {
            #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(Self.rmpoptBase, value | 1, core: 0) }
        }
        for value in [1, 2 << 30 | 1, 5 << 30 | 1] as [UInt64] { try platform.wrmsr(Self.rmpoptBase, value, core: 0) }
        for value in [0, 5 << 30] as [UInt64] {
            #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(Self.rmpoptBase, value, core: 0) }
        }
        #expect(try platform.rdmsr(Self.rmpoptBase, cpu: 0, core: 0) == 5 << 30 | 1)
        // Each core has its own register, and none can be written once SNP_EN is cleared.
        try platform.wrmsr(Self.rmpoptBase, 0, core: 1)
        platform.clearSNP()
        for value in [0, 5 << 30 | 1] as [UInt64] {
            #expect(throws: MSRFault.generalProtection) { try platform.wrmsr(Self.rmpoptBase, value, core: 0) }
        }
    }

    /// Without SNP_EN, RMPOPT raises #UD whatever RMPOPT_BASE holds.
    @Test(arguments: [0, 1, 7] as [UInt64]) func rmpoptWithoutSNP(_ function: UInt64) throws {
        var platform = platform()
        platform.enableSNP(on: CPUSet(all: 2))
        try platform.wrmsr(Self.rmpoptBase, 1, core: 0)
        let carry = try platform.rmpopt(cpu: 0, core: 0, SPA(1 << 30), function: 0)
        #expect(carry)
        platform.clearSNP()
        #expect(throws: RMPOPTFault.undefinedOpcode) {
            _ = try platform.rmpopt(cpu: 0, core: 0, SPA(1 << 30), function: function)
        }
    }

    /// Before `snp_prepare()`, and after the shutdown that clears SNP_EN.
    @Test func rmpoptOnHostsWithoutSNP() throws {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30, series: .v8)
        configuration.boot.stage = .kernel
        var machine = Machine(configuration)
        let command = Command.rmpopt(cpu: 0, SPA(5 << 30), function: 0)
        #expect(machine.refusal(command) == .fault(.undefinedOpcode))
        try machine.perform(.initializeFirmware, at: machine.now)
        machine.runToIdle()
        #expect(machine.refusal(command) == nil)
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
        #expect(machine.refusal(command) == .fault(.undefinedOpcode))
    }

    @Test func rmpoptBaseIsEachCores() throws {
        var platform = platform()
        platform.enableSNP(on: CPUSet(all: 2))
        try platform.wrmsr(Self.rmpoptBase, 2 << 30 | 1, core: 1)
        #expect(try platform.rdmsr(Self.rmpoptBase, cpu: 0, core: 0) == 0)
        #expect(try platform.rdmsr(Self.rmpoptBase, cpu: 1, core: 1) == 2 << 30 | 1)
        #expect(!platform.rmpopt.isInWindow(region: 2, core: 0) && platform.rmpopt.isInWindow(region: 2, core: 1))
        #expect(throws: RMPOPTFault.undefinedOpcode) {
            _ = try platform.rmpopt.execute(core: 0, spa: SPA(2 << 30), function: 0, rmp: platform.rmp)
        }
        let carry = try platform.rmpopt.execute(core: 1, spa: SPA(2 << 30), function: 0, rmp: platform.rmp)
        #expect(carry)
    }

    @Test func whatTheBIOSLeaves() throws {
        let segmented = platform()
        #expect(try segmented.rdmsr(Self.syscfg, cpu: 0, core: 0) == Self.encryption)
        #expect(try segmented.rdmsr(Self.rmpBase, cpu: 0, core: 0) == 0x870_0000)
        #expect(try segmented.rdmsr(Self.rmpEnd, cpu: 0, core: 0) == 0)
        #expect(try segmented.rdmsr(Self.rmpCfg, cpu: 0, core: 0) == 37 << 8 | 1)
        let contiguous = platform(Processor(), try .contiguous(base: 0x3560_0000, end: 0x75bf_ffff))
        #expect(try contiguous.rdmsr(Self.rmpBase, cpu: 0, core: 0) == 0x3560_0000)
        #expect(try contiguous.rdmsr(Self.rmpEnd, cpu: 0, core: 0) == 0x75bf_ffff)
        #expect(try contiguous.rdmsr(Self.rmpCfg, cpu: 0, core: 0) == 0)
        #expect(try platform(Processor(), .unreserved).rdmsr(Self.rmpBase, cpu: 0, core: 0) == 0)
    }

    @Test func registersThatAreNotThere() throws {
        func exist(_ processor: Processor) -> [Bool] {
            let platform = platform(processor)
            return [Self.syscfg, Self.rmpBase, Self.rmpEnd, Self.rmpCfg, Self.rmpoptBase].map {
                (try? platform.rdmsr($0, cpu: 0, core: 0)) != nil
            }
        }
        #expect(exist(Processor()) == [true, true, true, true, true])
        var processor = Processor()
        processor.rmpopt = false
        #expect(exist(processor) == [true, true, true, true, false])
        processor.segmentedRMP = false
        #expect(exist(processor) == [true, true, true, false, false])
        processor.snp = false
        #expect(exist(processor) == [true, false, false, false, false])
        var old = platform(processor)
        #expect(throws: MSRFault.generalProtection) {
            try old.wrmsr(Self.syscfg, Self.encryption | Self.snp, core: 0)
        }
        #expect(throws: MSRFault.generalProtection) { try old.wrmsr(Self.rmpoptBase, 0, core: 0) }
    }

    @Test func byCommand() throws {
        var machine = try machine()
        #expect(try machine.rdmsr(Self.syscfg, cpu: 3) & Self.snp != 0)
        #expect(try machine.rdmsr(Self.rmpoptBase, cpu: 3) == 1)
        #expect(try machine.perform(.wrmsr(cpu: 3, Self.rmpoptBase, 1 << 30 | 1), at: machine.now) == .done)
        // The sibling thread shares the register; the next core does not.
        #expect(try machine.rdmsr(Self.rmpoptBase, cpu: 11) == 1 << 30 | 1)
        #expect(try machine.rdmsr(Self.rmpoptBase, cpu: 4) == 1)
        let generalProtection = CommandError.msr(.generalProtection)
        #expect(throws: generalProtection) { try machine.perform(.wrmsr(cpu: 0, Self.rmpCfg, 0), at: machine.now) }
        for cpu in [-1, 16, Int.max] {
            #expect(throws: CommandError.invalid(.cpu(cpu))) {
                try machine.perform(.wrmsr(cpu: cpu, Self.rmpoptBase, 0), at: machine.now)
            }
        }
        // RMPOPT_EN stays.
        #expect(throws: generalProtection) { try machine.perform(.wrmsr(cpu: 3, Self.rmpoptBase, 0), at: machine.now) }
        #expect(try machine.rdmsr(Self.rmpoptBase, cpu: 11) == 1 << 30 | 1)
    }

    // MARK: CPUID

    @Test func leavesOfAFullProcessor() {
        let encryption = Processor.venice.cpuid(0x8000_001f)
        #expect(encryption.eax & (1 << 4 | 1 << 21 | 1 << 23) == 1 << 4 | 1 << 21 | 1 << 23)
        #expect(encryption.ecx == 1006)
        let rmp = Processor.venice.cpuid(0x8000_0025)
        #expect(rmp == CPUIDLeaf(eax: 28 | 39 << 6, ebx: 512, ecx: 0, edx: 1))
        #expect(Processor.venice.cpuid(0x8000_0008) == CPUIDLeaf())
    }

    /// Each feature is one bit or field and changes nothing else: the bits that differ afterwards.
    static let changes: [(@Sendable (inout Processor) -> Void, UInt32, CPUIDLeaf)] = [
        ({ $0.rmpread = false }, 0x8000_001f, CPUIDLeaf(eax: 1 << 21)),
        ({ $0.segmentedRMP = false }, 0x8000_001f, CPUIDLeaf(eax: 1 << 23)),
        ({ $0.asidCount = 1006 ^ 0xff }, 0x8000_001f, CPUIDLeaf(ecx: 0xff)),
        ({ $0.rmpopt = false }, 0x8000_0025, CPUIDLeaf(edx: 1)),
        ({ $0.segmentReduction = true }, 0x8000_0025, CPUIDLeaf(ebx: 1 << 10)),
        ({ $0.cachedSegments = 0x3ff }, 0x8000_0025, CPUIDLeaf(ebx: 0x1ff)),
        ({ $0.segmentShifts = 29...39 }, 0x8000_0025, CPUIDLeaf(eax: 1)),
        ({ $0.segmentShifts = 28...38 }, 0x8000_0025, CPUIDLeaf(eax: 1 << 6)),
    ]

    @Test(arguments: changes)
    func features(_ change: @Sendable (inout Processor) -> Void, _ leaf: UInt32, _ difference: CPUIDLeaf) {
        var processor = Processor.venice
        change(&processor)
        let (before, after) = (Processor.venice.cpuid(leaf), processor.cpuid(leaf))
        let found = CPUIDLeaf(
            eax: before.eax ^ after.eax,
            ebx: before.ebx ^ after.ebx,
            ecx: before.ecx ^ after.ecx,
            edx: before.edx ^ after.edx
        )
        #expect(found == difference)
    }

    @Test func withoutSNP() {
        var processor = Processor.venice
        processor.snp = false
        #expect(processor.cpuid(0x8000_001f) == CPUIDLeaf() && processor.cpuid(0x8000_0025) == CPUIDLeaf())
    }
}
