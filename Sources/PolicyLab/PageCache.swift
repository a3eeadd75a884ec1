// SPDX-License-Identifier: Apache-2.0
// The host's page cache: it fills a share of the memory that nobody else wants, and gives way to whoever does.

import RMPModel

/// What the page cache of a host holds.
struct PageCache: Sendable {
    /// The share of the memory that is free or already the cache's that it grows to, 0 to 1.
    let share: Double
    /// What it holds, the oldest first; those before `oldest` are given back.
    private var runs: [PageRun] = []
    private var oldest = 0
    /// Pages that it holds.
    private(set) var pages = 0

    init(share: Double) { self.share = share }

    /// By how many pages it may grow, in whole chunks, when so many are free.
    func growth(free: Int) -> Int {
        PageCache.growth(share: share, pages: pages, free: free)
    }

    /// The same of a cache that holds `pages`.
    static func growth(share: Double, pages: Int, free: Int) -> Int {
        let most = Int(Double(free + pages) * share)
        return max(0, most - pages) / Pages.perChunk * Pages.perChunk
    }

    /// How many pages it gives up at a time for a request of `wanted` pages, of the `pages` that it holds. What is
    /// given back need not be what the request can use: the steps grow with the cache, so that a request that gets
    /// nothing in the end does not ask for long.
    static func step(wanted: Int, pages: Int) -> Int { min(pages, max(wanted, pages / 8)) }

    /// Remembers memory as its youngest.
    mutating func add(_ taken: [PageRun]) {
        runs += taken
        pages += taken.reduce(0) { $0 + $1.count }
    }

    /// Forgets its oldest memory.
    ///
    /// - Parameter count: how many pages; rounded up to whole chunks.
    /// - Returns: what it gives back.
    mutating func drop(_ count: Int) -> [PageRun] {
        var left = min((count + Pages.perChunk - 1) / Pages.perChunk * Pages.perChunk, pages)
        pages -= left
        var dropped: [PageRun] = []
        while left > 0 {
            let part = min(left, runs[oldest].count)
            dropped.append(PageRun(first: runs[oldest].first, count: part))
            left -= part
            if part == runs[oldest].count {
                oldest += 1
            } else {
                runs[oldest] = PageRun(first: runs[oldest].first + part, count: runs[oldest].count - part)
            }
        }
        if oldest > runs.count / 2 {
            runs.removeFirst(oldest)
            oldest = 0
        }
        return dropped
    }
}
