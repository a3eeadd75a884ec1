// SPDX-License-Identifier: Apache-2.0
// The ASIDs for SNP guests: a scarce number that ties RMP entries to a guest.

/// Which ASIDs are taken.
///
/// Source: 1006 is the count of SEV-capable ASIDs (CPUID Fn8000_001F ECX) of current EPYC processors; that KVM's
/// allocator gives the lowest free one is arch/x86/kvm/svm/sev.c, `sev_asid_new()`.
struct ASIDs: Sendable {
    static let range: ClosedRange<UInt16> = 1...1006

    private var taken = [Bool](repeating: false, count: Int(range.upperBound) + 1)

    /// The lowest free ASID, now taken; nil when there is none.
    mutating func take() -> UInt16? {
        guard let asid = ASIDs.range.first(where: { !taken[Int($0)] }) else { return nil }
        taken[Int(asid)] = true
        return asid
    }

    /// Gives an ASID back.
    mutating func release(_ asid: UInt16) {
        if ASIDs.range.contains(asid) { taken[Int(asid)] = false }
    }

    /// Whether `asid` is taken.
    func isTaken(_ asid: UInt16) -> Bool { ASIDs.range.contains(asid) && taken[Int(asid)] }

    /// How many are taken.
    var count: Int { taken.count { $0 } }
}
