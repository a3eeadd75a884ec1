// SPDX-License-Identifier: Apache-2.0
// Which pages belong to firmware from boot on: they decide which regions RMPOPT can never optimize.

/// Firmware's own memory, and the pages that it is told to make HV-fixed.
public struct FirmwarePages: Sendable, Hashable {
    /// Ranges of whole pages in Firmware state: the trusted memory region (TMR), command buffers and the like.
    public internal(set) var assigned: [Range<UInt64>]
    /// Ranges of whole pages in HV-Fixed state: never assigned, so they do not block RMPOPT.
    public internal(set) var hypervisorFixed: [Range<UInt64>]

    /// The ranges as given, in bytes; multiples of 4 KB.
    ///
    /// - Throws: `ConfigurationError.place` if a range does not consist of whole pages.
    public init(assigned: [Range<UInt64>], hypervisorFixed: [Range<UInt64>]) throws(ConfigurationError) {
        for range in assigned + hypervisorFixed
        where (range.lowerBound | range.upperBound) & (Granularity.page - 1) != 0 {
            throw .place("firmware's pages", range, rule: "start and size must be multiples of 4096")
        }
        self.assigned = assigned
        self.hypervisorFixed = hypervisorFixed
    }

    /// The HV-fixed ranges that every PC has: the first two of the list in the series' threads.
    public static let usualFixed: [Range<UInt64>] = [0..<0x1000, 0xa_0000..<0x10_0000]

    /// What firmware makes HV-fixed by itself: ASEG, and the 4 GB of the old HyperTransport area. It adds TSEG, too,
    /// which lies where the BIOS puts it; a machine has a TSEG only if its list of HV-fixed ranges has one.
    ///
    /// Source: AMD's ASP firmware, sev_rmp.c, `add_known_hvfixed_ranges()`. That ASEG is in use is a choice.
    public static let knownFixed: [Range<UInt64>] = [0xa_0000..<0xc_0000, 0xfd_0000_0000..<0xfe_0000_0000]

    /// Those of the known ranges that a memory map reaches; holes are HV-fixed anyway.
    static func knownFixed(in memory: MemoryMap) -> [Range<UInt64>] {
        knownFixed.map { $0.clamped(to: 0..<memory.end.rawValue) }.filter { !$0.isEmpty }
    }

    /// A TMR of 2 MB and two command buffers after it.
    ///
    /// Source: Linux drivers/crypto/ccp/sev-dev.c (a TMR of 2 MB for SNP, command buffers). Where they lie is a choice:
    /// in the first memory above 4 GB, so that region 4 is never optimized, as in the published sample of series v1
    /// patch 6/6; directly above the RMP if there is no memory above 4 GB, or if the RMP itself reaches that far.
    init(memory: MemoryMap, layout: RMPLayout) {
        let fourGB: UInt64 = 4 << 30
        let needed = Granularity.chunk + 2 * Granularity.page
        let tables = layout.segments.map(\.table) + [layout.head]
        func isFree(_ start: UInt64) -> Bool {
            let range = start..<(start + needed)
            return memory.contains(range) && !tables.contains { $0.overlaps(range) }
        }
        let aboveRMP = (tables.map(\.upperBound).max() ?? 0).alignedUp(to: Granularity.chunk)
        let start = isFree(fourGB) ? fourGB : aboveRMP
        assigned = [start..<(start + needed)]
        hypervisorFixed = FirmwarePages.usualFixed
    }
}
