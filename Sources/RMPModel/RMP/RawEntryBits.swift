// SPDX-License-Identifier: Apache-2.0
// Names for the bits of a raw entry's low quadword, for code that reads too many entries to make a value of each.

extension RawRMPEntry {
    /// Fields of the low quadword as masks.
    public enum LowBits {
        /// Assigned, bit 0.
        public static let assigned = EntryWord.assignedBit
        /// Page size, bit 1: set for 2 MB.
        public static let pageSize = EntryWord.pageSizeBit
        /// Immutable, bit 2.
        public static let immutable = EntryWord.immutableBit
        /// Subpage count, bits 11:3.
        public static let subpageCount = EntryWord.spareMask
        /// GPA, bits 50:12.
        public static let gpa = EntryWord.gpaMask
        /// ASID, bits 60:51.
        public static let asid = EntryWord.asidMask
        /// VMSA, bit 61.
        public static let vmsa = EntryWord.vmsaBit
        /// Validated, bit 62.
        public static let validated = EntryWord.validatedBit
        /// Lock, bit 63.
        public static let lock = EntryWord.lockBit
    }
}
