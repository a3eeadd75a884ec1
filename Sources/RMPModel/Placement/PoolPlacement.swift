// SPDX-License-Identifier: Apache-2.0
// A reserve of gigabytes for SNP guests, as hugetlb's 1 GB pages are set aside when a host boots.

/// Regions from the bottom of memory are a reserve: SNP guests get whole ones out of it, the lowest first, and nothing
/// else; everybody else gets the lowest free memory outside. A guest that finds the reserve used up is refused, however
/// much other memory is free.
///
/// Control pages come from regions that can never be optimized, or else from the reserve.
public struct PoolPlacement: PlacementPolicy {
    private let share: Double
    private var reserve: Set<Int>?

    /// - Parameter share: how much of the host's wholly free regions is the reserve, 0 ... 1.
    public init(share: Double) { self.share = min(max(share, 0), 1) }

    /// Whole regions of the reserve, or memory outside of it.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        if reserve == nil {
            let whole = memory.wholeRegions(in: memory.chunks(ofNode: nil))
            reserve = Set(whole.prefix(Int((Double(whole.count) * share).rounded())))
        }
        let reserved = reserve ?? []
        let ranges = memory.chunks(ofNode: request.node)
        if request.use == .snp {
            let free = memory.wholeRegions(in: ranges).filter(reserved.contains)
            var collector = ChunkCollector(request.regions * Pages.chunksPerRegion)
            collector.addWhole(Array(free.prefix(request.regions)))
            return collector.result
        }
        var collector = ChunkCollector(
            request.wantsRegions ? request.regions * Pages.chunksPerRegion : request.chunks
        )
        let isControl = request.use == .control
        let first = (0..<memory.regionCount).filter { isControl ? memory.isFixed(region: $0) : !reserved.contains($0) }
        let second = isControl ? reserved.sorted() : []
        for region in first + second {
            let free = memory.freeChunks(ofRegion: region)
            if free == 0 || request.wantsRegions && free < Pages.chunksPerRegion { continue }
            if !collector.add(region: region, of: memory, within: ranges) { break }
        }
        return collector.result
    }
}
