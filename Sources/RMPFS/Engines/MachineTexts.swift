// SPDX-License-Identifier: Apache-2.0
// Renders the texts of a simulated machine's tables, and caches them until the tables change.

import RMPModel

/// Renders the RMPOPT tables of a machine.
///
/// A rendered text is kept under the tables' generation, up to a memory limit: most reads find nothing changed.
struct MachineTexts: Sendable {
    private var cache = RenderingCache(limit: Self.cacheLimit)
    /// The tables' generation at the last read of rmpopt-table that missed the cache.
    private var missedGeneration: UInt64?
    private var lists = CPULists()

    /// Enough for the table and a dozen CPUs of a 2 TB machine.
    private static let cacheLimit = 1 << 20
    /// Texts with more regions than this are not kept.
    private static let regionLimit = 8192
    /// The table's key; a CPU's key is its number.
    private static let tableKey = -1

    // MARK: rmpopt-table

    private static func lines(of machine: borrowing Machine, from first: Int) -> Range<Int> {
        DebugfsTableText.lines(
            from: first,
            regions: machine.tableRegions,
            hasEndLine: machine.debugfsTableHasEndLine
        )
    }

    /// Writes lines from `first` on.
    mutating func showDebugfsTable(
        of machine: borrowing Machine,
        from first: Int,
        into page: inout RecordPage
    ) throws(Errno) {
        lists.begin(machine)
        let all = Self.lines(of: machine, from: first)
        var region = all.lowerBound
        while region < all.upperBound {
            let (list, end) = lists.select(region, in: machine)
            let isWanted = lists[list].withUnsafeBytes { rest in
                page.records(min(end, all.upperBound) - region) { number, text in
                    DebugfsTableText.line(region: region + number, rest, into: &text)
                }
            }
            if !isWanted { return }
            region = end
        }
    }

    /// The whole table, if it is kept or worth keeping, that is, if this is the second reader of unchanged tables.
    mutating func renderedDebugfsTable(of machine: borrowing Machine) throws(Errno) -> Rendering? {
        // During a pass the tables change from read to read, and some versions mix lines with it: the whole text would
        // be rendered for each page read from it.
        if machine.passIsRunning { return nil }
        let generation = machine.rowGeneration
        if let kept = cache.rendering(Self.tableKey, version: generation) { return kept }
        guard machine.regionCount <= Self.regionLimit, missedGeneration == generation else {
            missedGeneration = generation
            return nil
        }
        let hasEndLine = machine.configuration.series.debugfsTable?.hasEndLine ?? false
        let rendering = try Rendering(hidesLastRecordFromItself: hasEndLine) { text, ends throws(Errno) in
            lists.begin(machine)
            let all = Self.lines(of: machine, from: 0)
            var region = all.lowerBound
            while region < all.upperBound {
                let (list, end) = lists.select(region, in: machine)
                lists[list].withUnsafeBytes { rest in
                    for region in region..<min(end, all.upperBound) {
                        DebugfsTableText.line(region: region, rest, into: &text)
                        ends.append(text.count)
                    }
                }
                region = end
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
        guard machine.onlineCPUs.contains(cpu) else { throw Errno(.offlineCPU) }
        let window = machine.window(ofCPU: cpu)
        let isChecked = machine.isSNPEnabled
        // Without RMPOPT_EN there is no window, and RMP checks happen everywhere.
        let hasWindow = machine.rmpoptBase(ofCPU: cpu)?.isEnabled ?? false
        machine.forEachRegion(ofCPU: cpu) { region, isOptimized in
            let status = CPURegions.Status(
                isChecked: isChecked,
                isOptimized: isOptimized,
                isOutside: hasWindow && !window.contains(region)
            )
            CPURegions.line(region: region, status, into: &text)
        }
    }

    /// The text of a CPU, rendered if it is not kept; nil for a machine whose texts are too long to keep.
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

/// Lists of CPUs as the text that ends a line, the most recent ones: most rows of a table are equal, or one of a few.
///
/// A list is found by its set of CPUs, so it is never out of date.
private struct CPULists: Sendable {
    private struct List: Sendable {
        var cpus: CPUSet
        var text: [UInt8]
        /// When it was last selected.
        var use: UInt64 = 0
    }

    /// A pass over a table with a guest in it has four kinds of rows: all cores, none, the leader's, and mixtures of
    /// these.
    private static let limit = 8
    /// About as many lines as a page holds: rows beyond it are compared by the read that prints them.
    private static let linesOfPage = 64

    private var lists: [List] = []
    private var uses: UInt64 = 0
    private var mask: SharedMask?
    /// Regions with equal rows and their list.
    private typealias Run = (regions: Range<Int>, list: Int)
    /// The run printed last, separately for lines that mix two results and for those that do not.
    private var last: (plain: Run?, mixed: Run?)
    private var cpus = CPUSet(limit: 0)

    /// The end of the lines with a list.
    subscript(list: Int) -> [UInt8] { lists[list].text }

    /// Must be called before printing lines of a machine that may have changed.
    mutating func begin(_ machine: borrowing Machine) {
        mask = machine.sharedMask
        last = (nil, nil)
    }

    /// The list for the line of a region, and the region up to which the next lines have the same.
    mutating func select(_ region: Int, in machine: borrowing Machine) -> (list: Int, end: Int) {
        let isMixed = mask?.isMixedInto(region) ?? false
        func end(_ run: Run) -> Int {
            guard let mask else { return run.regions.upperBound }
            var end = region + 1
            while end < run.regions.upperBound && mask.isMixedInto(end) == isMixed { end += 1 }
            return end
        }
        let known = isMixed ? last.mixed : last.plain
        if let known, known.regions.contains(region) { return (known.list, end(known)) }
        let list: Int
        if let known, machine.hasEqualRows(region, known.regions.lowerBound) {
            list = known.list
        } else {
            if cpus.limit != machine.cpuCount { cpus = CPUSet(limit: machine.cpuCount) }
            machine.collectReportedCPUs(ofRegion: region, mask, into: &cpus)
            list = find()
        }
        // Asked for once and not for each line: each call copies a part of the machine.
        let run = Run(machine.equalRows(from: region, limit: Self.linesOfPage), list)
        if isMixed { last.mixed = run } else { last.plain = run }
        return (list, end(run))
    }

    /// The index of the list of `cpus`, made if it does not exist.
    private mutating func find() -> Int {
        uses += 1
        if let known = lists.firstIndex(where: { $0.cpus == cpus }) {
            lists[known].use = uses
            return known
        }
        var place = lists.count
        if place < Self.limit {
            lists.append(List(cpus: cpus, text: DebugfsTableText.rest(cpus)))
        } else {
            place = lists.indices.min { lists[$0].use < lists[$1].use } ?? 0
            lists[place] = List(cpus: cpus, text: DebugfsTableText.rest(cpus))
            if last.plain?.list == place { last.plain = nil }
            if last.mixed?.list == place { last.mixed = nil }
        }
        lists[place].use = uses
        return place
    }
}
