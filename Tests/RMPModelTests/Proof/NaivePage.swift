// SPDX-License-Identifier: Apache-2.0
// One page of the naive model: every field of its RMP entry by itself, and its state in the manual's terms.

@testable import RMPModel

/// The RMP entry of a 4 KB page.
///
/// Source: APM vol 2 15.36.3; PPR for Family 19h Model 01h (raw layout).
struct NaivePage: Sendable, Hashable {
    var assigned = false
    var is2M = false
    var immutable = false
    /// Bits 50:12 of the guest physical address, the others 0.
    var gpa: UInt64 = 0
    var asid: UInt64 = 0
    var vmsa = false
    var validated = false
    var locked = false

    /// A page that nobody has ever touched.
    static let hypervisor = NaivePage()
    /// What firmware writes for its own pages.
    static let firmware = NaivePage(assigned: true, immutable: true, locked: true)
    /// What firmware writes for pages that nobody may ever assign.
    static let hypervisorFixed = NaivePage(immutable: true)

    /// The part of an address that an entry holds.
    static func gpa(_ address: UInt64) -> UInt64 { address % (1 << 51) / 4096 * 4096 }

    /// The low quadword, bit by bit; the subpage count goes into bits 11:3.
    func raw(subpages: UInt64) -> UInt64 {
        var bits = gpa + asid << 51 + subpages << 3
        if assigned { bits += 1 << 0 }
        if is2M { bits += 1 << 1 }
        if immutable { bits += 1 << 2 }
        if vmsa { bits += 1 << 61 }
        if validated { bits += 1 << 62 }
        if locked { bits += 1 << 63 }
        return bits
    }

    /// The state by the manual's table of owners; nil for what no row describes.
    var state: NaiveState? {
        if !assigned { return validated || asid > 0 ? nil : immutable ? .hypervisorFixed : .hypervisor }
        switch (asid > 0, immutable, validated) {
        case (false, false, false): return .reclaim
        case (false, true, false): return vmsa ? .context : [0: .firmware, 4096: .iommu][gpa] ?? .metadata
        case (false, _, true): return nil
        case (true, true, false): return .preGuest
        case (true, true, true): return .preSwap
        case (true, false, false): return .guestInvalid
        case (true, false, true): return .guestValid
        }
    }
}

/// The page states that an entry can have.
///
/// Source: APM vol 2 table 15-35; SEV-SNP firmware ABI, page states.
enum NaiveState: Int, Sendable, Hashable, CaseIterable {
    case hypervisor, hypervisorFixed, firmware, iommu, reclaim, context, metadata
    case preGuest, preSwap, guestInvalid, guestValid

    /// The state under its name in the model.
    var modelled: PageState {
        switch self {
        case .hypervisor: .hypervisor
        case .hypervisorFixed: .hypervisorFixed
        case .firmware: .firmware
        case .iommu: .iommu
        case .reclaim: .reclaim
        case .context: .context
        case .metadata: .metadata
        case .preGuest: .preGuest
        case .preSwap: .preSwap
        case .guestInvalid: .guestInvalid
        case .guestValid: .guestValid
        }
    }
}

/// What wrote an entry.
enum NaiveCause: Sendable, Hashable {
    /// SNP_EN was set, SNP_INIT_EX or a shutdown: the RMP starts afresh.
    case anew
    case rmpupdate4K
    case rmpupdate2M
    case psmash
    case pvalidate
    case lock
    case firmware(FirmwareChange)
    /// SNP_LAUNCH_FINISH and SNP_PAGE_RECLAIM after a launch that failed.
    case launchEnd
    /// SNP_SHUTDOWN_EX: the kernel takes its buffers back.
    case shutDown

    static let all: [NaiveCause] =
        [.anew, .rmpupdate4K, .rmpupdate2M, .psmash, .pvalidate, .lock, .launchEnd, .shutDown]
        + FirmwareChange.allCases.map { .firmware($0) }
}

/// One write of one entry.
struct NaiveChange: Sendable, Hashable {
    let pfn: UInt64
    let old: NaivePage
    let new: NaivePage
    /// What wrote it; nil for the other pages of a 2 MB entry, which have no state of their own.
    let cause: NaiveCause?
}
