// SPDX-License-Identifier: Apache-2.0
// What the processor reports about SNP and RMPOPT: chosen in the machine file, returned by CPUID.

/// The SNP features of a processor.
public struct Processor: Sendable, Hashable {
    /// SEV-SNP, CPUID Fn8000_001F EAX[4].
    public var snp = true
    /// RMPREAD, CPUID Fn8000_001F EAX[21].
    public var rmpread = true
    /// The segmented RMP, CPUID Fn8000_001F EAX[23].
    public var segmentedRMP = true
    /// RMPOPT, CPUID Fn8000_0025 EDX[0].
    public var rmpopt = true
    /// The smallest and largest RMP segment as a shift, CPUID Fn8000_0025 EAX[5:0] and EAX[11:6].
    public var segmentShifts: ClosedRange<UInt8> = 28...39
    /// How many RMP segments the processor caches, CPUID Fn8000_0025 EBX[9:0].
    public var cachedSegments = 512
    /// Whether the segment table has no more entries than the processor caches, CPUID Fn8000_0025 EBX[10]
    /// (NumSegReduction).
    public var segmentReduction = false
    /// Whether RMPOPT_BASE keeps its value when firmware clears SNP_EN. Not known: the merged code takes RMPOPT_EN on
    /// the requesting CPU for RMPOPT_EN on all of them, which suggests that it is cleared. If it is kept, a core whose
    /// last thread goes offline while SNP_EN is clear loses it.
    public var keepsRMPOPTEnable = false
    /// The number of SEV ASIDs, CPUID Fn8000_001F ECX: 1 ... 1023. Each SNP guest takes one.
    public var asidCount: UInt16 = 1006

    /// A processor with every feature.
    public init() {}

    /// Zen 6 EPYC as far as it is known: all of the features. Shifts, cached segments and ASIDs are a choice, taken
    /// from current EPYC processors.
    public static let venice = Processor()
}
