// SPDX-License-Identifier: Apache-2.0
// Chunks at random: the worst that an allocator can do for regions.

/// Each chunk is drawn at random from all free ones.
///
/// It keeps the free chunks as a list in no order, so that a draw does not depend on how full the host is: 8 bytes a
/// chunk.
public struct ScatteredPlacement: PlacementPolicy {
    private var random: SplitMix64
    /// The free chunks, and for each chunk its place in that list.
    private var free: [UInt32] = []
    private var places: [UInt32] = []

    /// - Parameter seed: the same seed and the same requests give the same chunks.
    public init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// Chunks of the host, or of the request's node, in the order in which they were drawn.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        if places.isEmpty { fill(memory) }
        if request.wantsRegions { return regions(request, memory) }
        if let node = request.node { return chunks(request, ofNode: node, memory) }
        let wanted = request.chunks
        if free.count < wanted { return nil }
        var runs: [PageRun] = []
        runs.reserveCapacity(wanted)
        for _ in 0..<wanted {
            let chunk = Int(free[random.next(below: free.count)])
            remove(chunk)
            PageRun.append(PageRun(first: chunk * Pages.perChunk, count: Pages.perChunk), to: &runs)
        }
        return runs
    }

    /// Puts whole chunks back on the list.
    public mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory) {
        for chunk in (run.first >> 9)..<((run.first + run.count) >> 9) {
            places[chunk] = UInt32(truncatingIfNeeded: free.count)
            free.append(UInt32(truncatingIfNeeded: chunk))
        }
    }

    private mutating func fill(_ memory: HostMemory) {
        places = [UInt32](repeating: 0, count: memory.regionCount * Pages.chunksPerRegion)
        for range in memory.chunks(ofNode: nil) {
            memory.forEachFreeRun(in: range) { run in
                for chunk in run {
                    places[chunk] = UInt32(truncatingIfNeeded: free.count)
                    free.append(UInt32(truncatingIfNeeded: chunk))
                }
                return true
            }
        }
    }

    private mutating func remove(_ chunk: Int) {
        let last = free.removeLast()
        let place = Int(places[chunk])
        if Int(last) == chunk { return }
        free[place] = last
        places[Int(last)] = UInt32(truncatingIfNeeded: place)
    }

    private mutating func chunks(_ request: MemoryRequest, ofNode node: Int, _ memory: HostMemory) -> [PageRun]? {
        let ranges = memory.chunks(ofNode: node)
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
