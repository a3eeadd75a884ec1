// SPDX-License-Identifier: Apache-2.0
// What firmware does to RMP entries that RMPUPDATE refuses to touch, as one table: from which state to which.

/// A change of a page's state that firmware alone can make.
///
/// Source: SEV-SNP firmware ABI (commands and page states); APM vol 2 table 15-35.
public enum FirmwareChange: Sendable, Hashable, CaseIterable {
    /// SNP_GCTX_CREATE.
    case createContext
    /// SNP_DECOMMISSION, of the guest's context page.
    case decommission
    /// SNP_LAUNCH_UPDATE of a page with contents.
    case launchUpdate
    /// SNP_LAUNCH_UPDATE of a VMSA.
    case launchVMSA
    /// A firmware page begins to hold metadata of swapped pages.
    case makeMetadata
    /// It holds none any more.
    case freeMetadata
    /// SNP_PAGE_SWAP_OUT.
    case swapOut
    /// SNP_PAGE_SWAP_IN.
    case swapIn
    /// A firmware page goes to the IOMMU (SNP_INIT_EX).
    case giveToIOMMU
    /// SNP_SHUTDOWN_EX with IOMMU_SNP_SHUTDOWN.
    case takeFromIOMMU
    /// SNP_PAGE_RECLAIM.
    case reclaim

    /// The states that a page may have before.
    public var from: Set<PageState> {
        switch self {
        case .createContext, .makeMetadata, .giveToIOMMU: [.firmware]
        case .decommission: [.context]
        case .launchUpdate, .launchVMSA: [.preGuest]
        case .freeMetadata: [.metadata]
        case .swapOut: [.guestValid]
        case .swapIn: [.preSwap, .preGuest]
        case .takeFromIOMMU: [.iommu]
        case .reclaim: [.firmware, .metadata, .preGuest, .preSwap]
        }
    }

    /// The state that it has afterwards.
    public var to: PageState {
        switch self {
        case .createContext: .context
        case .decommission, .freeMetadata, .takeFromIOMMU: .firmware
        case .launchUpdate, .launchVMSA, .swapIn: .guestValid
        case .makeMetadata: .metadata
        case .swapOut: .preSwap
        case .giveToIOMMU: .iommu
        case .reclaim: .reclaim
        }
    }

    /// The entry afterwards; `gpa` counts for Metadata only.
    fileprivate func apply(to entry: RMPEntry, gpa: GPA) -> RMPEntry {
        var entry = entry
        switch to {
        case .context: entry.vmsa = true
        case .metadata: entry.gpa = GPA(gpa.rawValue & EntryWord.gpaMask)
        case .iommu: entry.gpa = GPA(Granularity.page)
        case .firmware:
            entry.vmsa = false
            entry.gpa = GPA(0)
        case .guestValid:
            entry.immutable = false
            entry.validated = true
            if self == .launchVMSA { entry.vmsa = true }
        case .preSwap: entry.immutable = true
        // Nothing is left of the owner, so that RMPUPDATE can take the page back.
        default: entry = RMPEntry(assigned: true, pageSize: entry.pageSize)
        }
        return entry
    }
}

extension RMP {
    /// Lets firmware change the state of a page, or of the 2 MB whose aligned page it is.
    ///
    /// - Parameters:
    ///   - page: the page; inside a 2 MB entry, the aligned one.
    ///   - gpa: for `makeMetadata`, what the entry holds as its GPA: page number 2 or above.
    /// - Returns: the new state; nil, with nothing changed, when the page is not in a state for it.
    @discardableResult
    mutating func change(_ page: PFN, by change: FirmwareChange, gpa: GPA = GPA(0)) -> PageState? {
        guard let state = state(of: page), change.from.contains(state) else { return nil }
        if change == .makeMetadata && gpa.rawValue & EntryWord.gpaMask < 2 * Granularity.page { return nil }
        return edit(page) { entry in entry = change.apply(to: entry, gpa: gpa) } ? change.to : nil
    }

    /// Locks or unlocks an entry: RMPUPDATE and PSMASH of a locked one answer FAIL_INUSE. This is how hardware and
    /// firmware keep a page that is in use, such as the VMSA of a running virtual CPU.
    ///
    /// - Returns: whether there is such an entry.
    @discardableResult
    mutating func setLock(_ page: PFN, _ isLocked: Bool) -> Bool { edit(page) { $0.locked = isLocked } }

    /// Changes the entry that stands for a page; false when there is none, or when the page lies inside a 2 MB entry
    /// and is not the aligned one.
    mutating func edit(_ page: PFN, _ body: (inout RMPEntry) -> Void) -> Bool {
        guard covers(page.rawValue) else { return false }
        let frame = Int(truncatingIfNeeded: page.rawValue >> 9)
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let word = frameWord(frame)
        let is2M = word.is2M && !word.isMixed
        if is2M && index != 0 { return false }
        var entry = RMPEntry(rawLow: self.entry(of: word, index: index).bits)
        body(&entry)
        if is2M { setFrame(frame, entry.word) } else { setEntry(frame: frame, of: word, index: index, entry.word) }
        return true
    }
}
