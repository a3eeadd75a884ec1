// SPDX-License-Identifier: Apache-2.0
// Which pages belong to firmware from boot on: they decide which regions RMPOPT can never win.

/// Firmware's own memory.
///
/// Source: Linux drivers/crypto/ccp/sev-dev.c (a TMR of 2 MB for SNP, command buffers). Where they lie is a choice: in
/// the first memory above 4 GB, so that region 4 is never optimized, as in the published sample of series v1 patch 6/6;
/// directly above the RMP where there is no memory above 4 GB, or where the RMP itself reaches that far.
public struct FirmwarePages: Sendable, Hashable {
    /// The trusted memory region: 2 MB, aligned to 2 MB.
    public let trustedMemory: Range<UInt64>
    /// Two command buffer pages.
    public let commandBuffers: Range<UInt64>

    /// Ranges that are handed to SNP_INIT_EX as HV-fixed, as address and number of pages: never assigned, and therefore
    /// no hindrance to RMPOPT. The first two of the published list, which every PC has.
    public static let hypervisorFixed: [(start: SPA, pages: Int)] = [(SPA(0), 1), (SPA(0xa_0000), 96)]

    init(memory: MemoryMap, layout: RMPLayout) {
        let fourGB: UInt64 = 4 << 30
        let aboveRMP = layout.tables.upperBound.alignedUp(to: Granularity.frame)
        let needed = Granularity.frame + 2 * Granularity.page
        let fits = aboveRMP <= fourGB && memory.end.rawValue >= fourGB + needed
        let start = fits ? fourGB : aboveRMP
        trustedMemory = start..<(start + Granularity.frame)
        commandBuffers = trustedMemory.upperBound..<(start + needed)
    }
}
