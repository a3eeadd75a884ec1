// SPDX-License-Identifier: Apache-2.0
// Chunks at random: the worst that an allocator can do for regions.

/// Each chunk is drawn at random from all free ones.
///
/// It draws a number and looks whether that chunk is free, which is quick as long as the host has some room: a bit for
/// each chunk stays in a processor's cache where a list of free chunks does not.
public struct ScatteredPlacement: PlacementPolicy {
    private var random: SplitMix64
    /// Bit b of word b / 64: chunk b is free.
    private var free: [UInt64] = []
    private var count = 0
    private var chunks = 0..<0
    /// With fewer free chunks than one in so many, the free ones are listed first.
    private static let sparse = 16

    /// - Parameter seed: the same seed and the same requests give the same chunks.
    public init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// Chunks of the host, or of the request's node, in the order in which they were drawn.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        if free.isEmpty { fill(memory) }
        if request.wantsRegions { return regions(request, memory) }
        let wanted = request.chunks
        if request.node != nil || (count - wanted) * ScatteredPlacement.sparse < chunks.count {
            return listed(request, memory)
        }
        count -= wanted
        return draw(wanted)
    }

    /// So many free chunks, in the order in which they are drawn.
    private mutating func draw(_ wanted: Int) -> [PageRun] {
        let (start, span) = (chunks.lowerBound, chunks.count)
        var random = random
        defer { self.random = random }
        return free.withUnsafeMutableBufferPointer { free in
            [PageRun](unsafeUninitializedCapacity: wanted) { runs, count in
                var (found, first, length) = (0, 0, 0)
                while found < wanted {
                    let chunk = start + random.next(below: span)
                    let (word, bit) = (free[chunk >> 6], UInt64(chunk & 63))
                    free[chunk >> 6] = word & ~(1 << bit)
                    // Half of all draws find nothing, at random: a branch here would be mispredicted as often. Chunks
                    // are written where the runs will be, which cannot be more.
                    runs[found] = PageRun(first: chunk * Pages.perChunk, count: Pages.perChunk)
                    found += Int(truncatingIfNeeded: word >> bit & 1)
                }
                for index in 0..<found {
                    let run = runs[index]
                    if length > 0 && run.first == first + length {
                        length += run.count
                        runs[count - 1].count = length
                        continue
                    }
                    runs[count] = run
                    (first, length) = (run.first, run.count)
                    count += 1
                }
            }
        }
    }

    /// Whole chunks are free again.
    public mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory) {
        release([run], from: use, to: memory)
    }

    /// The same for many.
    public mutating func release(_ runs: ArraySlice<PageRun>, from use: MemoryUse, to memory: HostMemory) {
        free.withUnsafeMutableBufferPointer { free in
            for run in runs {
                let end = (run.first + run.count) >> 9
                for chunk in (run.first >> 9)..<end { free[chunk >> 6] |= 1 << UInt64(chunk & 63) }
                count += end - run.first >> 9
            }
        }
    }

    private mutating func fill(_ memory: HostMemory) {
        free = [UInt64](repeating: 0, count: memory.regionCount * Pages.chunksPerRegion / 64)
        let ranges = memory.chunks(ofNode: nil)
        chunks = (ranges.first?.lowerBound ?? 0)..<(ranges.last?.upperBound ?? 0)
        for range in ranges {
            memory.forEachFreeRun(in: range) { run in
                for chunk in run { free[chunk >> 6] |= 1 << UInt64(chunk & 63) }
                count += run.count
                return true
            }
        }
    }

    private mutating func remove(_ chunk: Int) {
        free[chunk >> 6] &= ~(1 << UInt64(chunk & 63))
        count -= 1
    }

    private mutating func listed(_ request: MemoryRequest, _ memory: HostMemory) -> [PageRun]? {
        let ranges = memory.chunks(ofNode: request.node)
        var candidates: [Int] = []
        for range in ranges {
            memory.forEachFreeRun(in: range) {
                candidates += $0
                return true
            }
        }
        if candidates.count < request.chunks { return nil }
        var runs: [PageRun] = []
        for index in 0..<request.chunks {
            candidates.swapAt(index, index + random.next(below: candidates.count - index))
            remove(candidates[index])
            PageRun.append(PageRun(first: candidates[index] * Pages.perChunk, count: Pages.perChunk), to: &runs)
        }
        return runs
    }

    private mutating func regions(_ request: MemoryRequest, _ memory: HostMemory) -> [PageRun]? {
        var candidates = memory.wholeRegions(in: memory.chunks(ofNode: request.node))
        if candidates.count < request.regions { return nil }
        var collector = ChunkCollector(request.regions * Pages.chunksPerRegion)
        for index in 0..<request.regions {
            candidates.swapAt(index, index + random.next(below: candidates.count - index))
            let region = candidates[index]
            for chunk in (region << 9)..<((region + 1) << 9) { remove(chunk) }
            collector.addWhole([region])
        }
        return collector.result
    }
}
