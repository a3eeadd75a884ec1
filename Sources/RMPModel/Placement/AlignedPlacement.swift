// SPDX-License-Identifier: Apache-2.0
// Whole gigabytes for SNP guests, the rest where regions are lost anyway.

/// SNP guests get whole free regions, the lowest first, at least one; what is left over comes from regions that are
/// lost already, then from those with the most free memory. All others get the lowest free memory of regions that are
/// not lost, then of the others.
public struct AlignedPlacement: PlacementPolicy {
    /// Without state.
    public init() {}

    /// Memory of the request's node, or of the host.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        let ranges = memory.chunks(ofNode: request.node)
        if request.wantsRegions { return memory.lowest(request, in: ranges) }
        if memory.freeChunks(in: ranges) < request.chunks { return nil }
        var collector = ChunkCollector(request.chunks)
        if !request.use.isAssigned {
            for isLost in [false, true] where collector.left > 0 {
                for region in 0..<memory.regionCount
                where memory.isLost(region: region) == isLost && memory.freeChunks(ofRegion: region) > 0 {
                    if !collector.add(region: region, of: memory, within: ranges) { break }
                }
            }
            return collector.result
        }
        let wanted = request.use == .control ? 0 : max(request.chunks / Pages.chunksPerRegion, 1)
        let whole = memory.wholeRegions(in: ranges, most: wanted)
        collector.addWhole(whole)
        if collector.left == 0 { return collector.result }
        let taken = Set(whole)
        let rest = (0..<memory.regionCount)
            .filter { memory.freeChunks(ofRegion: $0) > 0 && !taken.contains($0) }
            .sorted { first, second in
                let lost = memory.isLost(region: first)
                if lost != memory.isLost(region: second) { return lost }
                let free = (memory.freeChunks(ofRegion: first), memory.freeChunks(ofRegion: second))
                return !lost && free.0 != free.1 ? free.0 > free.1 : first < second
            }
        for region in rest { if !collector.add(region: region, of: memory, within: ranges) { break } }
        return collector.result
    }
}
