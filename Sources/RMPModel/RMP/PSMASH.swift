// SPDX-License-Identifier: Apache-2.0
// The instruction that splits a 2 MB entry when a guest wants to treat its pages one by one.

extension RMP {
    /// PSMASH of the 2 MB entry at `spa`: 512 entries of 4 KB with the same fields and consecutive GPAs (equal ones
    /// when the ASID is 0, a choice).
    ///
    /// Source: APM vol 3, PSMASH; APM vol 2 15.36.11. Choices: an address that is not 2 MB-aligned, not covered by the
    /// RMP, or without an assigned 2 MB entry gives FAIL_INPUT, an immutable entry FAIL_PERMISSION; immutable is
    /// checked before locked, as in RMPUPDATE. Unsettled: Microsoft's page of `__psmash` has 2 for a current ASID that
    /// is not 0 and 7 for a page that does not meet the requirements; Linux' posting of 2021-04-30 (Part2 RFC v2 07/37)
    /// has 4, PSMASH_FAIL_BADADDR.
    mutating func smash(_ spa: UInt64) -> RMPCode {
        let pfn = spa >> 12
        if spa & (Granularity.chunk - 1) != 0 || !covers(pfn) { return .failInput }
        let chunk = Int(truncatingIfNeeded: pfn >> 9)
        let word = chunkWord(chunk)
        if word.isMixed || !word.is2M || !word.isAssigned { return .failInput }
        if word.isImmutable { return .failPermission }
        if word.isLocked { return .failInUse }
        setChunk(chunk, EntryWord(bits: word.bits & ~EntryWord.pageSizeBit))
        return .success
    }
}
