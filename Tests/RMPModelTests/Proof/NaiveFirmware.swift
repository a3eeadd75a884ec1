// SPDX-License-Identifier: Apache-2.0
// What firmware and guests do to entries in the naive model: changes of page states, locks, PVALIDATE.

@testable import RMPModel

extension NaiveRMP {
    /// From which states a change of firmware's leads to which.
    ///
    /// Source: SEV-SNP firmware ABI.
    static let changes: [FirmwareChange: (from: Set<NaiveState>, to: NaiveState)] = [
        .createContext: ([.firmware], .context),
        .decommission: ([.context], .firmware),
        .launchUpdate: ([.preGuest], .guestValid),
        .launchVMSA: ([.preGuest], .guestValid),
        .makeMetadata: ([.firmware], .metadata),
        .freeMetadata: ([.metadata], .firmware),
        .swapOut: ([.guestValid], .preSwap),
        .swapIn: ([.preSwap, .preGuest], .guestValid),
        .giveToIOMMU: ([.firmware], .iommu),
        .takeFromIOMMU: ([.iommu], .firmware),
        .reclaim: ([.firmware, .metadata, .preGuest, .preSwap], .reclaim),
    ]

    /// - Returns: whether the page was in a state for it.
    @discardableResult
    mutating func change(_ pfn: UInt64, _ change: FirmwareChange, gpa: UInt64 = 0) -> Bool {
        guard exists(pfn), let (from, to) = NaiveRMP.changes[change] else { return false }
        let inside2M = isCovered(pfn) && pfn % 512 != 0
        var page = self[pfn]
        guard !inside2M, let state = page.state, from.contains(state) else { return false }
        switch to {
        case .context: page.vmsa = true
        case .metadata:
            if NaivePage.gpa(gpa) < 8192 { return false }
            page.gpa = NaivePage.gpa(gpa)
        case .iommu: page.gpa = 4096
        case .firmware:
            page.vmsa = false
            page.gpa = 0
        case .guestValid:
            page.immutable = false
            page.validated = true
            if change == .launchVMSA { page.vmsa = true }
        case .preSwap: page.immutable = true
        default: page = NaivePage(assigned: true, is2M: page.is2M)
        }
        write(pfn, page, .firmware(change))
        return true
    }

    /// Hardware locks or unlocks an entry.
    mutating func lock(_ pfn: UInt64, _ isLocked: Bool) -> Bool {
        if !exists(pfn) || isCovered(pfn) && pfn % 512 != 0 { return false }
        var page = self[pfn]
        page.locked = isLocked
        write(pfn, page, .lock)
        return true
    }

    /// PVALIDATE: its code and carry flag, or a nested page fault.
    mutating func pvalidate(
        _ pfn: UInt64,
        gpa: UInt64,
        asid: UInt64,
        _ size: PageSize,
        validate: Bool
    ) throws(PVALIDATEFault) -> PVALIDATEOutcome {
        if size == .size2M && gpa % (2 << 20) != 0 { return PVALIDATEOutcome(code: .failInput, isUnchanged: false) }
        if !exists(pfn) { throw .notAssigned }
        let is2M = isCovered(pfn)
        let holder = is2M ? pfn / 512 * 512 : pfn
        var page = self[holder]
        let isThere = NaivePage.gpa(page.gpa + (pfn - holder) * 4096) == NaivePage.gpa(gpa)
        if !page.assigned || asid == 0 || page.asid != asid || page.immutable || !isThere { throw .notAssigned }
        if size == .size2M && !is2M { return PVALIDATEOutcome(code: .failSizeMismatch, isUnchanged: false) }
        if size == .size4K && is2M { throw .sizeMismatch }
        if page.validated == validate { return PVALIDATEOutcome(code: .success, isUnchanged: true) }
        if holder != pfn { throw .notAssigned }
        page.validated = validate
        write(holder, page, .pvalidate)
        return PVALIDATEOutcome(code: .success, isUnchanged: false)
    }
}
