// SPDX-License-Identifier: Apache-2.0
// Two ends: SNP guests from the bottom of memory, everything else from its top.

/// SNP guests get the lowest free memory, everybody else the highest.
public struct SegregatedPlacement: PlacementPolicy {
    /// Without state.
    public init() {}

    /// Memory of the request's node, or of the host.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        let ranges = memory.chunks(ofNode: request.node)
        if request.use.isAssigned { return memory.lowest(request, in: ranges) }
        let wanted = request.wantsRegions ? request.regions * Pages.chunksPerRegion : request.chunks
        if memory.freeChunkCount < wanted { return nil }
        var collector = ChunkCollector(wanted)
        for region in stride(from: memory.regionCount - 1, through: 0, by: -1) where collector.left > 0 {
            let free = memory.freeChunks(ofRegion: region)
            if free == 0 || request.wantsRegions && free < Pages.chunksPerRegion { continue }
            let all = (region << 9)..<((region + 1) << 9)
            for range in ranges.reversed() where range.overlaps(all) {
                var found: [Range<Int>] = []
                memory.forEachFreeRun(in: range.clamped(to: all)) {
                    found.append($0)
                    return true
                }
                for run in found.reversed() { if !collector.add(run, fromTop: true) { break } }
            }
        }
        return collector.result
    }
}
