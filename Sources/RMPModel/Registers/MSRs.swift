// SPDX-License-Identifier: Apache-2.0
// The model-specific registers that say whether SNP is enabled and where the RMP is, with the rules for writing them.

/// A fault of RDMSR or WRMSR.
public enum MSRFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// #GP: no such register, a reserved bit, or not allowed in this state.
    case generalProtection

    /// The fault's mnemonic.
    public var description: String { "#GP" }
}

/// The registers of SNP except RMPOPT_BASE, of which each core has its own. The others are the same on all cores: BIOS
/// and kernel write them that way, and nothing works otherwise.
///
/// Source: APM vol 2 15.36.2 (SYSCFG, and what SNP_EN locks), 15.36.3 (RMP_BASE, RMP_END), 15.36.22 (RMP_CFG). Choices
/// where they are silent: reserved bits give #GP; SNP_EN locks RMP_BASE and RMP_END as it locks RMP_CFG; setting SNP_EN
/// needs MEM_ENCRYPT and a processor with SNP.
public struct MSRs: Sendable, Hashable {
    /// The numbers of the registers.
    public enum Number {
        /// SYSCFG.
        public static let syscfg: UInt32 = 0xc001_0010
        /// RMP_BASE.
        public static let rmpBase: UInt32 = 0xc001_0132
        /// RMP_END.
        public static let rmpEnd: UInt32 = 0xc001_0133
        /// RMP_CFG.
        public static let rmpConfiguration: UInt32 = 0xc001_0136
    }

    /// SYSCFG.MEM_ENCRYPT, bit 23.
    public static let memoryEncryption: UInt64 = 1 << 23
    /// SYSCFG.SNP_EN, bit 24: once set, it stays until reset or until firmware clears it.
    public static let snpEnable: UInt64 = 1 << 24
    /// SYSCFG.VMPL_EN, bit 25.
    public static let vmplEnable: UInt64 = 1 << 25
    /// SYSCFG.MtrrFixDramModEn, bit 19.
    public static let mtrrFixDramModEnable: UInt64 = 1 << 19
    /// Bits of SYSCFG that the model has; others must be 0.
    private static let syscfgMask = memoryEncryption | snpEnable | vmplEnable | mtrrFixDramModEnable | 0x70_0000
    /// Bits 51:13 of RMP_BASE and RMP_END.
    private static let addressMask: UInt64 = (1 << 52 - 1) & ~0x1fff
    /// Bit 0 and bits 13:8 of RMP_CFG.
    private static let configurationMask: UInt64 = 1 | 0x3f << 8

    let processor: Processor
    /// SYSCFG.
    public private(set) var syscfg: UInt64
    /// RMP_BASE.
    public private(set) var rmpBase: UInt64
    /// RMP_END; its low 13 bits read as 1 on hardware, but as written here.
    public private(set) var rmpEnd: UInt64
    /// RMP_CFG: bit 0 SegmentedRmpEn, bits 13:8 the segment size as a shift.
    public private(set) var rmpConfiguration: UInt64

    /// As the BIOS leaves them for a layout.
    init(_ processor: Processor, _ layout: RMPLayout) {
        self.processor = processor
        syscfg = processor.snp ? MSRs.memoryEncryption : 0
        rmpBase = layout.rmpBase
        rmpEnd = layout.rmpEnd
        rmpConfiguration = layout.isSegmented ? 1 | UInt64(layout.shift) << 8 : 0
    }

    /// SYSCFG.SNP_EN.
    public var snpEnabled: Bool { syscfg & MSRs.snpEnable != 0 }
    /// RMP_CFG.SegmentedRmpEn.
    public var isSegmented: Bool { rmpConfiguration & 1 != 0 }
    /// Whether the processor has RMPOPT_BASE.
    public var hasRMPOPT: Bool { processor.rmpopt }
    /// Whether RMPOPT_BASE keeps its value when SNP_EN is cleared.
    var keepsRMPOPTEnable: Bool { processor.keepsRMPOPTEnable }

    mutating func enableSNP() { syscfg |= MSRs.snpEnable | MSRs.vmplEnable | MSRs.mtrrFixDramModEnable }
    /// Firmware clears SNP_EN; after it the kernel clears MtrrFixDramModEn (`snp_shutdown()`).
    mutating func clearSNP() { syscfg &= ~(MSRs.snpEnable | MSRs.vmplEnable | MSRs.mtrrFixDramModEnable) }

    func read(_ number: UInt32) throws(MSRFault) -> UInt64 {
        switch number {
        case Number.syscfg: return syscfg
        case Number.rmpBase where processor.snp: return rmpBase
        case Number.rmpEnd where processor.snp: return rmpEnd
        case Number.rmpConfiguration where processor.segmentedRMP: return rmpConfiguration
        default: throw .generalProtection
        }
    }

    mutating func write(_ number: UInt32, _ value: UInt64) throws(MSRFault) {
        switch number {
        case Number.syscfg:
            // With SNP_EN set, writes are ignored.
            if snpEnabled { return }
            if value & ~MSRs.syscfgMask != 0 { throw .generalProtection }
            let enables = value & MSRs.snpEnable != 0
            if enables && !(processor.snp && value & MSRs.memoryEncryption != 0) { throw .generalProtection }
            syscfg = value
        case Number.rmpBase where processor.snp:
            if snpEnabled || value & ~MSRs.addressMask != 0 { throw .generalProtection }
            rmpBase = value
        case Number.rmpEnd where processor.snp:
            if snpEnabled || value >> 52 != 0 { throw .generalProtection }
            rmpEnd = value
        case Number.rmpConfiguration where processor.segmentedRMP:
            if snpEnabled || value & ~MSRs.configurationMask != 0 { throw .generalProtection }
            rmpConfiguration = value
        default: throw .generalProtection
        }
    }
}
