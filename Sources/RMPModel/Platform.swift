// SPDX-License-Identifier: Apache-2.0
// The RMP and the RMPOPT tables together: an RMPUPDATE that assigns a page changes both, and nothing may change only
// one.

/// The machine's memory protection state as instructions see it.
struct Platform: Sendable {
    var rmp: RMP
    var rmpopt: RMPOPTTables
    /// The registers that are the same on all CPUs, except SNP_EN.
    private(set) var msrs: MSRs
    /// The CPUs whose SYSCFG.SNP_EN is set.
    private(set) var snpCPUs: CPUSet
    /// Where events are published.
    var events: EventStream
    /// Failures of the kernel's own RMPUPDATEs that have not been logged yet.
    private var refusals: [RefusedUpdate] = []

    init(rmp: RMP, rmpopt: RMPOPTTables, msrs: MSRs, cpuCount: Int, events: EventStream) {
        self.rmp = rmp
        self.rmpopt = rmpopt
        self.msrs = msrs
        snpCPUs = CPUSet(limit: cpuCount)
        self.events = events
    }

    /// SYSCFG.SNP_EN on the CPUs where the kernel has enabled SNP: RMP checks are active.
    var snpEnabled: Bool { msrs.snpEnabled }

    /// Sets SNP_EN and VMPL_EN on some CPUs.
    mutating func enableSNP(on cpus: CPUSet) {
        let wasEnabled = msrs.snpEnabled
        msrs.enableSNP()
        snpCPUs = snpCPUs.union(cpus)
        if !wasEnabled { events.publish(.snpEnabled(true)) }
    }

    /// What firmware does in a shutdown with x86_snp_shutdown: it clears SNP_EN on all CPUs.
    ///
    /// Whether this also clears RMPOPT_EN is not known (`Processor.keepsRMPOPTEnable`).
    mutating func clearSNP() {
        msrs.clearSNP()
        snpCPUs.removeAll()
        if !msrs.keepsRMPOPTEnable {
            rmpopt.program(RMPOPTBase(rawValue: 0), cores: CoreSet(all: rmpopt.coreCount))
        }
        events.publish(.snpEnabled(false))
    }

    /// Whether RMPOPT on a CPU answers instead of raising #UD.
    func canExecuteRMPOPT(cpu: Int, core: Int) -> Bool { snpCPUs.contains(cpu) && rmpopt.bases[core].isEnabled }

    /// RDMSR on a CPU.
    ///
    /// - Throws: `.generalProtection` for a register that the processor does not have.
    func rdmsr(_ number: UInt32, cpu: Int, core: Int) throws(MSRFault) -> UInt64 {
        if number == RMPOPTBase.msr && msrs.hasRMPOPT { return rmpopt.bases[core].rawValue }
        let value = try msrs.read(number)
        let isOff = number == MSRs.Number.syscfg && msrs.snpEnabled && !snpCPUs.contains(cpu)
        return isOff ? value & ~(MSRs.snpEnable | MSRs.vmplEnable) : value
    }

    /// WRMSR on a core; registers other than RMPOPT_BASE are written on all CPUs at once, as BIOS and kernel do.
    ///
    /// - Throws: `.generalProtection`, with nothing changed.
    mutating func wrmsr(_ number: UInt32, _ value: UInt64, core: Int) throws(MSRFault) {
        guard number == RMPOPTBase.msr && msrs.hasRMPOPT else {
            let wasEnabled = msrs.snpEnabled
            try msrs.write(number, value)
            if msrs.snpEnabled != wasEnabled {
                snpCPUs = CPUSet(all: snpCPUs.limit)
                events.publish(.snpEnabled(true))
            }
            return
        }
        let base = RMPOPTBase(rawValue: value)
        // The register can be written only after SNP is enabled, and RMPOPT_EN cannot be cleared while SNP is enabled
        // (Ashish Kalra in the texts of the merged commits, September 2026); RMPOPT_EN needs a segmented RMP (the same,
        // 2026-06-19). That a refused write is #GP is a choice.
        if !msrs.snpEnabled || (base.isEnabled && !msrs.isSegmented) { throw .generalProtection }
        if !base.isEnabled && rmpopt.bases[core].isEnabled { throw .generalProtection }
        if value & RMPOPTBase.reservedMask != 0 { throw .generalProtection }
        rmpopt.program(base, cores: CoreSet(core..<(core + 1), limit: rmpopt.coreCount))
    }

    /// RMPUPDATE, with its effect on the RMPOPT tables.
    mutating func rmpupdate(_ spa: SPA, _ new: RMPUpdateInput) -> RMPCode {
        let code = rmp.update(spa.rawValue, new)
        if code == .success && new.assigned { clear(region: spa.region) }
        if code != .success { noteRefusal(spa.pfn.rawValue, new, code) }
        return code
    }

    /// RMPUPDATE of a whole chunk, as `RMP.updateChunk` does it.
    mutating func rmpupdate(chunk: Int, _ first: RMPUpdateInput) -> RMPCode {
        var page = 0
        let code = rmp.updateChunk(chunk, first, refusedAt: &page)
        noteUpdates(chunk, first)
        if code != .success { noteRefusal(chunk: chunk, page, first, code) }
        return code
    }

    /// RMPUPDATE of some pages of a chunk, as `RMP.updatePages` does it.
    mutating func rmpupdate(chunk: Int, pages: Range<Int>, _ first: RMPUpdateInput) -> RMPCode {
        var page = 0
        let code = rmp.updatePages(chunk, pages, first, refusedAt: &page)
        noteUpdates(chunk, first)
        if code != .success { noteRefusal(chunk: chunk, page, first, code) }
        return code
    }

    /// Whether a failed update has not been logged yet.
    var hasRefusals: Bool { !refusals.isEmpty }

    /// The updates that have failed since the last call. Linux retries one that overlaps, and prints nothing.
    mutating func takeRefusals() -> [RefusedUpdate] {
        defer { refusals = [] }
        return refusals
    }

    private mutating func noteRefusal(chunk: Int, _ page: Int, _ first: RMPUpdateInput, _ code: RMPCode) {
        noteRefusal(UInt64(chunk) << 9 + UInt64(page), RMP.input(first, forPage: page), code)
    }

    private mutating func noteRefusal(_ pfn: UInt64, _ input: RMPUpdateInput, _ code: RMPCode) {
        if code == .failOverlap { return }
        refusals.append(RefusedUpdate(pfn: pfn, input: input, code: code, dump: rmp.dump(pfn, hasRMPREAD: hasRMPREAD)))
    }

    private var hasRMPREAD: Bool { msrs.processor.rmpread }

    /// Some updates of a run may have succeeded before one failed: what matters is whether the chunk now has assigned
    /// pages.
    private mutating func noteUpdates(_ chunk: Int, _ first: RMPUpdateInput) {
        if first.assigned && chunk >= 0 && chunk < rmp.chunkCount && rmp.assignedPages(inChunk: chunk) > 0 {
            clear(region: chunk >> 9)
        }
    }

    private mutating func clear(region: Int) {
        if rmpopt.clear(region: region) { events.publish(.regionCleared(region)) }
    }

    /// What SNP_INIT_EX does to the RMPOPT tables: it clears all of them.
    mutating func clearRMPOPTTables() {
        rmpopt.clearAll()
        events.publish(.rmpoptTablesCleared)
    }

    /// RMPOPT on a core, as `RMPOPTTables.execute` does it.
    ///
    /// - Throws: `.undefinedOpcode` before anything else where SNP_EN is 0, whatever RMPOPT_BASE still holds.
    mutating func rmpopt(cpu: Int, core: Int, _ spa: SPA, function: UInt64) throws(RMPOPTFault) -> Bool {
        if !snpCPUs.contains(cpu) { throw .undefinedOpcode }
        return try rmpopt.execute(core: core, spa: spa, function: function, rmp: rmp)
    }

    /// PSMASH. It assigns no page that was not assigned, so the RMPOPT tables stay as they are.
    mutating func psmash(_ spa: SPA) -> RMPCode { rmp.smash(spa.rawValue) }
}
