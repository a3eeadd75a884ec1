// SPDX-License-Identifier: Apache-2.0
// The ASIDs for SNP guests: a scarce number that ties RMP entries to a guest.

/// Which ASIDs are taken.
///
/// Source: CPUID Fn8000_001F ECX gives their number (`Processor.asidCount`); that KVM allocates the lowest free one is
/// in arch/x86/kvm/svm/sev.c, `sev_asid_new()`.
struct ASIDs: Sendable {
    /// What an RMP entry can hold, except for 0, which is the hypervisor's.
    static let limits: ClosedRange<UInt16> = 1...1023

    /// Whether ASID `index` is taken; entry 0 is never used.
    private var taken: [Bool]
    /// The guest that has each; nil for one that is free or lost.
    private var holders: [GuestID?]
    /// How many are taken.
    private(set) var count = 0
    /// How many of those no longer belong to a guest: firmware has refused to release them.
    private(set) var lost = 0

    /// ASIDs 1 ... `count`, none taken.
    init(count: UInt16) {
        taken = [Bool](repeating: false, count: Int(min(count, ASIDs.limits.upperBound)) + 1)
        holders = [GuestID?](repeating: nil, count: taken.count)
    }

    /// Takes the lowest free ASID for a guest; nil if none is free.
    mutating func take(for id: GuestID) -> UInt16? {
        guard let free = taken.indices.dropFirst().first(where: { !taken[$0] }) else { return nil }
        let asid = UInt16(free)
        return take(asid, for: id) ? asid : nil
    }

    /// Takes the given ASID; false if the processor does not have it, or it is taken.
    mutating func take(_ asid: UInt16, for id: GuestID) -> Bool {
        if !has(asid) || isTaken(asid) { return false }
        taken[Int(asid)] = true
        holders[Int(asid)] = id
        count += 1
        return true
    }

    /// Frees an ASID.
    mutating func release(_ asid: UInt16) {
        if !isTaken(asid) { return }
        taken[Int(asid)] = false
        holders[Int(asid)] = nil
        count -= 1
    }

    /// Ensures that an ASID is never given out again.
    mutating func lose(_ asid: UInt16) {
        if !isTaken(asid) { return }
        holders[Int(asid)] = nil
        lost += 1
    }

    /// Whether the processor has `asid`.
    func has(_ asid: UInt16) -> Bool { asid > 0 && Int(asid) < taken.count }

    /// The guest that has `asid`; nil if none has.
    func holder(of asid: UInt16) -> GuestID? { has(asid) ? holders[Int(asid)] : nil }

    /// Whether `asid` is taken.
    func isTaken(_ asid: UInt16) -> Bool { has(asid) && taken[Int(asid)] }
}
