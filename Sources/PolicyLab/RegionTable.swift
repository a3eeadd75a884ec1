// SPDX-License-Identifier: Apache-2.0
// What RMP and RMPOPT tables say of each region, kept as sums: assigned pages of chunks and regions, and how many
// cores' bits are set. A property test compares it with the machine, region by region.

import RMPModel

/// The regions of a host.
struct RegionTable: Sendable {
    let count: Int
    let cores: UInt64
    /// Assigned pages of guests in the chunks that are assigned in part, 1 ... 511.
    private var assignedInPart: [Int: Int] = [:]
    /// Bit b of word b / 64: chunk b holds an assigned page of a guest.
    private var chunks: [UInt64]
    /// Assigned pages of guests in each region.
    private(set) var assigned: [Int32]
    /// The lowest chunk with an assigned page, 512 for none; valid unless `isStale`.
    private var first: [UInt16]
    private var isStale: [Bool]
    /// The same of pages that the RMP and firmware hold for ever.
    private let fixedFirst: [UInt16]
    /// Whether a region can never be optimized.
    let isFixed: [Bool]
    /// On how many cores the region could be optimized if nobody held a page of it.
    let inWindow: [UInt64]
    /// What a pass can set: the leader's bit, and so many of the others'.
    let crew: [(leader: Bool, others: Int)]
    /// Whether the leader's bit is set, and whether the others' are.
    private(set) var leaderSet: [Bool]
    private(set) var othersSet: [Bool]
    /// How many cores' bits are set.
    private(set) var setCores: [UInt64]
    /// Pages of ordinary memory in use.
    private(set) var ordinary: [UInt64]
    /// Sums and their integrals.
    var integrals: Integrals

    init(_ outline: HostOutline, start: UInt64, width: UInt64?) {
        count = outline.firstAssigned.count
        cores = UInt64(outline.cores)
        chunks = [UInt64](repeating: 0, count: count * Pages.chunksPerRegion / 64)
        assigned = [Int32](repeating: 0, count: count)
        fixedFirst = outline.firstAssigned.map { UInt16($0 ?? Pages.chunksPerRegion) }
        first = fixedFirst
        isStale = [Bool](repeating: false, count: count)
        isFixed = (0..<count).map { outline.memory.isFixed(region: $0) }
        inWindow = outline.coresInWindow.map { UInt64($0) }
        crew = outline.crewInWindow
        leaderSet = outline.optimized.map(\.leader)
        othersSet = outline.optimized.map { $0.others > 0 }
        setCores = outline.optimized.map { UInt64($0.others + ($0.leader ? 1 : 0)) }
        ordinary = [UInt64](repeating: 0, count: count)
        integrals = Integrals(start: start, width: width)
        let cores = cores
        integrals[.lostRegions] = UInt64(setCores.count { $0 < cores })
    }

    // MARK: Questions

    /// Whether RMPOPT could set the region's bit now.
    @inline(__always)
    func isOptimizable(_ region: Int) -> Bool { assigned[region] == 0 && !isFixed[region] }

    /// The lowest chunk of a region with an assigned page; 512 for none.
    @inline(__always)
    mutating func firstAssigned(_ region: Int) -> Int {
        if isStale[region] { refresh(region) }
        return Int(first[region])
    }

    private mutating func refresh(_ region: Int) {
        isStale[region] = false
        var lowest = fixedFirst[region]
        for word in 0..<8 {
            let bits = chunks[region * 8 + word]
            if bits != 0 {
                lowest = min(lowest, UInt16(word * 64 + bits.trailingZeroBitCount))
                break
            }
        }
        first[region] = lowest
    }

    /// What a pass looks at in each region, for loops over many that change nothing.
    struct Look {
        fileprivate let first: UnsafeBufferPointer<UInt16>
        fileprivate let stale: UnsafeBufferPointer<Bool>
        fileprivate let assigned: UnsafeBufferPointer<Int32>
        fileprivate let fixed: UnsafeBufferPointer<Bool>
        fileprivate let setCores: UnsafeBufferPointer<UInt64>
        fileprivate let inWindow: UnsafeBufferPointer<UInt64>
        fileprivate let crews: UnsafeBufferPointer<(leader: Bool, others: Int)>

        /// Whether a pass could set a bit of the region now.
        @inline(__always)
        func isWaiting(_ region: Int) -> Bool {
            assigned[region] == 0 && setCores[region] != inWindow[region] && !fixed[region]
        }
        /// As `firstAssigned(_:)`; nil if that must look.
        @inline(__always)
        func firstAssigned(_ region: Int) -> Int? { stale[region] ? nil : Int(first[region]) }
        /// As `crew`.
        @inline(__always)
        func crew(_ region: Int) -> (leader: Bool, others: Int) { crews[region] }
    }

    /// Calls `body` with a look at all regions.
    @inline(__always)
    func withLook(_ body: (Look) -> Void) {
        first.withUnsafeBufferPointer { first in
            isStale.withUnsafeBufferPointer { stale in
                assigned.withUnsafeBufferPointer { assigned in
                    isFixed.withUnsafeBufferPointer { fixed in
                        setCores.withUnsafeBufferPointer { setCores in
                            inWindow.withUnsafeBufferPointer { inWindow in
                                crew.withUnsafeBufferPointer { crews in
                                    body(
                                        Look(
                                            first: first,
                                            stale: stale,
                                            assigned: assigned,
                                            fixed: fixed,
                                            setCores: setCores,
                                            inWindow: inWindow,
                                            crews: crews
                                        )
                                    )
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether every core that has the region in its window has its bit set.
    @inline(__always)
    func isWhollySet(_ region: Int) -> Bool { setCores[region] == inWindow[region] }

    /// Assigned pages of a chunk.
    func assignedPages(ofChunk chunk: Int) -> Int {
        chunks[chunk >> 6] >> UInt64(chunk & 63) & 1 == 0 ? 0 : assignedInPart[chunk] ?? Pages.perChunk
    }

    // MARK: Changes

    /// RMPUPDATE assigns pages: the region loses its bits.
    ///
    /// - Returns: regions that had no assigned page before.
    mutating func assign(_ run: PageRun, newlyLost: (Int) -> Void) {
        var page = run.first
        let end = run.first + run.count
        while page < end {
            let region = page >> 18
            let stop = min(end, (region + 1) << 18)
            if assigned[region] == 0 {
                withdraw(region)
                assigned[region] = Int32(truncatingIfNeeded: stop - page)
                leaderSet[region] = false
                othersSet[region] = false
                setCores[region] = 0
                contribute(region)
                newlyLost(region)
            } else {
                assigned[region] += Int32(truncatingIfNeeded: stop - page)
            }
            let lowest = UInt16(truncatingIfNeeded: (page >> 9) & 511)
            if lowest < first[region] { first[region] = lowest }
            changeChunks(page..<stop, assigns: true)
            page = stop
        }
    }

    /// The same for many runs, of which the last may not be wholly assigned: `pages` in total.
    mutating func assign(_ runs: [PageRun], pages: Int, newlyLost: (Int) -> Void) {
        var (index, left) = (0, pages)
        while index < runs.count && left > 0 {
            assignChunks(runs, &index, &left)
            if index == runs.count || left == 0 { return }
            let count = min(runs[index].count, left)
            assign(PageRun(first: runs[index].first, count: count), newlyLost: newlyLost)
            left -= count
            index += 1
        }
    }

    /// Assigns runs of a few whole chunks as long as their regions have assigned pages already: then no sum changes.
    private mutating func assignChunks(_ runs: [PageRun], _ index: inout Int, _ left: inout Int) {
        chunks.withUnsafeMutableBufferPointer { chunks in
            assigned.withUnsafeMutableBufferPointer { assigned in
                first.withUnsafeMutableBufferPointer { first in
                    while index < runs.count {
                        let run = runs[index]
                        let (region, chunk, length) = (run.first >> 18, run.first >> 9, run.count >> 9)
                        let isWhole = (run.first | run.count) & 511 == 0 && chunk & 63 + length <= 64
                        if !isWhole || run.count > left || assigned[region] == 0 { return }
                        assigned[region] += Int32(truncatingIfNeeded: run.count)
                        first[region] = min(first[region], UInt16(truncatingIfNeeded: chunk & 511))
                        chunks[chunk >> 6] ^= HostMemory.mask(chunk & 63, length)
                        left -= run.count
                        index += 1
                    }
                }
            }
        }
    }

    /// Changes the assigned pages of the chunks of some pages of a region.
    @inline(__always)
    private mutating func changeChunks(_ pages: Range<Int>, assigns: Bool) {
        let whole = ((pages.lowerBound + 511) >> 9)..<max((pages.lowerBound + 511) >> 9, pages.upperBound >> 9)
        if pages.lowerBound & 511 != 0 || whole.isEmpty {
            let stop = min(pages.upperBound, (pages.lowerBound | 511) + 1)
            changePart(pages.lowerBound >> 9, stop - pages.lowerBound, assigns)
        }
        var chunk = whole.lowerBound
        while chunk < whole.upperBound {
            let length = min(64 - chunk & 63, whole.upperBound - chunk)
            let mask: UInt64 = (length == 64 ? .max : (1 << UInt64(length)) - 1) << UInt64(chunk & 63)
            chunks[chunk >> 6] ^= mask
            chunk += length
        }
        let rest = pages.upperBound & 511
        if rest != 0 && pages.upperBound >> 9 != pages.lowerBound >> 9 {
            changePart(pages.upperBound >> 9, rest, assigns)
        }
    }

    private mutating func changePart(_ chunk: Int, _ pages: Int, _ assigns: Bool) {
        let before = assignedPages(ofChunk: chunk)
        let after = assigns ? before + pages : before - pages
        assignedInPart[chunk] = after == 0 || after == Pages.perChunk ? nil : after
        let bit: UInt64 = 1 << UInt64(chunk & 63)
        if after == 0 { chunks[chunk >> 6] &= ~bit } else { chunks[chunk >> 6] |= bit }
    }

    /// Takes runs of a few whole chunks back, one after the other, as long as each leaves other assigned pages in its
    /// region, and so keeps all sums.
    ///
    /// - Parameter goesOn: whether the run with this index may go back.
    /// - Returns: the index of the first that did not.
    @inline(__always)
    mutating func shareChunks(_ runs: [PageRun], from start: Int, goesOn: (Int) -> Bool) -> Int {
        var index = start
        chunks.withUnsafeMutableBufferPointer { chunks in
            assigned.withUnsafeMutableBufferPointer { assigned in
                first.withUnsafeBufferPointer { first in
                    isStale.withUnsafeMutableBufferPointer { isStale in
                        while index < runs.count {
                            let run = runs[index]
                            let (region, chunk, length) = (run.first >> 18, run.first >> 9, run.count >> 9)
                            let isWhole = (run.first | run.count) & 511 == 0 && chunk & 63 + length <= 64
                            if !isWhole || Int(assigned[region]) <= run.count || !goesOn(index) { return }
                            chunks[chunk >> 6] ^= HostMemory.mask(chunk & 63, length)
                            assigned[region] -= Int32(truncatingIfNeeded: run.count)
                            if chunk & 511 <= Int(first[region]) { isStale[region] = true }
                            index += 1
                        }
                    }
                }
            }
        }
        return index
    }

    /// RMPUPDATE makes pages of one region shared.
    ///
    /// - Returns: whether the region has no assigned page now.
    mutating func share(_ run: PageRun) -> Bool {
        let region = run.first >> 18
        changeChunks(run.pages, assigns: false)
        // Chunks below the lowest assigned one hold nothing that could go back.
        if (run.first >> 9) & 511 <= Int(first[region]) { isStale[region] = true }
        let left = assigned[region] - Int32(truncatingIfNeeded: run.count)
        if left > 0 {
            assigned[region] = left
            return false
        }
        withdraw(region)
        assigned[region] = 0
        contribute(region)
        return true
    }

    /// RMPOPT on the leader's core, or on the others; the region must be optimizable.
    ///
    /// - Returns: how many bits were newly set.
    mutating func set(_ region: Int, leader: Bool, others: Bool) -> Int {
        let isLed = leader && crew[region].leader && !leaderSet[region]
        let isFollowed = others && crew[region].others > 0 && !othersSet[region]
        if !isLed && !isFollowed { return 0 }
        withdraw(region)
        if isLed { leaderSet[region] = true }
        if isFollowed { othersSet[region] = true }
        let won = (isLed ? 1 : 0) + (isFollowed ? crew[region].others : 0)
        setCores[region] += UInt64(won)
        contribute(region)
        return won
    }

    /// Ordinary memory comes into use (`sign` 1), or is given back (-1): `pages` in total, as the last run may not be
    /// wholly its owner's.
    mutating func change(ordinary runs: [PageRun], pages: Int, sign: Int) {
        var left = pages
        var (all, fast, neighbour, unscanned, window, fixed): (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
        (all, fast, neighbour, unscanned, window, fixed) = (0, 0, 0, 0, 0, 0)
        // Work around overlapping access: the array is taken out while the others are looked at.
        var changed: [UInt64] = []
        swap(&changed, &ordinary)
        changed.withUnsafeMutableBufferPointer { ordinary in
            withLook { look in
                for run in runs where left > 0 {
                    var page = run.first
                    let end = run.first + min(run.count, left)
                    left -= end - page
                    while page < end {
                        let region = page >> 18
                        let stop = min(end, (region + 1) << 18)
                        let change = UInt64(bitPattern: Int64(sign * (stop - page)))
                        page = stop
                        ordinary[region] &+= change
                        all &+= change
                        if look.fixed[region] {
                            fixed &+= change
                        } else if look.assigned[region] > 0 {
                            neighbour &+= change
                        } else {
                            let set = look.setCores[region]
                            fast &+= change &* set
                            unscanned &+= change &* (look.inWindow[region] - set)
                            window &+= change &* (cores - look.inWindow[region])
                        }
                    }
                }
            }
        }
        swap(&changed, &ordinary)
        integrals[.ordinary] &+= all
        integrals[.fast] &+= fast
        integrals[.neighbour] &+= neighbour &* cores
        integrals[.unscanned] &+= unscanned
        integrals[.window] &+= window
        integrals[.fixed] &+= fixed &* cores
    }

    // MARK: Sums

    private mutating func withdraw(_ region: Int) { add(region, by: { $0 &- $1 }) }
    private mutating func contribute(_ region: Int) { add(region, by: { $0 &+ $1 }) }

    /// Adds a region to the sums, or takes it out of them.
    @inline(__always)
    private mutating func add(_ region: Int, by change: (UInt64, UInt64) -> UInt64) {
        let set = setCores[region]
        if set < cores { integrals[.lostRegions] = change(integrals[.lostRegions], 1) }
        let pages = ordinary[region]
        if pages == 0 { return }
        if isFixed[region] {
            integrals[.fixed] = change(integrals[.fixed], pages * cores)
        } else if assigned[region] > 0 {
            integrals[.neighbour] = change(integrals[.neighbour], pages * cores)
        } else {
            integrals[.fast] = change(integrals[.fast], pages * set)
            integrals[.unscanned] = change(integrals[.unscanned], pages * (inWindow[region] - set))
            integrals[.window] = change(integrals[.window], pages * (cores - inWindow[region]))
        }
    }
}
