// SPDX-License-Identifier: Apache-2.0
// What decides where memory comes from: the seam at which others can put an allocator of their own.

/// An allocator of a host's memory.
///
/// One value decides for one host and may keep state of its own. The host asks it for memory and tells it of every
/// piece that comes back; between the two it keeps the books (`HostMemory`). The same requests must lead to the same
/// answers.
public protocol PlacementPolicy: Sendable {
    /// Chooses free memory for a request.
    ///
    /// - Returns: runs of free pages in the order in which the owner sees them, at least `request.pages` in total. More
    ///   only as the last folio is a whole one: the rest of it is then nobody's until the owner ends. nil if the memory
    ///   cannot be had; nothing has then changed.
    mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]?

    /// Is told that pages are free again: a part of what one `take` returned, within one region.
    mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory)

    /// Is told of many pieces at once, which may span regions: the same as of each part within a region, in order. An
    /// allocator that has no quicker way leaves this out.
    mutating func release(_ runs: ArraySlice<PageRun>, from use: MemoryUse, to memory: HostMemory)
}

extension PlacementPolicy {
    /// Forgets nothing, as nothing was remembered.
    public mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory) {}

    /// One by one.
    public mutating func release(_ runs: ArraySlice<PageRun>, from use: MemoryUse, to memory: HostMemory) {
        for run in runs {
            var page = run.first
            while page < run.first + run.count {
                let stop = min(run.first + run.count, (page >> 18 + 1) << 18)
                release(PageRun(first: page, count: stop - page), from: use, to: memory)
                page = stop
            }
        }
    }
}

extension MemoryRequest {
    /// Chunks that hold the pages; the last may be partly used.
    public var chunks: Int { (pages + Pages.perChunk - 1) / Pages.perChunk }
    /// Whether it asks for whole aligned gigabytes.
    public var wantsRegions: Bool { backing == .size1G && (use == .snp || use == .ordinary) }
    /// Regions that hold the pages.
    public var regions: Int { (pages + Pages.perRegion - 1) / Pages.perRegion }
}

/// Takes chunks out of candidate runs until a request is satisfied.
struct ChunkCollector {
    private(set) var runs: [PageRun] = []
    /// Chunks still missing.
    private(set) var left: Int

    init(_ chunks: Int) { left = chunks }

    /// Takes as many chunks of a free run as are missing, its lowest first, or its highest.
    ///
    /// - Returns: whether more are missing.
    mutating func add(_ run: Range<Int>, fromTop: Bool = false) -> Bool {
        let count = min(run.count, left)
        let first = fromTop ? run.upperBound - count : run.lowerBound
        PageRun.append(PageRun(first: first * Pages.perChunk, count: count * Pages.perChunk), to: &runs)
        left -= count
        return left > 0
    }

    /// Takes the free chunks of a region.
    mutating func add(region: Int, of memory: HostMemory, within ranges: [Range<Int>]? = nil) -> Bool {
        let all = (region << 9)..<((region + 1) << 9)
        for range in ranges ?? [all] where range.overlaps(all) && left > 0 {
            memory.forEachFreeRun(in: range.clamped(to: all)) { add($0) }
        }
        return left > 0
    }

    /// Takes whole regions.
    mutating func addWhole(_ regions: [Int]) {
        for region in regions { _ = add((region << 9)..<((region + 1) << 9)) }
    }

    /// The runs, if nothing is missing.
    var result: [PageRun]? { left == 0 ? runs : nil }
}

extension HostMemory {
    /// The lowest free memory of some ranges, or whole free regions if the request asks for them.
    func lowest(_ request: MemoryRequest, in ranges: [Range<Int>]) -> [PageRun]? {
        if request.wantsRegions {
            let regions = wholeRegions(in: ranges, most: request.regions)
            var collector = ChunkCollector(request.regions * Pages.chunksPerRegion)
            collector.addWhole(regions)
            return collector.result
        }
        if freeChunkCount < request.chunks { return nil }
        var collector = ChunkCollector(request.chunks)
        for range in ranges where collector.left > 0 { forEachFreeRun(in: range) { collector.add($0) } }
        return collector.result
    }
}
