// SPDX-License-Identifier: Apache-2.0
// Memory that is taken and given back in many pieces at once, which has ways of its own, must lead to the same as piece
// by piece.

import RMPModel
import Testing

@testable import PolicyLab

@Suite struct ManyPiecesTests {
    /// A host's books and its allocator.
    private struct Host {
        var memory: HostMemory
        var policy: any PlacementPolicy

        mutating func takeEach(_ request: MemoryRequest) -> [PageRun]? {
            guard let runs = policy.take(request, from: memory) else { return nil }
            for run in runs { memory.take(run, for: request.use) }
            return runs
        }

        mutating func releaseEach(_ runs: ArraySlice<PageRun>, _ use: MemoryUse) {
            for run in runs {
                var page = run.first
                while page < run.first + run.count {
                    let stop = min(run.first + run.count, (page >> 18 + 1) << 18)
                    memory.release(PageRun(first: page, count: stop - page), from: use)
                    policy.release(PageRun(first: page, count: stop - page), from: use, to: memory)
                    page = stop
                }
            }
        }
    }

    @Test(arguments: allocators, [1, 2])
    func manyPiecesAreAsOneByOne(allocator: String, nodes: Int) throws {
        var random = PolicyLab.Random(seed: testSeed)
        let size = 24 / nodes
        let memory = try MemoryMap(
            spans: (0..<nodes).map {
                MemorySpan(start: SPA(region: $0 * size), bytes: .gigabytes(UInt64(size)), node: $0)
            },
            nodeCount: nodes
        )
        let topology = try Topology(TopologyShape(packages: 2, coresPerPackage: 4))
        let outline = Machine(try MachineConfiguration(topology: topology, memory: memory)).outline()
        var single = Host(memory: outline.memory, policy: policy(allocator))
        var many = single
        var owners: [(runs: [PageRun], use: MemoryUse)] = []
        for step in 0..<300 {
            if random.chance(2) && !owners.isEmpty {
                let place = random.next(below: owners.count)
                let (runs, use) = owners[place]
                // From the first piece on, or the rest of a guest that has given some back.
                let slice = runs[..<(random.chance(2) ? runs.count : (runs.count + 1) / 2)]
                single.releaseEach(slice, use)
                many.memory.release(slice, from: use)
                many.policy.release(slice, from: use, to: many.memory)
                owners[place].runs.removeFirst(slice.count)
                if owners[place].runs.isEmpty { owners.remove(at: place) }
            } else {
                let use: MemoryUse = random.chance(2) ? .snp : .ordinary
                let pages = 1 + random.next(below: random.chance(3) ? 900_000 : 6_000)
                let backing = [Backing.size4K, .size2M, .size1G][random.next(below: 3)]
                let request = MemoryRequest(pages: pages, use: use, backing: backing)
                let runs = single.takeEach(request)
                let others = many.policy.take(request, from: many.memory)
                try #require(runs == others, "step \(step), seed \(testSeed)")
                guard let runs else { continue }
                many.memory.take(runs, for: use)
                owners.append((runs, use))
            }
            let (left, right) = (single.memory, many.memory)
            try #require(left.freePages == right.freePages && left.freeChunkCount == right.freeChunkCount)
            for region in 0..<left.regionCount {
                try #require(left.freeChunks(ofRegion: region) == right.freeChunks(ofRegion: region))
                try #require(left.assignedPages(ofRegion: region) == right.assignedPages(ofRegion: region))
                try #require(left.ordinaryPages(ofRegion: region) == right.ordinaryPages(ofRegion: region))
            }
        }
    }
}
