// SPDX-License-Identifier: Apache-2.0
// Consecutive pages of host memory: what allocators hand out and take back.

/// Consecutive 4 KB pages.
public struct PageRun: Sendable, Hashable {
    /// The number of the first page: its address divided by 4,096.
    public var first: Int
    /// How many pages.
    public var count: Int

    /// `count` pages from page `first` on.
    public init(first: Int, count: Int) {
        self.first = first
        self.count = count
    }

    /// The pages' numbers.
    public var pages: Range<Int> { first..<(first + count) }
    /// The addresses, in bytes.
    public var bytes: Range<UInt64> { UInt64(first) << 12..<UInt64(first + count) << 12 }

    /// Appends a run, merged with the last one if it starts where that ends.
    public static func append(_ run: PageRun, to runs: inout [PageRun]) {
        if run.count == 0 { return }
        if let last = runs.last, last.first + last.count == run.first {
            runs[runs.count - 1].count += run.count
        } else {
            runs.append(run)
        }
    }
}

/// The sizes of memory, in pages: a chunk is 2 MB, a region 1 GB.
public enum Pages {
    /// Pages in a chunk of 2 MB.
    public static let perChunk = 512
    /// Pages in a region of 1 GB.
    public static let perRegion = 262_144
    /// Chunks in a region.
    public static let chunksPerRegion = 512
}
