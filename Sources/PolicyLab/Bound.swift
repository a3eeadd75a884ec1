// SPDX-License-Identifier: Apache-2.0
// The bound that no placement can beat: what the memory of these guests costs wherever it lies.

import RMPModel

/// The fewest regions that SNP guests can cost, and the most ordinary memory that can then be fast.
///
/// SNP pages go first where nothing is ever fast: into regions of the RMP and of firmware, and beyond every window. The
/// rest costs at least as many further regions as hold it, and at least that much memory. This moves guests freely, so
/// that it holds at every moment for every placement.
struct Bound: Sendable {
    /// Pages where nothing is ever fast.
    private let slow: Int
    /// Regions that are never optimized on all cores, and the pages of these.
    private let fixedRegions: Int
    private let fixedPages: Int
    /// Sums of the n largest other regions, in pages.
    private let largestWhole: [Int]
    /// Sums of the n largest regions that can be fast, in pages.
    private let largest: [Int]
    /// Sums of the n smallest ones, in pages times cores.
    private let smallest: [UInt64]
    /// The fewest cores for which such a region can be fast.
    private let fewestCores: UInt64
    /// Sums of the regions with the most cores first: pages, and pages times cores.
    private let best: [(pages: UInt64, weight: UInt64)]

    init(_ outline: HostOutline) {
        var slow = 0
        var good: [(pages: Int, cores: UInt64)] = []
        var (fixed, fixedPages) = (0, 0)
        var whole: [Int] = []
        for region in outline.coresInWindow.indices {
            let pages = outline.memory.usablePages(ofRegion: region)
            let cores = outline.coresInWindow[region]
            if outline.memory.isFixed(region: region) || cores < outline.cores {
                fixed += 1
                fixedPages += pages
            } else {
                whole.append(pages)
            }
            if outline.memory.isFixed(region: region) || cores == 0 {
                slow += pages
            } else if pages > 0 {
                good.append((pages, UInt64(cores)))
            }
        }
        self.slow = slow
        fixedRegions = fixed
        self.fixedPages = fixedPages
        largestWhole = Bound.sums(whole.sorted(by: >))
        largest = Bound.sums(good.map(\.pages).sorted(by: >))
        smallest = Bound.sums(good.map { UInt64($0.pages) * $0.cores }.sorted())
        fewestCores = good.map(\.cores).min() ?? 0
        var sums: [(UInt64, UInt64)] = [(0, 0)]
        for (pages, cores) in good.sorted(by: { $0.cores > $1.cores }) {
            let last = sums[sums.count - 1]
            sums.append((last.0 + UInt64(pages), last.1 + UInt64(pages) * cores))
        }
        best = sums
    }

    private static func sums<Number: AdditiveArithmetic>(_ numbers: [Number]) -> [Number] {
        numbers.reduce(into: [.zero]) { $0.append($0[$0.count - 1] + $1) }
    }

    /// - Parameters:
    ///   - assigned: assigned pages of guests.
    ///   - ordinary: pages of ordinary memory in use.
    /// - Returns: the most of it that can be fast, in pages times cores, and the fewest regions lost.
    func best(assigned: Int, ordinary: UInt64) -> (fast: UInt64, lost: UInt64) {
        let excess = max(0, assigned - slow)
        let cost = max(smallest[Bound.count(largest, excess)], UInt64(excess) * fewestCores)
        let all = smallest[smallest.count - 1]
        let lost = fixedRegions + Bound.count(largestWhole, max(0, assigned - fixedPages))
        return (min(all - min(all, cost), filled(ordinary)), UInt64(lost))
    }

    /// How many of the largest regions hold so many pages.
    private static func count(_ sums: [Int], _ pages: Int) -> Int {
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] >= pages { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// So many pages where most cores can have them fast.
    private func filled(_ pages: UInt64) -> UInt64 {
        var (low, high) = (0, best.count - 1)
        if best[high].pages <= pages { return best[high].weight }
        while high - low > 1 {
            let middle = (low + high) / 2
            if best[middle].pages <= pages { low = middle } else { high = middle }
        }
        let (part, width) = (pages - best[low].pages, best[high].pages - best[low].pages)
        return best[low].weight + (best[high].weight - best[low].weight) / width * part
    }
}
