// SPDX-License-Identifier: Apache-2.0
// What firmware does to RMP entries that RMPUPDATE refuses to touch, as one table: from which state to which.

/// A change of a page's state that firmware alone can make.
///
/// Source: AMD's published ASP firmware, sev_mcmd.c (each command's checks and writes, named below) and sev_rmp.c
/// (`rmp_entry_get_state()`); SEV-SNP firmware ABI, page states; APM vol 2 table 15-35.
public enum FirmwareChange: Sendable, Hashable, CaseIterable {
    /// SNP_GCTX_CREATE, of a page with an entry of 4 KB.
    case createContext
    /// SNP_DECOMMISSION, of the guest's context page.
    case decommission
    /// SNP_LAUNCH_UPDATE of a page with contents.
    case launchUpdate
    /// SNP_LAUNCH_UPDATE of a VMSA, a page with an entry of 4 KB.
    case launchVMSA
    /// SNP_MD_INIT: a firmware page begins to hold metadata of swapped pages.
    case makeMetadata
    /// SNP_PAGE_SWAP_OUT of a metadata page: it no longer holds any.
    case freeMetadata
    /// SNP_PAGE_SWAP_OUT of a guest's page: its contents are elsewhere now, and firmware may fill it again.
    case swapOut
    /// SNP_PAGE_SWAP_IN of a page that the guest had accepted.
    case swapIn
    /// A firmware page goes to the IOMMU (SNP_INIT_EX).
    case giveToIOMMU
    /// SNP_SHUTDOWN_EX with IOMMU_SNP_SHUTDOWN; since firmware 1.53; before that, such pages became Hypervisor pages.
    case takeFromIOMMU
    /// SNP_PAGE_RECLAIM. Firmware gives up what it holds, so that RMPUPDATE can take the page back. A page that is not
    /// immutable stays as it is, and the command succeeds.
    case reclaim

    /// One row of the table: from which state to which.
    struct Row: Sendable, Hashable {
        var from: PageState
        var to: PageState
    }

    /// The table. Firmware refuses all other states.
    var rows: [Row] {
        switch self {
        case .createContext: [Row(from: .firmware, to: .context)]
        case .decommission: [Row(from: .context, to: .firmware)]
        case .launchUpdate, .launchVMSA: [Row(from: .preGuest, to: .guestValid)]
        case .makeMetadata: [Row(from: .firmware, to: .metadata)]
        case .freeMetadata: [Row(from: .metadata, to: .firmware)]
        case .swapOut: [Row(from: .preSwap, to: .preGuest), Row(from: .preGuest, to: .preGuest)]
        case .swapIn: [Row(from: .preGuest, to: .preSwap)]
        case .giveToIOMMU: [Row(from: .firmware, to: .iommu)]
        case .takeFromIOMMU: [Row(from: .iommu, to: .reclaim)]
        case .reclaim:
            [
                Row(from: .metadata, to: .reclaim),
                Row(from: .firmware, to: .reclaim),
                Row(from: .preGuest, to: .guestInvalid),
                Row(from: .preSwap, to: .guestValid),
                Row(from: .hypervisor, to: .hypervisor),
                Row(from: .reclaim, to: .reclaim),
                Row(from: .guestInvalid, to: .guestInvalid),
                Row(from: .guestValid, to: .guestValid),
            ]
        }
    }

    /// The state of a page after the change; nil if firmware refuses it.
    public func state(after state: PageState) -> PageState? { rows.first { $0.from == state }?.to }

    /// Whether an entry of 2 MB is refused.
    private var needs4K: Bool { self == .createContext || self == .launchVMSA }

    /// The entry after the change; nil if firmware refuses it. `gpa` matters for Metadata only.
    func entry(after entry: RMPEntry, gpa: GPA = GPA(0)) -> RMPEntry? {
        guard let from = PageState(entry), state(after: from) != nil else { return nil }
        if needs4K && entry.pageSize == .size2M { return nil }
        var entry = entry
        switch self {
        case .createContext: entry.vmsa = true
        case .decommission: entry.vmsa = false
        case .launchUpdate, .launchVMSA:
            entry.validated = true
            entry.release()
            if self == .launchVMSA { entry.vmsa = true }
        case .makeMetadata:
            // Page numbers 0 and 1 mean Firmware and IOMMU.
            guard gpa.rawValue & EntryWord.gpaMask >= 2 * Granularity.page else { return nil }
            entry.gpa = GPA(gpa.rawValue & EntryWord.gpaMask)
        case .freeMetadata:
            entry.gpa = GPA(0)
            entry.vmsa = false
        case .swapOut: entry.validated = false
        case .swapIn: entry.validated = true
        case .giveToIOMMU: entry.gpa = GPA(Granularity.page)
        case .takeFromIOMMU: entry = RMPEntry(assigned: true)
        case .reclaim: if entry.immutable { entry.release() }
        }
        return entry
    }
}

extension RMPEntry {
    /// Firmware locks the entries that it makes immutable, and gives up both at once.
    fileprivate mutating func release() {
        immutable = false
        locked = false
    }
}

extension RMP {
    /// Lets firmware change the state of a page, or of 2 MB if it is the first page of a 2 MB entry.
    ///
    /// - Parameters:
    ///   - page: the page; for a 2 MB entry, its 2 MB-aligned page.
    ///   - gpa: for `makeMetadata`, what the entry holds as its GPA: page number 2 or above.
    /// - Returns: the new state; nil, with nothing changed, if the page's state does not allow it.
    @discardableResult
    mutating func change(_ page: PFN, by change: FirmwareChange, gpa: GPA = GPA(0)) -> PageState? {
        var state: PageState?
        _ = edit(page) { entry in
            guard let changed = change.entry(after: entry, gpa: gpa) else { return }
            entry = changed
            state = PageState(changed)
        }
        return state
    }

    /// Locks or unlocks an entry: RMPUPDATE and PSMASH of a locked entry return FAIL_INUSE. This is how hardware and
    /// firmware protect a page in use, such as the VMSA of a running virtual CPU.
    ///
    /// - Returns: whether the entry exists.
    @discardableResult
    mutating func setLock(_ page: PFN, _ isLocked: Bool) -> Bool { edit(page) { $0.locked = isLocked } }

    /// Changes a page's entry; false if it has none, or if it lies inside a 2 MB entry and is not 2 MB-aligned.
    mutating func edit(_ page: PFN, _ body: (inout RMPEntry) -> Void) -> Bool {
        guard covers(page.rawValue) else { return false }
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let word = chunkWord(chunk)
        let is2M = word.is2M && !word.isMixed
        if is2M && index != 0 { return false }
        let old = self.entry(of: word, index: index)
        var entry = RMPEntry(rawLow: old.bits)
        body(&entry)
        if is2M {
            setChunk(chunk, entry.word)
        } else {
            setEntry(chunk: chunk, of: word, index: index, from: old, to: entry.word)
        }
        return true
    }
}
