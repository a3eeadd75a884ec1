// SPDX-License-Identifier: Apache-2.0
// The instruction with which the hypervisor gives pages away and takes them back, with its checks in the manual's
// order.

/// What an RMP instruction leaves in EAX.
///
/// Source: APM vol 3, RMPUPDATE and PSMASH.
public enum RMPCode: UInt32, Error, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Done.
    case success = 0
    /// FAIL_INPUT: an operand is wrong, or no RMP entry covers the address.
    case failInput = 1
    /// FAIL_PERMISSION: the entry is immutable.
    case failPermission = 2
    /// FAIL_INUSE: the entry is locked by another processor or by firmware, or the page is a VMSA in use.
    case failInUse = 3
    /// FAIL_OVERLAP: a 4 KB and a 2 MB entry would cover the same page.
    case failOverlap = 4

    /// The manual's name of the code.
    public var description: String {
        switch self {
        case .success: "SUCCESS"
        case .failInput: "FAIL_INPUT"
        case .failPermission: "FAIL_PERMISSION"
        case .failInUse: "FAIL_INUSE"
        case .failOverlap: "FAIL_OVERLAP"
        }
    }
}

/// The 16 bytes that RCX points to: the new entry in architectural form.
///
/// Source: APM vol 3, RMPUPDATE; Linux `struct rmp_state`.
public struct RMPUpdateInput: Sendable, Hashable {
    /// The guest physical address; bits 50:12 are used.
    public var gpa: GPA
    /// Whether the page is to be assigned.
    public var assigned: Bool
    /// The size of the entry.
    public var pageSize: PageSize
    /// Whether the entry is to be immutable.
    public var immutable: Bool
    /// The ASID. Above 1023, the most that an entry holds, RMPUPDATE returns FAIL_INPUT (a choice: the sources do not
    /// say).
    public var asid: UInt32

    /// A new entry; without arguments, a hypervisor-owned 4 KB page.
    public init(
        gpa: GPA = GPA(0),
        assigned: Bool = false,
        pageSize: PageSize = .size4K,
        immutable: Bool = false,
        asid: UInt32 = 0
    ) {
        self.gpa = gpa
        self.assigned = assigned
        self.pageSize = pageSize
        self.immutable = immutable
        self.asid = asid
    }

    /// The entry that a successful update writes: validated and VMSA cleared, the size forced to 4 KB when unassigned.
    var word: EntryWord {
        var bits = gpa.rawValue & EntryWord.gpaMask | UInt64(asid & 0x3ff) << EntryWord.asidShift
        if assigned { bits |= EntryWord.assignedBit }
        if assigned && pageSize == .size2M { bits |= EntryWord.pageSizeBit }
        if immutable { bits |= EntryWord.immutableBit }
        return EntryWord(bits: bits)
    }
}

extension RMP {
    /// RMPUPDATE of the page at `spa`; bits 11:0 of the address are ignored.
    ///
    /// Source: the order of checks is the 2021 APM pseudocode's. Choices where it is silent: immutable is checked
    /// before locked; an immutable page inside the 2 MB of a 2 MB update gives FAIL_PERMISSION, since HV-fixed pages
    /// cannot be assigned (APM vol 2 table 15-35), and a locked one FAIL_INUSE, after all others.
    mutating func update(_ spa: UInt64, _ new: RMPUpdateInput) -> RMPCode {
        if new.pageSize == .size2M && spa & (Granularity.chunk - Granularity.page) != 0 { return .failInput }
        if !new.assigned && (new.immutable || new.asid != 0) { return .failInput }
        if new.asid > 0x3ff { return .failInput }
        let pfn = spa >> 12
        if !covers(pfn) { return .failInput }

        let chunk = Int(truncatingIfNeeded: pfn >> 9)
        let index = Int(truncatingIfNeeded: pfn & 511)
        let word = chunkWord(chunk)
        let old = entry(of: word, index: index)
        if old.isImmutable { return .failPermission }
        if old.isLocked { return .failInUse }

        let covered = word.is2M && !word.isMixed
        if new.pageSize == .size4K {
            // The pseudocode looks at the 2 MB-aligned page only; hardware also checks the pages after it (Brijesh
            // Singh's answer to the quotation of the pseudocode).
            if covered { return .failOverlap }
            setEntry(chunk: chunk, of: word, index: index, from: old, to: new.word)
            return .success
        }
        // Pages that the chunk's own 2 MB entry covers do not overlap with it: KVM frees 2 MB in one update.
        if !covered {
            if assignedPages(inChunk: chunk) > 0 { return .failOverlap }
            if hasPage(chunk, { $0.isImmutable }) { return .failPermission }
            if hasPage(chunk, { $0.isLocked }) { return .failInUse }
        }
        setChunk(chunk, new.assigned ? new.word : .hypervisor)
        if !new.assigned { setEntry(chunk: chunk, index: 0, new.word) }
        return .success
    }

    /// Whether any page of a chunk without a 2 MB entry has an entry that matches; `matches` must not depend on the
    /// GPA.
    private func hasPage(_ chunk: Int, _ matches: (EntryWord) -> Bool) -> Bool {
        let word = chunkWord(chunk)
        if !word.isMixed { return matches(word) }
        return (0..<Granularity.pagesPerChunk).contains { matches(entry(of: word, index: $0)) }
    }
}
