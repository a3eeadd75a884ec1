// SPDX-License-Identifier: Apache-2.0
// The RMP a second time, as plain as the manual's text: one dictionary entry a page, and the instructions check by
// check. It is slow and meant to be read; the real one must always give the same answers.

@testable import RMPModel

/// An RMP over regions from address 0, of which it need not cover all.
struct NaiveRMP: Sendable {
    let regionCount: Int
    /// Which regions it covers: segments cover whole gigabytes.
    let isRegionCovered: [Bool]
    /// Pages that differ from `background(_:)`.
    private(set) var entries: [UInt64: NaivePage] = [:]
    /// The number of assigned pages by chunk and by region; kept by `write` alone.
    private(set) var assignedInChunk: [UInt64: UInt64] = [:]
    private(set) var assignedInRegion: [Int]
    /// Everything written since this was last emptied.
    var changes: [NaiveChange] = []
    /// Pages that SNP_INIT_EX leaves HV-fixed: what is not DRAM, and what firmware always fixes.
    private let fixed: [Range<UInt64>]
    /// Whether SNP_INIT_EX has run since the RMP was last zeroed.
    private var isConfigured = false

    init(_ configuration: MachineConfiguration) {
        regionCount = configuration.memory.regionCount
        isRegionCovered = (0..<UInt64(regionCount)).map { region in
            configuration.rmp.segments.contains { $0.covered.contains(region << 30) }
        }
        assignedInRegion = Array(repeating: 0, count: regionCount)
        // AMD's published firmware, sev_rmp.c: all that is covered is HV-fixed, then DRAM becomes the hypervisor's,
        // then ASEG and the 4 GB from 0xfd00000000 on are HV-fixed again.
        var holes: [Range<UInt64>] = [0xa0..<0xc0, 0xfd0_0000..<0xfe0_0000]
        var end: UInt64 = 0
        for span in configuration.memory.spans {
            holes.append((end >> 12)..<(span.range.lowerBound >> 12))
            end = span.range.upperBound
        }
        holes.append((end >> 12)..<max(end >> 12, UInt64(regionCount) << 18))
        fixed = holes.filter { !$0.isEmpty }
    }

    // MARK: Pages

    subscript(pfn: UInt64) -> NaivePage { entries[pfn] ?? background(pfn) }

    /// What a page holds that nobody has written since the RMP was set up.
    private func background(_ pfn: UInt64) -> NaivePage {
        isConfigured && exists(pfn) && fixed.contains { $0.contains(pfn) } ? .hypervisorFixed : .hypervisor
    }

    /// Whether a chunk is HV-fixed as a whole, and nobody has written to it.
    func isFixed(chunk: UInt64) -> Bool {
        let first = chunk * 512
        return isConfigured && exists(first) && fixed.contains { $0.contains(first) && $0.contains(first + 511) }
    }

    /// Whether SNP_INIT_EX has HV-fixed a page of the region that is not DRAM, or that firmware always fixes.
    func hasFixed(region: Int) -> Bool {
        let pages = UInt64(region) << 18..<UInt64(region + 1) << 18
        return isConfigured && fixed.contains { $0.overlaps(pages) }
    }

    /// Whether there is an entry for the page: it is covered, and not beyond the end of memory.
    func exists(_ pfn: UInt64) -> Bool {
        pfn < UInt64(regionCount) * 262_144 && isRegionCovered[Int(pfn / 262_144)]
    }

    /// Whether RMPOPT can win a region: covered as a whole, and hypervisor-owned.
    func isOptimizable(_ region: Int) -> Bool {
        assignedInRegion[region] == 0 && isRegionCovered[region]
    }

    /// Every page hypervisor-owned.
    mutating func reset(_ cause: NaiveCause) {
        for pfn in Array(entries.keys) { write(pfn, .hypervisor, cause) }
        isConfigured = false
        entries = [:]
    }

    /// Every page as SNP_INIT_EX leaves it before it turns to its own pages and those that the kernel lists.
    mutating func configure() {
        reset(.anew)
        isConfigured = true
    }

    /// Writes a whole range of bytes.
    mutating func fill(_ range: Range<UInt64>, _ page: NaivePage, _ cause: NaiveCause) {
        for pfn in (range.lowerBound / 4096)..<(range.upperBound / 4096) { write(pfn, page, cause) }
    }

    mutating func write(_ pfn: UInt64, _ new: NaivePage, _ cause: NaiveCause?) {
        if !exists(pfn) { return }
        let old = self[pfn]
        entries[pfn] = new == background(pfn) ? nil : new
        if old.assigned != new.assigned {
            assignedInChunk[pfn / 512, default: 0] &+= new.assigned ? 1 : ~0
            assignedInRegion[Int(pfn / 262_144)] += new.assigned ? 1 : -1
        }
        changes.append(NaiveChange(pfn: pfn, old: old, new: new, cause: cause))
    }

    func assignedPages(ofChunk chunk: UInt64) -> UInt64 { assignedInChunk[chunk] ?? 0 }

    /// The lowest chunk of a region with an assigned page, counted from the region's first.
    func firstAssignedChunk(ofRegion region: Int) -> Int? {
        if assignedInRegion[region] == 0 { return nil }
        return (0..<512).first { assignedPages(ofChunk: UInt64(region * 512 + $0)) > 0 }
    }

    /// Whether a 2 MB entry at the chunk's first page covers the page.
    func isCovered(_ pfn: UInt64) -> Bool { self[pfn / 512 * 512].is2M }

    /// How many other pages of a 2 MB-aligned page's chunk are assigned by entries of their own.
    func subpages(_ pfn: UInt64) -> UInt64 {
        if pfn % 512 != 0 || self[pfn].is2M { return 0 }
        return assignedPages(ofChunk: pfn / 512) - (self[pfn].assigned ? 1 : 0)
    }

    // MARK: Instructions

    mutating func rmpupdate(_ spa: UInt64, _ new: RMPUpdateInput) -> RMPCode {
        let pfn = spa / 4096
        let first = pfn / 512 * 512
        let wants2M = new.pageSize == .size2M
        if wants2M && pfn != first { return .failInput }
        if !new.assigned && (new.immutable || new.asid != 0) { return .failInput }
        if new.asid > 1023 { return .failInput }
        if !exists(pfn) { return .failInput }
        if self[pfn].immutable { return .failPermission }
        if self[pfn].locked { return .failInUse }

        let covered = isCovered(pfn)
        var page = NaivePage(assigned: new.assigned, immutable: new.immutable)
        page.gpa = NaivePage.gpa(new.gpa.rawValue)
        page.asid = UInt64(new.asid)
        if !wants2M {
            if covered { return .failOverlap }
            write(pfn, page, .rmpupdate4K)
            return .success
        }
        if !covered {
            if (first..<(first + 512)).contains(where: { self[$0].assigned }) { return .failOverlap }
            if (first..<(first + 512)).contains(where: { self[$0].immutable }) { return .failPermission }
            if (first..<(first + 512)).contains(where: { self[$0].locked }) { return .failInUse }
        }
        page.is2M = new.assigned
        write(first, page, .rmpupdate2M)
        for other in (first + 1)..<(first + 512) { write(other, NaivePage(assigned: new.assigned), nil) }
        return .success
    }

    mutating func psmash(_ spa: UInt64) -> RMPCode {
        let pfn = spa / 4096
        if spa % (2 << 20) != 0 || !exists(pfn) { return .failInput }
        let whole = self[pfn]
        if !whole.is2M || !whole.assigned { return .failInput }
        if whole.immutable { return .failPermission }
        if whole.locked { return .failInUse }
        for page in 0..<512 as Range<UInt64> {
            var part = whole
            part.is2M = false
            if whole.asid != 0 { part.gpa = NaivePage.gpa(whole.gpa + page * 4096) }
            write(pfn + page, part, page == 0 ? .psmash : nil)
        }
        return .success
    }

    /// RMPREAD; nil means FAIL_INPUT.
    func rmpread(_ spa: UInt64) -> RMPReadOutput? {
        let pfn = spa / 4096
        if !exists(pfn) { return nil }
        let page = self[pfn]
        return RMPReadOutput(
            gpa: GPA(page.gpa),
            assigned: page.assigned,
            pageSize: page.is2M ? .size2M : .size4K,
            hugePageRegionStatus: subpages(pfn) > 0,
            immutable: page.immutable,
            asid: UInt32(page.asid)
        )
    }
}
