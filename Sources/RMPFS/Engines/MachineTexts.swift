// SPDX-License-Identifier: Apache-2.0
// The texts of a simulated machine's tables, and the last of them for as long as the tables do not change.

import RMPModel

/// Renders the RMPOPT tables of a machine.
///
/// A text that was made is kept under the tables' generation, up to a bound on memory: most reads find nothing changed.
struct MachineTexts: Sendable {
    private var cache = RenderingCache(limit: Self.cacheLimit)
    /// The tables' generation at the last read of rmpopt-table that found nothing kept.
    private var missedGeneration: UInt64?
    private var cpuLists = CPUListCache()

    /// Enough for the table and a dozen CPUs of a 2 TB machine.
    private static let cacheLimit = 1 << 20
    /// More regions than this make a text that is not kept.
    private static let regionLimit = 8192
    /// The table's key; a CPU's key is its number.
    private static let tableKey = -1

    // MARK: rmpopt-table

    private static func lines(of machine: borrowing Machine, from first: Int) -> Range<Int> {
        RegionTable.lines(
            from: first,
            regions: machine.tableRegions,
            hasEndLine: machine.configuration.series.table?.hasEndLine == true && machine.hasTable
        )
    }

    /// Writes lines from `first` on.
    mutating func showTable(
        of machine: borrowing Machine,
        from first: Int,
        into page: inout RecordPage
    ) throws(Errno) {
        for region in Self.lines(of: machine, from: first) {
            let wanted = try page.record { text throws(Errno) in
                RegionTable.line(region: region, cpus: cpuLists.text(ofRegion: region, in: machine), into: &text)
            }
            if !wanted { return }
        }
    }

    /// The whole table, if it is kept or worth keeping: a reader that comes a second time finds the tables unchanged.
    mutating func renderedTable(of machine: borrowing Machine) throws(Errno) -> Rendering? {
        // Lines that mix with a running pass differ from reader to reader.
        if machine.reportsAreShared { return nil }
        let generation = machine.rowGeneration
        if let kept = cache.rendering(Self.tableKey, version: generation) { return kept }
        guard machine.regionCount <= Self.regionLimit, missedGeneration == generation else {
            missedGeneration = generation
            return nil
        }
        let hasEndLine = machine.configuration.series.table?.hasEndLine ?? false
        let rendering = try Rendering(hidesLastRecordFromItself: hasEndLine) { text, ends throws(Errno) in
            // Most rows equal the one before: then its list is copied from the line before.
            var last: (region: Int, list: Range<Int>)?
            for region in Self.lines(of: machine, from: 0) {
                if let last, machine.hasEqualRows(region, last.region) {
                    RegionTable.line(region: region, listAt: last.list, into: &text)
                } else {
                    let cpus = cpuLists.text(ofRegion: region, in: machine)
                    last = (region, RegionTable.line(region: region, cpus: cpus, into: &text))
                }
                ends.append(text.count)
            }
        }
        cache.keep(rendering, Self.tableKey, version: generation)
        return rendering
    }

    // MARK: cpuN

    /// Writes the lines of a CPU.
    static func showRegions(
        ofCPU cpu: Int,
        of machine: borrowing Machine,
        into text: inout TextBuffer
    ) throws(Errno) {
        guard machine.onlineCPUs.contains(cpu) else { throw .noSuchDevice }
        let window = machine.window(ofCPU: cpu)
        let isChecked = machine.isSNPEnabled
        // Without RMPOPT_EN there is no window, and RMP checks are done everywhere.
        let hasWindow = machine.rmpoptBase(ofCPU: cpu)?.isEnabled ?? false
        machine.forEachRegion(ofCPU: cpu) { region, isOptimized in
            let status: CPURegions.Status =
                !isChecked
                ? .unchecked
                : isOptimized ? .optimized : window.contains(region) || !hasWindow ? .checked : .outside
            CPURegions.line(region: region, status, into: &text)
        }
    }

    /// The text of a CPU, made if it is not kept; nil for a machine whose texts are too long to keep.
    mutating func renderedRegions(ofCPU cpu: Int, of machine: borrowing Machine) throws(Errno) -> Rendering? {
        guard machine.regionCount <= Self.regionLimit, machine.onlineCPUs.contains(cpu) else { return nil }
        let generation = machine.rowGeneration
        if let kept = cache.rendering(cpu, version: generation) { return kept }
        let rendering = try Rendering { text, ends throws(Errno) in
            try Self.showRegions(ofCPU: cpu, of: machine, into: &text)
            ends.append(text.count)
        }
        cache.keep(rendering, cpu, version: generation)
        return rendering
    }
}

/// The list of CPUs of the row that was printed last: most rows of a table are equal.
private struct CPUListCache: Sendable {
    private var generation: UInt64?
    private var region = 0
    private var cpus: CPUSet?
    private var bytes: [UInt8] = []

    /// The text of the CPUs on which a region is optimized; empty for none.
    mutating func text(ofRegion region: Int, in machine: borrowing Machine) -> [UInt8] {
        let isShared = machine.reportsAreShared
        if !isShared && generation == machine.rowGeneration && machine.hasEqualRows(region, self.region) {
            return bytes
        }
        var set = cpus ?? CPUSet(limit: machine.cpuCount)
        machine.collectReportedCPUs(ofRegion: region, into: &set)
        bytes.removeAll(keepingCapacity: true)
        CPUList.append(set, to: &bytes)
        cpus = set
        self.region = region
        generation = isShared ? nil : machine.rowGeneration
        return bytes
    }
}
