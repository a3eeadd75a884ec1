// SPDX-License-Identifier: Apache-2.0
// The security processor's part: it writes RMP entries that RMPUPDATE would refuse to touch.

/// Where SNP firmware is in its life, as SNP_PLATFORM_STATUS tells.
public enum FirmwareState: Sendable, Hashable, CaseIterable {
    /// UNINIT: no SNP_INIT_EX yet, or a shutdown after it.
    case uninitialized
    /// INIT.
    case initialized
}

/// The SNP firmware.
struct Firmware: Sendable {
    let layout: RMPLayout
    let pages: FirmwarePages
    /// All that is HV-fixed while SNP is initialised, in the order in which it becomes so.
    let fixedRanges: [Range<UInt64>]
    private(set) var state = FirmwareState.uninitialized
    /// How many SNP_INIT_EX commands are still to fail: a fault that a client asked for.
    var failuresLeft: UInt64 = 0
    /// How many SNP_DECOMMISSION commands are still to fail: likewise.
    var decommissionFailuresLeft: UInt64 = 0

    init(_ configuration: MachineConfiguration) {
        layout = configuration.rmp
        pages = configuration.firmware
        let memory = configuration.memory
        fixedRanges = memory.holes + pages.hypervisorFixed + FirmwarePages.knownFixed(in: memory)
    }

    /// What the RMP holds when SNP_EN is set: every page hypervisor-owned but the RMP itself, which is assigned from
    /// the start (RMPOPT "will always fail" there, also at boot: Ashish Kalra, 2026-03-25).
    func prepareRMP(_ platform: inout Platform) {
        platform.rmp.reset()
        for range in [layout.head] + layout.segments.map(\.table) {
            Firmware.write(.firmware, to: range, of: &platform.rmp)
        }
    }

    /// SNP_INIT_EX with INIT_RMP: HV-fixed what is no memory, hypervisor-owned what is, then HV-fixed the ranges of the
    /// kernel's list and the known ones, then the RMP itself and firmware's pages in Firmware state; the RMPOPT tables
    /// are cleared.
    ///
    /// Source: AMD's ASP firmware, sev_rmp.c, `configure_rmp()` (order of the states); series v1 patch 4/6 (tables
    /// cleared). The ccp driver gives the TMR and the command buffers to firmware around this command; here it happens
    /// with it.
    mutating func initialize(_ platform: inout Platform) {
        state = .initialized
        platform.rmp.reset()
        for fixed in fixedRanges { Firmware.write(.hypervisorFixed, to: fixed, of: &platform.rmp) }
        for range in [layout.head] + layout.segments.map(\.table) + pages.assigned {
            Firmware.write(.firmware, to: range, of: &platform.rmp)
        }
        platform.clearTables()
        platform.events.publish(.firmware(state))
    }

    /// SNP_SHUTDOWN_EX: the kernel takes the TMR and the command buffers back; all else stays as it is.
    mutating func shutDown(_ platform: inout Platform) {
        state = .uninitialized
        for range in pages.assigned { Firmware.write(.hypervisor, to: range, of: &platform.rmp) }
        platform.events.publish(.firmware(state))
    }

    /// SNP_GCTX_CREATE: the page, given to firmware by RMPUPDATE before, becomes a guest's Context page.
    func createContext(_ page: PFN, _ platform: inout Platform) { platform.rmp.change(page, by: .createContext) }

    /// SNP_DECOMMISSION: the guest's context is gone, its page is an ordinary firmware page.
    ///
    /// - Returns: whether it succeeded; else nothing has changed.
    mutating func decommission(_ page: PFN, _ platform: inout Platform) -> Bool {
        if decommissionFailuresLeft > 0 {
            decommissionFailuresLeft -= 1
            return false
        }
        platform.rmp.change(page, by: .decommission)
        return true
    }

    /// SNP_PAGE_RECLAIM: the page goes to Reclaim state, from which RMPUPDATE can take it back.
    func reclaim(_ page: PFN, _ platform: inout Platform) { platform.rmp.change(page, by: .reclaim) }

    /// Writes one state to a range of whole pages, by the region and by the frame where it can: the RMP of 64 TB is
    /// 256 GB long.
    private static func write(_ word: EntryWord, to range: Range<UInt64>, of rmp: inout RMP) {
        var at = range.lowerBound
        while at < range.upperBound {
            let left = range.upperBound - at
            if at.isMultiple(of: Granularity.region) && left >= Granularity.region {
                rmp.setRegion(Int(at >> 30), word)
                at += Granularity.region
            } else if at.isMultiple(of: Granularity.frame) && left >= Granularity.frame {
                rmp.setFrame(Int(at >> 21), word)
                at += Granularity.frame
            } else {
                rmp.setEntry(frame: Int(at >> 21), index: Int(at >> 12 & 511), word)
                at += Granularity.page
            }
        }
    }
}
