// SPDX-License-Identifier: Apache-2.0
// A list of the page allocator's largest free blocks, last in first out: millions of pages in a few numbers.

/// Free blocks of order 10 in the order in which they are taken, consecutive ones as one.
struct BlockRuns: Sendable {
    /// Pages of a block.
    static let size = 1 << BuddyLists.maxOrder

    /// Consecutive blocks.
    private struct Run: Sendable {
        /// The page of the block that is taken next.
        var head: Int
        var count: Int
        /// From one block to the one that is taken after it, in pages: 1,024 or -1,024.
        var step: Int
    }

    /// The head of the list is the last element.
    private var runs: [Run] = []

    /// Blocks in the list.
    var count: Int { runs.reduce(0) { $0 + $1.count } }
    /// The block that is taken next.
    var head: Int? { runs.last?.head }

    /// Puts a block at the head.
    @inline(__always)
    mutating func push(_ page: Int) {
        let index = runs.count - 1
        if index >= 0 {
            let last = runs[index]
            let step = last.head - page
            if last.count == 1 && abs(step) == BlockRuns.size || step == last.step {
                runs[index] = Run(head: page, count: last.count + 1, step: step)
                return
            }
        }
        runs.append(Run(head: page, count: 1, step: BlockRuns.size))
    }

    /// Takes the block at the head.
    @inline(__always)
    mutating func pop() -> Int? {
        let index = runs.count - 1
        if index < 0 { return nil }
        let run = runs[index]
        if run.count == 1 {
            runs.removeLast()
        } else {
            runs[index] = Run(head: run.head + run.step, count: run.count - 1, step: run.step)
        }
        return run.head
    }

    /// Takes up to `most` blocks of the run at the head.
    ///
    /// - Returns: how many.
    mutating func pop(_ most: Int, to taken: inout [PageRun]) -> Int {
        guard most > 0, var run = runs.popLast() else { return 0 }
        let count = min(most, run.count)
        if run.step > 0 {
            PageRun.append(PageRun(first: run.head, count: count * BlockRuns.size), to: &taken)
        } else {
            PageRun.append(PageRun(first: run.head, count: BlockRuns.size), to: &taken)
            for index in 1..<count {
                taken.append(PageRun(first: run.head + index * run.step, count: BlockRuns.size))
            }
        }
        run.head += count * run.step
        run.count -= count
        if run.count > 0 { runs.append(run) }
        return count
    }

    /// Takes all blocks within a range of whole blocks out, wherever they stand; the order of the others stays.
    ///
    /// - Returns: how many.
    mutating func remove(_ range: Range<Int>) -> Int {
        guard let start = runs.firstIndex(where: { !BlockRuns.places(of: range, in: $0).isEmpty }) else { return 0 }
        var removed = 0
        var changed: [Run] = []
        for run in runs[start...] {
            let places = BlockRuns.places(of: range, in: run)
            removed += places.count
            // What is taken first stands last.
            for part in [places.upperBound..<run.count, 0..<places.lowerBound] where !part.isEmpty {
                changed.append(Run(head: run.head + part.lowerBound * run.step, count: part.count, step: run.step))
            }
        }
        runs.replaceSubrange(start..., with: changed)
        return removed
    }

    /// Which blocks of a run, by number, lie within a range; an empty range at its end if none does.
    private static func places(of range: Range<Int>, in run: Run) -> Range<Int> {
        let lowest = run.step > 0 ? run.head : run.head - (run.count - 1) * size
        if range.lowerBound >= lowest + run.count * size || range.upperBound <= lowest { return run.count..<run.count }
        let from = max(0, (range.lowerBound - lowest) / size)
        let end = min(run.count, (range.upperBound - lowest) / size)
        return run.step > 0 ? from..<end : (run.count - end)..<(run.count - from)
    }
}
