// SPDX-License-Identifier: Apache-2.0
// What firmware and guests do to entries in the naive model: changes of page states, locks, PVALIDATE.

@testable import RMPModel

extension NaiveRMP {
    /// For each change that firmware makes, the states that it applies to and the states that they become.
    ///
    /// Source: SEV-SNP firmware ABI; AMD's published firmware, sev_mcmd.c, `snp_mcmd_page_reclaim()`,
    /// `snp_mcmd_swap_out()`. Pages of the IOMMU: firmware 1.53 and later.
    static let changes: [FirmwareChange: [NaiveState: NaiveState]] = [
        .createContext: [.firmware: .context],
        .decommission: [.context: .firmware],
        .launchUpdate: [.preGuest: .guestValid],
        .launchVMSA: [.preGuest: .guestValid],
        .makeMetadata: [.firmware: .metadata],
        .freeMetadata: [.metadata: .firmware],
        .swapOut: [.preSwap: .preGuest, .preGuest: .preGuest],
        .swapIn: [.preGuest: .preSwap],
        .giveToIOMMU: [.firmware: .iommu],
        .takeFromIOMMU: [.iommu: .reclaim],
        .reclaim: [
            .firmware: .reclaim, .metadata: .reclaim, .preGuest: .guestInvalid, .preSwap: .guestValid,
        ],
    ]

    /// - Returns: whether the page was in a state that allows it.
    @discardableResult
    mutating func change(_ pfn: UInt64, _ change: FirmwareChange, gpa: UInt64 = 0) -> Bool {
        guard exists(pfn), let targets = NaiveRMP.changes[change] else { return false }
        if isCovered(pfn) && pfn % 512 != 0 { return false }
        var page = self[pfn]
        // "Return success if the immutable bit is already 0".
        if change == .reclaim && !page.immutable { return true }
        if page.is2M && (change == .createContext || change == .launchVMSA) { return false }
        guard let state = page.state, let to = targets[state] else { return false }
        switch change {
        case .createContext: page.vmsa = true
        case .makeMetadata:
            if NaivePage.gpa(gpa) < 8192 { return false }
            page.gpa = NaivePage.gpa(gpa)
        case .giveToIOMMU: page.gpa = 4096
        case .decommission, .freeMetadata:
            page.vmsa = false
            page.gpa = 0
        case .launchUpdate, .launchVMSA:
            page.immutable = false
            page.locked = false
            page.validated = true
            if change == .launchVMSA { page.vmsa = true }
        case .swapIn: page.validated = true
        case .swapOut: page.validated = false
        // Clears immutable, and the lock with it. The owner's fields stay.
        case .reclaim:
            page.immutable = false
            page.locked = false
        case .takeFromIOMMU: page = NaivePage(assigned: true, is2M: page.is2M)
        }
        if page.state != to { return false }
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
