// SPDX-License-Identifier: Apache-2.0
// The RMP and the RMPOPT tables as one: an RMPUPDATE that assigns a page changes both, and nothing may change one
// alone.

/// The machine's memory protection state as the instructions see it.
struct Platform: Sendable {
    var rmp: RMP
    var rmpopt: RMPOPTTables
    /// SYSCFG.SNP_EN: RMP checks are done.
    private(set) var snpEnabled = false

    init(rmp: RMP, rmpopt: RMPOPTTables) {
        self.rmp = rmp
        self.rmpopt = rmpopt
    }

    /// Sets SNP_EN on all cores.
    mutating func enableSNP() { snpEnabled = true }

    /// What firmware does in a shutdown with x86_snp_shutdown: SNP_EN is cleared on all cores.
    mutating func clearSNP() { snpEnabled = false }

    /// RMPUPDATE, with its effect on the RMPOPT tables.
    mutating func rmpupdate(_ spa: SPA, _ new: RMPUpdateInput) -> RMPCode {
        let code = rmp.update(spa.rawValue, new)
        if code == .success && new.assigned { rmpopt.clear(region: Int(truncatingIfNeeded: spa.region)) }
        return code
    }

    /// RMPUPDATE of a whole frame as `RMP.updateFrame` does it.
    mutating func rmpupdate(frame: Int, _ first: RMPUpdateInput) -> RMPCode {
        let code = rmp.updateFrame(frame, first)
        noteUpdates(frame, first)
        return code
    }

    /// RMPUPDATE of some pages of a frame as `RMP.updatePages` does it.
    mutating func rmpupdate(frame: Int, pages: Range<Int>, _ first: RMPUpdateInput) -> RMPCode {
        let code = rmp.updatePages(frame, pages, first)
        noteUpdates(frame, first)
        return code
    }

    /// Some updates of a run may have succeeded before one failed: what counts is whether the frame holds pages now.
    private mutating func noteUpdates(_ frame: Int, _ first: RMPUpdateInput) {
        if first.assigned && frame >= 0 && frame < rmp.frameCount && rmp.assignedPages(inFrame: frame) > 0 {
            rmpopt.clear(region: frame >> 9)
        }
    }

    /// PSMASH. It assigns nothing that was not assigned, so the RMPOPT tables stay.
    mutating func psmash(_ spa: SPA) -> RMPCode { rmp.smash(spa.rawValue) }
}
