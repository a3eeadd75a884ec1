// SPDX-License-Identifier: Apache-2.0
// The RMP and the RMPOPT tables once more, as plainly as the manual's text: one dictionary entry a page, no summaries.
// Slow, and meant to be read; the real ones must always give the same answers.

@testable import RMPModel

/// One machine's RMP instructions over `regions` regions and `cores` cores.
struct ReferenceModel {
    let regions: Int
    let cores: Int
    /// Pages that are not hypervisor-owned with all fields zero.
    private(set) var entries: [UInt64: RMPEntry] = [:]
    private(set) var optimized: Set<[Int]> = []

    init(copying machine: Machine) {
        regions = machine.regionCount
        cores = machine.coreCount
        for pfn in 0..<UInt64(regions * Granularity.pagesPerRegion) {
            if let entry = machine.rmpEntry(PFN(pfn)), entry != RMPEntry() { entries[pfn] = entry }
        }
        for region in 0..<regions {
            for core in 0..<cores where machine.isOptimized(region: region, cpu: core) {
                optimized.insert([region, core])
            }
        }
    }

    func entry(_ pfn: UInt64) -> RMPEntry { entries[pfn] ?? RMPEntry() }

    private mutating func write(_ pfn: UInt64, _ entry: RMPEntry) {
        entries[pfn] = entry == RMPEntry() ? nil : entry
    }

    private func exists(_ pfn: UInt64) -> Bool { pfn < UInt64(regions) << 18 }

    mutating func rmpupdate(_ spa: UInt64, _ new: RMPUpdateInput) -> RMPCode {
        let pfn = spa / 4096
        let first = pfn - pfn % 512
        if new.pageSize == .size2M && pfn != first { return .failInput }
        if !new.assigned && (new.immutable || new.asid != 0) { return .failInput }
        if new.asid > 1023 { return .failInput }
        if !exists(pfn) { return .failInput }
        if entry(pfn).immutable { return .failPermission }
        if entry(pfn).locked { return .failInUse }
        let isCovered = entry(first).pageSize == .size2M
        var written = RMPEntry(assigned: new.assigned, immutable: new.immutable, gpa: new.gpa, asid: UInt16(new.asid))
        if new.pageSize == .size4K {
            if isCovered { return .failOverlap }
            write(pfn, written)
        } else {
            if !isCovered {
                if (first..<(first + 512)).contains(where: { entry($0).assigned }) { return .failOverlap }
                if (first..<(first + 512)).contains(where: { entry($0).immutable }) { return .failPermission }
            }
            if new.assigned { written.pageSize = .size2M }
            write(first, written)
            for other in (first + 1)..<(first + 512) { write(other, RMPEntry(assigned: new.assigned)) }
        }
        if new.assigned {
            for core in 0..<cores { optimized.remove([Int(spa >> 30), core]) }
        }
        return .success
    }

    mutating func psmash(_ spa: UInt64) -> RMPCode {
        let pfn = spa / 4096
        if spa % (2 << 20) != 0 || !exists(pfn) { return .failInput }
        let whole = entry(pfn)
        if whole.pageSize != .size2M || !whole.assigned { return .failInput }
        if whole.immutable { return .failPermission }
        if whole.locked { return .failInUse }
        for page in 0..<512 as Range<UInt64> {
            var part = whole
            part.pageSize = .size4K
            if whole.asid != 0 {
                part.gpa = GPA((whole.gpa.rawValue + page * 4096) % (1 << 51))
            }
            write(pfn + page, part)
        }
        return .success
    }

    mutating func rmpopt(core: Int, _ spa: UInt64, function: UInt64) -> Bool {
        let region = Int(spa >> 30)
        if region >= regions || region >= 2048 { return false }
        let pages = UInt64(region) << 18..<UInt64(region + 1) << 18
        if function == 0 && !entries.contains(where: { pages.contains($0.key) && $0.value.assigned }) {
            optimized.insert([region, core])
        }
        return optimized.contains([region, core])
    }

    func rmpread(_ spa: UInt64) -> RMPReadOutput? {
        let pfn = spa / 4096
        if !exists(pfn) { return nil }
        let page = entry(pfn)
        let others =
            page.pageSize == .size4K && pfn % 512 == 0
            && ((pfn + 1)..<(pfn + 512)).contains { entry($0).assigned }
        return RMPReadOutput(
            gpa: page.gpa,
            assigned: page.assigned,
            pageSize: page.pageSize,
            hugePageRegionStatus: others,
            immutable: page.immutable,
            asid: UInt32(page.asid)
        )
    }
}
