// SPDX-License-Identifier: Apache-2.0
// The security processor's part: firmware writes RMP entries that RMPUPDATE refuses to touch.

/// The state of SNP firmware, as SNP_PLATFORM_STATUS reports it.
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
    /// All ranges that are HV-fixed while SNP is initialised, in the order in which firmware makes them so.
    let fixedRanges: [Range<UInt64>]
    private(set) var state = FirmwareState.uninitialized
    /// How many more SNP_INIT_EX commands fail: a fault that a client injects.
    var failuresLeft: UInt64 = 0
    /// How many more SNP_DECOMMISSION commands fail: likewise.
    var decommissionFailuresLeft: UInt64 = 0

    init(_ configuration: MachineConfiguration) {
        layout = configuration.rmp
        pages = configuration.firmware
        let memory = configuration.memory
        fixedRanges = memory.holes + pages.hypervisorFixed + FirmwarePages.knownFixed(in: memory)
    }

    /// What the RMP holds when SNP_EN is set: every page is hypervisor-owned, except for the RMP itself, which is
    /// assigned from the start (RMPOPT "will always fail" there, also at boot: Ashish Kalra, 2026-03-25).
    func prepareRMP(_ platform: inout Platform) {
        platform.rmp.reset()
        for range in [layout.head] + layout.segments.map(\.table) {
            Firmware.write(.firmware, to: range, of: &platform.rmp)
        }
    }

    /// SNP_INIT_EX with INIT_RMP: makes everything that is not memory HV-fixed and all memory hypervisor-owned, then
    /// the ranges of the kernel's list and the known ones HV-fixed, then puts the RMP itself and firmware's pages in
    /// Firmware state. It clears the RMPOPT tables.
    ///
    /// Source: AMD's ASP firmware, sev_rmp.c, `configure_rmp()` (order of the states); series v1 patch 4/6 (tables
    /// cleared). The ccp driver gives the TMR and the command buffers to firmware around this command; here that is
    /// part of the command.
    mutating func initialize(_ platform: inout Platform) {
        state = .initialized
        platform.rmp.reset()
        for fixed in fixedRanges { Firmware.write(.hypervisorFixed, to: fixed, of: &platform.rmp) }
        for range in [layout.head] + layout.segments.map(\.table) + pages.assigned {
            Firmware.write(.firmware, to: range, of: &platform.rmp)
        }
        platform.clearRMPOPTTables()
        platform.events.publish(.firmware(state))
    }

    /// SNP_SHUTDOWN_EX: the kernel takes the TMR and the command buffers back; everything else stays as it is.
    mutating func shutDown(_ platform: inout Platform) {
        state = .uninitialized
        for range in pages.assigned { Firmware.write(.hypervisor, to: range, of: &platform.rmp) }
        platform.events.publish(.firmware(state))
    }

    /// SNP_GCTX_CREATE: the page, given to firmware by RMPUPDATE before, becomes a guest's Context page.
    func createContext(_ page: PFN, _ platform: inout Platform) { platform.rmp.change(page, by: .createContext) }

    /// SNP_DECOMMISSION: the guest's context is gone, and its page becomes an ordinary firmware page.
    ///
    /// - Returns: whether it succeeded; if not, nothing has changed.
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

    /// Writes one state to a range of whole pages, a region or a chunk at a time where it can: the RMP of 64 TB is 256
    /// GB long.
    private static func write(_ word: EntryWord, to range: Range<UInt64>, of rmp: inout RMP) {
        var at = range.lowerBound
        while at < range.upperBound {
            let left = range.upperBound - at
            if at.isMultiple(of: Granularity.region) && left >= Granularity.region {
                rmp.setRegion(Int(at >> 30), word)
                at += Granularity.region
            } else if at.isMultiple(of: Granularity.chunk) && left >= Granularity.chunk {
                rmp.setChunk(Int(at >> 21), word)
                at += Granularity.chunk
            } else {
                rmp.setEntry(chunk: Int(at >> 21), index: Int(at >> 12 & 511), word)
                at += Granularity.page
            }
        }
    }
}
