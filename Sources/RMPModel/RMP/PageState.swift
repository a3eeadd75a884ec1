// SPDX-License-Identifier: Apache-2.0
// What an RMP entry says about its page, in the manual's words: the table of page states, and nothing else.

/// The state of a page, as its RMP entry gives it.
///
/// Source: APM vol 2 table 15-35; SEV-SNP firmware ABI, page states.
public enum PageState: Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Hypervisor: it belongs to the hypervisor alone.
    case hypervisor
    /// HV-Fixed: it belongs to the hypervisor and can never be assigned.
    case hypervisorFixed
    /// Firmware: given to firmware.
    case firmware
    /// Firmware, with GPA number 1: memory of the IOMMU, such as its event log.
    case iommu
    /// Reclaim: firmware has given it up, and RMPUPDATE may take it back.
    case reclaim
    /// Context: a guest's context page.
    case context
    /// Metadata: what firmware records about swapped-out pages.
    case metadata
    /// Pre-Guest: a guest's page that only firmware may fill.
    case preGuest
    /// Pre-Swap: a guest's page on its way out or in.
    case preSwap
    /// Guest-Invalid: a guest's page that the guest has not accepted.
    case guestInvalid
    /// Guest-Valid: a guest's page that it has accepted, or that firmware has measured at its launch.
    case guestValid
    /// Default: no RMP entry covers the page; it is treated as hypervisor-owned.
    case uncovered

    /// The manual's name.
    public var description: String {
        switch self {
        case .hypervisor: "Hypervisor"
        case .hypervisorFixed: "HV-Fixed"
        case .firmware: "Firmware"
        case .iommu: "Firmware (IOMMU)"
        case .reclaim: "Reclaim"
        case .context: "Context"
        case .metadata: "Metadata"
        case .preGuest: "Pre-Guest"
        case .preSwap: "Pre-Swap"
        case .guestInvalid: "Guest-Invalid"
        case .guestValid: "Guest-Valid"
        case .uncovered: "Default"
        }
    }

    /// Whether pages in this state are assigned, so that their region cannot be optimized.
    public var isAssigned: Bool {
        switch self {
        case .hypervisor, .hypervisorFixed, .uncovered: false
        default: true
        }
    }

    /// The state of a page with this entry; nil for an entry that no row of the table describes, such as a validated
    /// page that is not assigned.
    ///
    /// A page inside a 2 MB entry has that entry's state: pass the entry of the 2 MB-aligned page (Linux
    /// `__snp_lookup_rmpentry()`). The lock and the size do not matter; neither does VMSA in a guest's page.
    public init?(_ entry: RMPEntry) {
        guard let row = PageState.rows.first(where: { $0.matches(entry) }) else { return nil }
        self = row.state
    }

    /// One row of the table; nil stands for any value.
    struct Row: Sendable {
        var state: PageState
        var assigned: Bool
        var validated: Bool
        /// Whether the entry has an ASID above 0.
        var hasASID: Bool
        var immutable: Bool
        var vmsa: Bool?
        /// The GPA as the number of its page: entries hold bits 50:12.
        var gpa: ClosedRange<UInt64> = 0...UInt64.max

        func matches(_ entry: RMPEntry) -> Bool {
            entry.assigned == assigned && entry.validated == validated && (entry.asid > 0) == hasASID
                && entry.immutable == immutable && (vmsa == nil || vmsa == entry.vmsa)
                && gpa.contains(entry.gpa.rawValue >> 12)
        }
    }

    /// The table without its last row, Default, which is the absence of an entry. In the published tables, IOMMU pages
    /// have GPA 1 and Metadata pages any GPA above 0; that number 1 is never a Metadata page is a choice.
    static let rows: [Row] = [
        Row(state: .hypervisor, assigned: false, validated: false, hasASID: false, immutable: false),
        Row(state: .hypervisorFixed, assigned: false, validated: false, hasASID: false, immutable: true),
        Row(
            state: .firmware,
            assigned: true,
            validated: false,
            hasASID: false,
            immutable: true,
            vmsa: false,
            gpa: 0...0
        ),
        Row(state: .iommu, assigned: true, validated: false, hasASID: false, immutable: true, vmsa: false, gpa: 1...1),
        Row(state: .reclaim, assigned: true, validated: false, hasASID: false, immutable: false),
        Row(state: .context, assigned: true, validated: false, hasASID: false, immutable: true, vmsa: true),
        Row(
            state: .metadata,
            assigned: true,
            validated: false,
            hasASID: false,
            immutable: true,
            vmsa: false,
            gpa: 2...UInt64.max
        ),
        Row(state: .preGuest, assigned: true, validated: false, hasASID: true, immutable: true),
        Row(state: .preSwap, assigned: true, validated: true, hasASID: true, immutable: true),
        Row(state: .guestInvalid, assigned: true, validated: false, hasASID: true, immutable: false),
        Row(state: .guestValid, assigned: true, validated: true, hasASID: true, immutable: false),
    ]
}

extension RMP {
    /// The state of a page. A page inside a 2 MB entry has the entry's state; nil is for an entry that is not in the
    /// table.
    func state(of page: PFN) -> PageState? {
        guard covers(page.rawValue) else { return .uncovered }
        let word = chunkWord(Int(truncatingIfNeeded: page.rawValue >> 9))
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let isInside2M = word.is2M && !word.isMixed
        return PageState(RMPEntry(rawLow: (isInside2M ? word : entry(of: word, index: index)).bits))
    }
}
