// SPDX-License-Identifier: Apache-2.0
// The instruction with which the hypervisor looks at an entry without knowing the raw format.

/// What RMPREAD stores: an RMP entry in architectural form, which does not show VMSA and validated.
///
/// Source: APM vol 3, RMPREAD. Of its codes 0, 1 and 2, the model never returns FAIL_PERMISSION (2): when hardware does
/// is UNKNOWN.
public struct RMPReadOutput: Sendable, Hashable {
    /// The guest physical address.
    public var gpa: GPA
    /// Whether the page is assigned.
    public var assigned: Bool
    /// The size of the entry.
    public var pageSize: PageSize
    /// For a 2 MB-aligned page: whether any other page of its 2 MB is assigned by an entry of its own. A 2 MB entry
    /// alone does not count (a choice: the sources do not say).
    public var hugePageRegionStatus: Bool
    /// Whether the entry is immutable.
    public var immutable: Bool
    /// The ASID.
    public var asid: UInt32
}

extension RMP {
    /// RMPREAD of the page at `spa`; FAIL_INPUT if no RMP entry covers the address. FAIL_PERMISSION is for a current
    /// ASID other than 0, which a host never has.
    func read(_ spa: UInt64) throws(RMPCode) -> RMPReadOutput {
        let pfn = spa >> 12
        if !covers(pfn) { throw .failInput }
        let word = entry(chunk: Int(truncatingIfNeeded: pfn >> 9), index: Int(truncatingIfNeeded: pfn & 511))
        return RMPReadOutput(
            gpa: GPA(word.gpa),
            assigned: word.isAssigned,
            pageSize: word.is2M ? .size2M : .size4K,
            hugePageRegionStatus: subpageCount(pfn) > 0,
            immutable: word.isImmutable,
            asid: UInt32(word.asid)
        )
    }

    /// The subpage count of a page's raw entry: for a 2 MB-aligned page, how many other pages of its 2 MB are assigned
    /// by entries of their own, 0 ... 511; for any other page, 0.
    func subpageCount(_ pfn: UInt64) -> Int {
        if !covers(pfn) || pfn & 511 != 0 { return 0 }
        let chunk = Int(truncatingIfNeeded: pfn >> 9)
        let first = entry(chunk: chunk, index: 0)
        if first.is2M { return 0 }
        return assignedPages(inChunk: chunk) - (first.isAssigned ? 1 : 0)
    }
}
