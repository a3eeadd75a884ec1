// SPDX-License-Identifier: Apache-2.0
// The invariants after each command, at the price of what the command touched: what else holds is known from the
// command before, and checked from scratch by `InvariantChecker` now and then.

/// Follows a machine command by command.
package struct StepInvariants: Sendable {
    /// Assigned pages of each frame when it was last counted, and of each region by their sum.
    private var ofFrame: [Int]
    private var ofRegion: [Int]

    /// Counts everything once.
    package init(of machine: Machine) {
        let rmp = machine.platform.rmp
        ofFrame = (0..<rmp.frameCount).map { StepInvariants.count(rmp, $0) }
        ofRegion = Array(repeating: 0, count: rmp.regionCount)
        for frame in ofFrame.indices { ofRegion[frame >> 9] += ofFrame[frame] }
    }

    /// All violations, each as a sentence: counts of the touched frames and of their regions; for every region, that a
    /// set bit means no assigned page and a core whose window holds the region; and the work.
    ///
    /// - Parameter frames: those that the command since the last call may have changed.
    package mutating func violations(in machine: borrowing Machine, touched frames: [Int]) -> [String] {
        var found: [String] = []
        recount(frames, machine.platform.rmp, &found)
        for region in 0..<machine.regionCount { checkRegion(region, machine.platform, &found) }
        if machine.optimizationInProgress && !machine.passIsRunning && machine.requests(.lost) == 0 {
            found.append("the flag is set and no pass runs")
        }
        if let due = machine.nextDue, due < machine.now { found.append("work is due at \(due), before \(machine.now)") }
        return found
    }

    private mutating func recount(_ frames: [Int], _ rmp: borrowing RMP, _ found: inout [String]) {
        for frame in frames where ofFrame.indices.contains(frame) {
            let pages = StepInvariants.count(rmp, frame)
            ofRegion[frame >> 9] += pages - ofFrame[frame]
            ofFrame[frame] = pages
            if pages != rmp.assignedPages(inFrame: frame) {
                found.append("frame \(frame): \(pages) assigned, miscounted")
            }
            let bit = rmp.assignedFrames[frame >> 6] >> UInt64(frame & 63) & 1
            if (bit == 1) != (pages > 0) { found.append("frame \(frame): bit \(bit) with \(pages) assigned pages") }
        }
    }

    private func checkRegion(_ region: Int, _ platform: borrowing Platform, _ found: inout [String]) {
        let assigned = platform.rmp.assignedPages[region]
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
                inside += (bits & window.cores[word]).nonzeroBitCount
            }
        }
        if set != platform.rmpopt.setCores[region] { found.append("region \(region): \(set) bits, miscounted") }
        if set > 0 && assigned > 0 {
            found.append("region \(region) is optimized and holds \(assigned) assigned pages")
        }
        if inside != set { found.append("region \(region): \(set) bits, \(inside) of them inside a window") }
    }

    private static func count(_ rmp: borrowing RMP, _ frame: Int) -> Int {
        let word = rmp.frameWord(frame)
        if !word.isMixed { return word.assignedPagesOfFrame }
        var pages = 0
        for index in 0..<Granularity.pagesPerFrame where rmp.entry(of: word, index: index).isAssigned { pages += 1 }
        return pages
    }
}
