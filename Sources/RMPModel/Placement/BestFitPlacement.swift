// SPDX-License-Identifier: Apache-2.0
// Regions already lost first: the placement that a host can have by looking at the RMP, with guests where they are.

import HeapModule

/// SNP guests fill regions that are lost already, the fullest first; then they open the region with the least ordinary
/// memory. Ordinary memory fills regions that are not lost, the fullest first, and goes to lost ones only when there is
/// nothing else.
public struct BestFitPlacement: PlacementPolicy {
    /// Without state.
    public init() {}

    /// Memory of the request's node, or of the host.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        let ranges = memory.chunks(ofNode: request.node)
        if !request.wantsRegions && memory.freeChunkCount < request.chunks { return nil }
        // Keys and, below them, the numbers of regions: most requests need only the first few.
        var order: [Int] = []
        order.reserveCapacity(memory.regionCount)
        for region in 0..<memory.regionCount {
            let free = memory.freeChunks(ofRegion: region)
            if free == 0 || request.wantsRegions && free < Pages.chunksPerRegion { continue }
            let isLost = memory.isLost(region: region)
            let key: Int
            if request.use.isAssigned {
                key = isLost ? free : 1_000 + memory.ordinaryPages(ofRegion: region)
            } else {
                key = isLost ? 1_000 + free : free
            }
            order.append(key << 32 | region)
        }
        var heap = Heap(order)
        var collector = ChunkCollector(
            request.wantsRegions ? request.regions * Pages.chunksPerRegion : request.chunks
        )
        while let item = heap.popMin() {
            if !collector.add(region: item & 0xFFFF_FFFF, of: memory, within: ranges) { break }
        }
        return collector.result
    }
}
