// SPDX-License-Identifier: Apache-2.0
// The eight bytes in which the model keeps an RMP entry: the raw low quadword. Its subpage count is derived when an
// entry is read, so the storage can use that field for marks of its own.

/// An RMP entry's low quadword without bits 11:3, or, with those bits in use, a word of the storage.
struct EntryWord: Sendable, Hashable {
    var bits: UInt64

    static let assignedBit: UInt64 = 1 << 0
    static let pageSizeBit: UInt64 = 1 << 1
    static let immutableBit: UInt64 = 1 << 2
    /// Bits 11:3. In a raw entry, the subpage count; here 0 in an entry, and a mark or a use count in other words.
    static let spareMask: UInt64 = 0x1ff << 3
    static let gpaMask: UInt64 = 0x7f_ffff_ffff << 12
    static let asidShift: UInt64 = 51
    static let asidMask: UInt64 = 0x3ff << asidShift
    static let vmsaBit: UInt64 = 1 << 61
    static let validatedBit: UInt64 = 1 << 62
    static let lockBit: UInt64 = 1 << 63
    /// In a chunk's word: the chunk's pages differ, and bits 63:12 hold the number of its mixed chunk.
    static let mixedMark: UInt64 = 1 << 3

    init(bits: UInt64) { self.bits = bits }

    /// What every page holds after SNP_INIT_EX.
    static let hypervisor = EntryWord(bits: 0)
    /// Assigned to nobody and never assignable; it does not block RMPOPT.
    static let hypervisorFixed = EntryWord(bits: immutableBit)
    /// The value that firmware writes for its own pages: locked, immutable, assigned.
    static let firmware = EntryWord(bits: lockBit | immutableBit | assignedBit)

    var isAssigned: Bool { bits & EntryWord.assignedBit != 0 }
    var is2M: Bool { bits & EntryWord.pageSizeBit != 0 }
    var isImmutable: Bool { bits & EntryWord.immutableBit != 0 }
    var isLocked: Bool { bits & EntryWord.lockBit != 0 }
    var isMixed: Bool { bits & EntryWord.mixedMark != 0 }
    var asid: UInt16 { UInt16(truncatingIfNeeded: bits >> EntryWord.asidShift) & 0x3ff }
    /// Whether the page is assigned to an ASID.
    func belongs(to asid: UInt16) -> Bool { isAssigned && self.asid == asid }
    var gpa: UInt64 { bits & EntryWord.gpaMask }

    /// The entry with its GPA moved up by `pages` pages, wrapping within the field.
    ///
    /// An entry with ASID 0 belongs to no guest address space and keeps its GPA: so a run of firmware pages is as
    /// uniform as a run of one guest's.
    func advanced(pages: Int) -> EntryWord {
        if bits & EntryWord.asidMask == 0 { return self }
        let moved = bits &+ (UInt64(truncatingIfNeeded: pages) << 12)
        return EntryWord(bits: bits & ~EntryWord.gpaMask | moved & EntryWord.gpaMask)
    }

    /// How many pages of a chunk are assigned if this word holds for all of it: 0 or 512.
    var assignedPagesOfChunk: Int { isAssigned ? Granularity.pagesPerChunk : 0 }
}
