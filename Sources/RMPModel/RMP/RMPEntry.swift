// SPDX-License-Identifier: Apache-2.0
// One RMP entry as the manuals describe it, and its raw form.

/// The fields of an RMP entry.
///
/// Source: PPR for Family 19h Model 01h and AMD's ASP firmware header (raw layout); APM vol 2 15.36.3.
public struct RMPEntry: Sendable, Hashable {
    /// Whether the page belongs to a guest or to firmware; otherwise it is hypervisor-owned.
    public var assigned: Bool
    /// Whether the entry covers 4 KB or the whole 2 MB.
    public var pageSize: PageSize
    /// Whether the entry is locked to firmware: RMPUPDATE fails with FAIL_PERMISSION.
    public var immutable: Bool
    /// Where the guest sees the page. Bits 50:12 are kept and all others dropped.
    public var gpa: GPA
    /// The guest's ASID, 0 ... 1023. Higher bits are dropped.
    public var asid: UInt16
    /// Whether the page is a VMSA, or, with ASID 0, a guest context page.
    public var vmsa: Bool
    /// Whether the guest has accepted the page with PVALIDATE.
    public var validated: Bool
    /// Whether the processor or firmware holds the entry: RMPUPDATE fails with FAIL_INUSE.
    public var locked: Bool

    /// An entry from its fields; without arguments, a hypervisor-owned page.
    public init(
        assigned: Bool = false,
        pageSize: PageSize = .size4K,
        immutable: Bool = false,
        gpa: GPA = GPA(0),
        asid: UInt16 = 0,
        vmsa: Bool = false,
        validated: Bool = false,
        locked: Bool = false
    ) {
        self.assigned = assigned
        self.pageSize = pageSize
        self.immutable = immutable
        self.gpa = GPA(gpa.rawValue & EntryWord.gpaMask)
        self.asid = asid & 0x3ff
        self.vmsa = vmsa
        self.validated = validated
        self.locked = locked
    }

    /// The entry in a raw low quadword; its subpage count (bits 11:3) is ignored.
    public init(rawLow: UInt64) {
        let word = EntryWord(bits: rawLow)
        self.init(
            assigned: word.isAssigned,
            pageSize: word.is2M ? .size2M : .size4K,
            immutable: word.isImmutable,
            gpa: GPA(word.gpa),
            asid: word.asid,
            vmsa: rawLow & EntryWord.vmsaBit != 0,
            validated: rawLow & EntryWord.validatedBit != 0,
            locked: word.isLocked
        )
    }

    /// The raw low quadword.
    ///
    /// - Parameter subpageCount: for the entry of a 2 MB-aligned page, the number of other assigned 4 KB pages in its
    ///   2 MB, 0 ... 511 (higher bits are dropped); for every other entry, 0.
    public func rawLow(subpageCount: Int = 0) -> UInt64 {
        word.bits | (UInt64(truncatingIfNeeded: subpageCount) << 3) & EntryWord.spareMask
    }

    var word: EntryWord {
        var bits = gpa.rawValue & EntryWord.gpaMask | UInt64(asid & 0x3ff) << EntryWord.asidShift
        if assigned { bits |= EntryWord.assignedBit }
        if pageSize == .size2M { bits |= EntryWord.pageSizeBit }
        if immutable { bits |= EntryWord.immutableBit }
        if vmsa { bits |= EntryWord.vmsaBit }
        if validated { bits |= EntryWord.validatedBit }
        if locked { bits |= EntryWord.lockBit }
        return EntryWord(bits: bits)
    }
}
