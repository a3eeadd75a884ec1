// SPDX-License-Identifier: Apache-2.0
// What a Linux host does by itself: its page allocator, node by node.

/// Linux's page allocator.
///
/// A guest's memory comes folio by folio, of the order of its backing: single pages, or 2 MB. Gigabytes (hugetlb) come
/// from the lowest regions that are wholly free; that movable pages could be moved out of the way is left out. SNP
/// guests' memory and the host's own are unmovable, ordinary guests' is movable. A request that names no node goes to
/// the node with the most free memory, and from there on to the others in ascending order.
public struct BuddyPlacement: PlacementPolicy {
    private var nodes: [(node: Int, chunks: [Range<Int>], lists: BuddyLists)] = []

    /// Its lists are made of the free memory when it is first asked.
    public init() {}

    /// Folios from the free lists.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        if nodes.isEmpty { fill(memory) }
        if request.wantsRegions { return regions(request, memory) }
        // A single page of the kernel's is one of a pageblock that it fills in time: the caller takes it as a whole.
        let order = request.use == .control || request.backing == .size2M ? BuddyLists.pageblockOrder : 0
        let type: MigrateType = request.use == .ordinary ? .movable : .unmovable
        var left = (request.pages + (1 << order) - 1) >> order
        var taken: [(node: Int, runs: [PageRun])] = []
        for index in candidates(request.node) where left > 0 {
            let free = nodes[index].lists.free[0] + nodes[index].lists.free[1]
            // All of it, or, at single pages, as much as there is.
            let count = min(left, free >> order)
            if count == 0 || count < left && request.node != nil { continue }
            guard let runs = nodes[index].lists.take(count, order: order, type) else { continue }
            taken.append((index, runs))
            left -= count
        }
        if left > 0 {
            for part in taken.reversed() {
                for run in part.runs { nodes[part.node].lists.giveBack(run) }
            }
            return nil
        }
        var runs: [PageRun] = []
        for part in taken { for run in part.runs { PageRun.append(run, to: &runs) } }
        return runs
    }

    /// Pages go back to the lists of their node.
    public mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory) {
        release([run], from: use, to: memory)
    }

    /// The same for many.
    public mutating func release(_ runs: ArraySlice<PageRun>, from use: MemoryUse, to memory: HostMemory) {
        if nodes.count == 1 {
            nodes[0].lists.giveBack(runs)
            return
        }
        // A run may go from one node to the next.
        for run in runs {
            var page = run.first
            while let place = place(of: page), page < run.first + run.count {
                let stop = min(run.first + run.count, place.end)
                nodes[place.node].lists.giveBack(PageRun(first: page, count: stop - page))
                page = stop
            }
        }
    }

    /// The node of a page, and where its memory ends.
    private func place(of page: Int) -> (node: Int, end: Int)? {
        for index in nodes.indices {
            for range in nodes[index].chunks where range.contains(page >> 9) { return (index, range.upperBound << 9) }
        }
        return nil
    }

    private mutating func fill(_ memory: HostMemory) {
        for node in memory.nodes {
            let chunks = memory.chunks(ofNode: node)
            var free: [Range<Int>] = []
            for range in chunks {
                memory.forEachFreeRun(in: range) { run in
                    let pages = (run.lowerBound << 9)..<(run.upperBound << 9)
                    if let last = free.last, last.upperBound == pages.lowerBound {
                        free[free.count - 1] = last.lowerBound..<pages.upperBound
                    } else {
                        free.append(pages)
                    }
                    return true
                }
            }
            nodes.append((node, chunks, BuddyLists(free, pages: memory.regionCount * Pages.perRegion)))
        }
    }

    private func candidates(_ node: Int?) -> [Int] {
        if let node { return nodes.indices.filter { nodes[$0].node == node } }
        if nodes.count == 1 { return [0] }
        let free = nodes.map { $0.lists.free[0] + $0.lists.free[1] }
        let first = free.indices.max { (free[$0], $1) < (free[$1], $0) } ?? 0
        return [first] + nodes.indices.filter { $0 != first }
    }

    private mutating func regions(_ request: MemoryRequest, _ memory: HostMemory) -> [PageRun]? {
        guard let runs = memory.lowest(request, in: memory.chunks(ofNode: request.node)) else { return nil }
        for run in runs {
            for index in nodes.indices { nodes[index].lists.takeRange(run.pages) }
        }
        return runs
    }
}
