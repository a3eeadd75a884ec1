// SPDX-License-Identifier: Apache-2.0
// The invariants after each command, at the cost of what the command touched: the rest is known from the command
// before, and `InvariantChecker` checks it from scratch now and then.

/// Follows a machine command by command.
package struct StepInvariants: Sendable {
    /// For each page whether it was assigned at the last check; with it the sums by chunk and by region.
    private var isAssigned: [UInt64]
    private var ofChunk: [Int]
    private var ofRegion: [Int]
    /// The tables' generation and registers at the last check.
    private var generation: UInt64
    private var bases: [RMPOPTBase]

    /// Reads everything once.
    package init(of machine: Machine) {
        let rmp = machine.platform.rmp
        (generation, bases) = (machine.platform.rmpopt.generation, machine.platform.rmpopt.bases)
        isAssigned = Array(repeating: 0, count: Int(rmp.pageCount >> 6))
        ofChunk = Array(repeating: 0, count: rmp.chunkCount)
        ofRegion = Array(repeating: 0, count: rmp.regionCount)
        for region in 0..<rmp.regionCount where rmp.uniformWord(ofRegion: region) != .hypervisor {
            let first = UInt64(region) << 18
            for page in first..<(first + 1 << 18) { look(page, rmp) }
        }
    }

    /// All violations, each as a sentence. Checks the counts of the touched pages' chunks and regions; for every
    /// region, that a set bit means no assigned page and a core whose window holds the region; and the work.
    ///
    /// - Parameter pages: the numbers of the pages that the command since the last call may have changed.
    package mutating func violations(in machine: borrowing Machine, touched pages: [UInt64]) -> [String] {
        var found: [String] = []
        // If no page, bit or window has changed, what held before still holds.
        let (generation, bases) = (machine.platform.rmpopt.generation, machine.platform.rmpopt.bases)
        if !pages.isEmpty || generation != self.generation || bases != self.bases {
            (self.generation, self.bases) = (generation, bases)
            recount(pages, machine.platform.rmp, &found)
            for region in 0..<machine.regionCount { checkRegion(region, machine.platform, &found) }
        }
        if machine.optimizationInProgress && !machine.passIsRunning && machine.requests(.lost) == 0 {
            found.append("the flag is set and no pass runs")
        }
        if let due = machine.nextDue, due < machine.now { found.append("work is due at \(due), before \(machine.now)") }
        return found
    }

    private mutating func recount(_ pages: [UInt64], _ rmp: borrowing RMP, _ found: inout [String]) {
        for page in pages where page < rmp.pageCount { look(page, rmp) }
        var last = -1
        for page in pages where page < rmp.pageCount {
            let chunk = Int(page >> 9)
            if chunk == last { continue }
            last = chunk
            let pages = ofChunk[chunk]
            if pages != rmp.assignedPages(inChunk: chunk) {
                found.append("chunk \(chunk): \(pages) assigned, counted \(rmp.assignedPages(inChunk: chunk))")
            }
            let bit = rmp.assignedChunks[chunk >> 6] >> UInt64(chunk & 63) & 1
            if (bit == 1) != (pages > 0) { found.append("chunk \(chunk): bit \(bit) with \(pages) assigned pages") }
        }
    }

    private mutating func look(_ page: UInt64, _ rmp: borrowing RMP) {
        let (word, bit) = (Int(page >> 6), UInt64(1) << (page & 63))
        let was = isAssigned[word] & bit != 0
        let now = rmp.entry(chunk: Int(page >> 9), index: Int(page & 511)).isAssigned
        if was == now { return }
        isAssigned[word] ^= bit
        ofChunk[Int(page >> 9)] += now ? 1 : -1
        ofRegion[Int(page >> 18)] += now ? 1 : -1
    }

    private func checkRegion(_ region: Int, _ platform: borrowing Platform, _ found: inout [String]) {
        let assigned = platform.rmp.assignedPages(ofRegion: region)
        if assigned != ofRegion[region] {
            found.append("region \(region): \(ofRegion[region]) assigned pages, counted \(assigned)")
        }
        let words = platform.rmpopt.wordsPerRow
        var set = 0
        var inside = 0
        for word in 0..<words {
            let bits = platform.rmpopt.bits[region * words + word]
            set += bits.nonzeroBitCount
            for window in platform.rmpopt.windows where window.regions.contains(region) {
                inside += (bits & window.cores.words[word]).nonzeroBitCount
            }
        }
        if set != platform.rmpopt.setCores[region] { found.append("region \(region): \(set) bits, miscounted") }
        if set > 0 && assigned > 0 {
            found.append("region \(region) is optimized and holds \(assigned) assigned pages")
        }
        if set > 0 && !platform.rmp.isOptimizable(region) { found.append("region \(region) is optimized, not covered") }
        if inside != set { found.append("region \(region): \(set) bits, \(inside) of them inside a window") }
    }
}
