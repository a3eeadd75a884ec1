// SPDX-License-Identifier: Apache-2.0
// The MSR that enables RMPOPT on a core and says which 2 TB its table covers.

/// MSR C001_0139, RMPOPT_BASE: bit 0 enables RMPOPT, the rest is the 1 GB-aligned start of the window.
///
/// Source: series v1 patch 2/6 (`MSR_AMD64_RMPOPT_BASE`, `MSR_AMD64_RMPOPT_ENABLE`). One register for each core.
public struct RMPOPTBase: Sendable, Hashable {
    /// The number of the MSR.
    public static let msr: UInt32 = 0xc001_0139
    /// Regions in a window: 2 TB.
    public static let windowRegions = 2048

    /// Bits that must be 0: 29:1, below the 1 GB-aligned base, and those above any physical address (a choice).
    public static let reservedMask: UInt64 = 0x3fff_fffe | ~(1 << 52 - 1)

    /// The register's value.
    public var rawValue: UInt64

    /// A value of the register; bits 29:1 are ignored.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// An enabled window from `base`, rounded down to 1 GB.
    public init(enabledFrom base: SPA) { rawValue = base.rawValue.alignedDown(to: Granularity.region) | 1 }

    /// RMPOPT_EN.
    public var isEnabled: Bool { rawValue & 1 != 0 }
    /// The start of the window.
    public var base: SPA { SPA(rawValue.alignedDown(to: Granularity.region)) }
}

/// The cores whose tables cover the same regions.
struct RMPOPTWindow: Sendable {
    var regions: Range<Int>
    var cores: CoreSet

    static func regions(from base: RMPOPTBase) -> Range<Int> {
        let first = base.base.region
        return first..<(first + RMPOPTBase.windowRegions)
    }

    /// The windows of all enabled cores, ordered by first core.
    static func group(_ bases: [RMPOPTBase]) -> [RMPOPTWindow] {
        var windows: [RMPOPTWindow] = []
        for (core, base) in bases.enumerated() where base.isEnabled {
            let regions = regions(from: base)
            let known = windows.firstIndex { $0.regions == regions }
            if known == nil { windows.append(RMPOPTWindow(regions: regions, cores: CoreSet(limit: bases.count))) }
            windows[known ?? windows.count - 1].cores.insert(core)
        }
        return windows
    }
}
