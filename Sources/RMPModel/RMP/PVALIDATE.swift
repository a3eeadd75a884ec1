// SPDX-License-Identifier: Apache-2.0
// The instruction with which a guest accepts its pages, as far as it changes RMP entries.

/// What PVALIDATE leaves in EAX.
///
/// Source: APM vol 3, PVALIDATE.
public enum PVALIDATECode: UInt32, Sendable, Hashable, CaseIterable {
    /// Done, changed or not.
    case success = 0
    /// FAIL_INPUT: a 2 MB page at an address that is not a multiple of 2 MB.
    case failInput = 1
    /// FAIL_SIZEMISMATCH: the guest asked for 2 MB, but the entries are of 4 KB.
    case failSizeMismatch = 6
}

/// A nested page fault instead of a result: the hypervisor must act first.
///
/// Source: APM vol 2 15.36.10.
public enum PVALIDATEFault: Error, Sendable, Hashable, CaseIterable {
    /// The page is not this guest's at this address, or only firmware may touch it.
    case notAssigned
    /// The guest asked for 4 KB, but the entry is of 2 MB (bit 35, SIZEM): KVM responds with PSMASH.
    case sizeMismatch
}

/// What a PVALIDATE did.
public struct PVALIDATEOutcome: Sendable, Hashable {
    /// EAX.
    public var code: PVALIDATECode
    /// The carry flag: the page was already in the wanted state, and nothing has changed.
    public var isUnchanged: Bool
}

extension RMP {
    /// PVALIDATE by a guest of the page at `gpa`, which nested paging maps to `page`.
    ///
    /// Source: APM vol 3, PVALIDATE. Choices: alignment is checked first, then the owner, then the size; CF is 0 with
    /// every code but SUCCESS; a page that is immutable (Pre-Guest, Pre-Swap) does not belong to the guest yet.
    ///
    /// - Parameters:
    ///   - page: the page that backs the address.
    ///   - gpa: where the guest sees it.
    ///   - asid: the guest's ASID.
    ///   - size: the size asked for.
    ///   - validate: whether to accept the page or to give it up.
    mutating func pvalidate(
        _ page: PFN,
        gpa: GPA,
        asid: UInt16,
        size: PageSize,
        validate: Bool
    ) throws(PVALIDATEFault) -> PVALIDATEOutcome {
        if size == .size2M && gpa.rawValue & (Granularity.chunk - 1) != 0 {
            return PVALIDATEOutcome(code: .failInput, isUnchanged: false)
        }
        guard covers(page.rawValue) else { throw .notAssigned }
        let word = chunkWord(Int(truncatingIfNeeded: page.rawValue >> 9))
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let is2M = word.is2M && !word.isMixed
        let entry = is2M ? word : entry(of: word, index: index)
        let expected = (is2M ? word.gpa &+ UInt64(index) << 12 : entry.gpa) & EntryWord.gpaMask
        guard entry.isAssigned, asid != 0, entry.asid == asid, !entry.isImmutable,
            expected == gpa.rawValue & EntryWord.gpaMask
        else { throw .notAssigned }
        if size == .size2M && !is2M { return PVALIDATEOutcome(code: .failSizeMismatch, isUnchanged: false) }
        if size == .size4K && is2M { throw .sizeMismatch }
        if (entry.bits & EntryWord.validatedBit != 0) == validate {
            return PVALIDATEOutcome(code: .success, isUnchanged: true)
        }
        guard edit(page, { $0.validated = validate }) else { throw .notAssigned }
        return PVALIDATEOutcome(code: .success, isUnchanged: false)
    }
}
