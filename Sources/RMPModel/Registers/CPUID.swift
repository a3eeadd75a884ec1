// SPDX-License-Identifier: Apache-2.0
// The two CPUID leaves that tell software about SNP and RMPOPT.

/// The four registers that CPUID returns.
public struct CPUIDLeaf: Sendable, Hashable {
    /// EAX.
    public var eax: UInt32 = 0
    /// EBX.
    public var ebx: UInt32 = 0
    /// ECX.
    public var ecx: UInt32 = 0
    /// EDX.
    public var edx: UInt32 = 0
}

extension Processor {
    /// The encryption leaf.
    public static let encryptionLeaf: UInt32 = 0x8000_001f
    /// The RMP leaf.
    public static let rmpLeaf: UInt32 = 0x8000_0025

    /// CPUID of a leaf; zeros for any leaf other than these two.
    ///
    /// Source: APM vol 3, Fn8000_001F and Fn8000_0025; series v1 patch 1/6 (EDX bit 0). Choices: SME, SEV and SEV-ES
    /// come with SNP, the C-bit is 51, the first ASID without SEV-ES 1.
    public func cpuid(_ leaf: UInt32) -> CPUIDLeaf {
        func bit(_ number: UInt32, _ isSet: Bool) -> UInt32 { isSet ? 1 << number : 0 }
        switch leaf {
        case Processor.encryptionLeaf:
            guard snp else { return CPUIDLeaf() }
            // SME, SEV, page flush, SEV-ES, SNP, VMPL; RMPREAD; the segmented RMP.
            return CPUIDLeaf(
                eax: 0b11_1011 | bit(21, rmpread) | bit(23, segmentedRMP),
                ebx: 51 | 4 << 12,
                ecx: UInt32(asidCount),
                edx: 1
            )
        case Processor.rmpLeaf:
            guard snp, segmentedRMP else { return CPUIDLeaf(edx: bit(0, snp && rmpopt)) }
            return CPUIDLeaf(
                eax: UInt32(segmentShifts.lowerBound & 0x3f) | UInt32(segmentShifts.upperBound & 0x3f) << 6,
                ebx: UInt32(truncatingIfNeeded: cachedSegments) & 0x3ff | bit(10, segmentReduction),
                edx: bit(0, rmpopt)
            )
        default: return CPUIDLeaf()
        }
    }
}
