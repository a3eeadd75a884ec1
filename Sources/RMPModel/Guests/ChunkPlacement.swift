// SPDX-License-Identifier: Apache-2.0
// How a guest's chunks are chosen: one function for each placement, all deterministic.

/// Why a guest gets no memory.
enum AllocationError: Error, Sendable, Hashable {
    /// Only this many chunks were available.
    case noRoom(chunks: Int)
    /// The placement itself is impossible.
    case placement(PlacementError)
}

extension ChunkAllocator {
    /// Takes `count` free chunks of a node (nil for all memory) in units of `unit` chunks (1, or 512: whole aligned
    /// regions), in the order in which the guest will see them.
    ///
    /// - Throws: `AllocationError`; nothing is then taken.
    mutating func take(
        _ count: Int,
        _ placement: Placement,
        unit: Int,
        node: Int?,
        avoiding assigned: [UInt64]
    ) throws(AllocationError) -> [ChunkRun] {
        let memory = memory(ofNode: node)
        let runs: [ChunkRun]
        if case .ranges(let ranges) = placement {
            runs = try explicit(count, ranges, unit: unit, node: node, memory, assigned)
        } else {
            let free = room(for: count, unit: unit, memory, assigned)
            if free < count { throw .noRoom(chunks: free) }
            switch placement {
            case .scattered(let seed): runs = scattered(count, seed: seed, unit: unit, memory, assigned)
            case .aligned where unit == 1: runs = aligned(count, memory, assigned)
            default: runs = packed(count, unit: unit, memory, assigned)
            }
        }
        for run in runs { reserve(chunks: run.range) }
        return runs
    }

    /// The lowest node with `count` free chunks, in units of `unit`.
    ///
    /// - Throws: `.noRoom` with the most chunks that any node has.
    func lowestNode(
        withRoomFor count: Int,
        unit: Int,
        avoiding assigned: [UInt64]
    ) throws(AllocationError) -> Int {
        var most = 0
        for node in Set(spans.map(\.node)).sorted() {
            let memory = memory(ofNode: node)
            let free = room(for: count, unit: unit, memory, assigned)
            if free >= count { return node }
            most = max(most, free)
        }
        throw .noRoom(chunks: most)
    }

    /// How many chunks are available for a guest that needs `count`: all free chunks if they are too few, else at least
    /// `count`. It does not look at the rest of memory, so that the cost of a guest does not depend on it.
    private func room(for count: Int, unit: Int, _ memory: [Range<Int>], _ assigned: [UInt64]) -> Int {
        if unit == 1 { return free(in: memory, avoiding: assigned, enough: count) }
        return wholeRegions(memory, assigned, enough: (count + unit - 1) / unit).count * unit
    }

    /// The first `enough` regions of which every chunk is free, ascending.
    private func wholeRegions(_ memory: [Range<Int>], _ assigned: [UInt64], enough: Int = .max) -> [Int] {
        var regions: [Int] = []
        for range in memory {
            let first = (range.lowerBound + Granularity.chunksPerRegion - 1) >> 9
            for region in first..<max(first, range.upperBound >> 9) {
                let words = (region * RMP.chunkWords)..<((region + 1) * RMP.chunkWords)
                guard words.allSatisfy({ used[$0] | assigned[$0] == 0 }) else { continue }
                regions.append(region)
                if regions.count >= enough { return regions }
            }
        }
        return regions
    }

    /// Whether every chunk is free in at least `count` regions.
    func hasWholeRegions(_ count: Int, avoiding assigned: [UInt64]) -> Bool {
        wholeRegions(memory(ofNode: nil), assigned, enough: count).count >= count
    }

    private func packed(_ count: Int, unit: Int, _ memory: [Range<Int>], _ assigned: [UInt64]) -> [ChunkRun] {
        var runs: [ChunkRun] = []
        var left = count
        if unit > 1 {
            for region in wholeRegions(memory, assigned, enough: (count + unit - 1) / unit) where left > 0 {
                ChunkAllocator.append(ChunkRun(first: region << 9, count: unit), to: &runs)
                left -= unit
            }
            return runs
        }
        forEachFreeRun(in: memory, avoiding: assigned) { run in
            let part = min(run.count, left)
            ChunkAllocator.append(ChunkRun(first: run.first, count: part), to: &runs)
            left -= part
            return left > 0
        }
        return runs
    }

    private func aligned(_ count: Int, _ memory: [Range<Int>], _ assigned: [UInt64]) -> [ChunkRun] {
        var runs: [ChunkRun] = []
        var left = count
        let whole = wholeRegions(memory, assigned, enough: max(count / Granularity.chunksPerRegion, 1))
        let taken = min(whole.count, max(count / Granularity.chunksPerRegion, 1))
        for region in whole.prefix(taken) {
            let part = min(left, Granularity.chunksPerRegion)
            ChunkAllocator.append(ChunkRun(first: region << 9, count: part), to: &runs)
            left -= part
        }
        if left == 0 { return runs }
        // The rest: regions that are lost already, then those with the most room.
        var rest: [(region: Int, isLost: Bool, runs: [ChunkRun], free: Int)] = []
        let done = Set(whole.prefix(taken))
        forEachFreeRun(in: memory, avoiding: assigned) { run in
            let region = run.first >> 9
            if done.contains(region) { return true }
            if rest.last?.region != region {
                let words = (region * RMP.chunkWords)..<((region + 1) * RMP.chunkWords)
                rest.append((region, words.contains { assigned[$0] != 0 }, [], 0))
            }
            rest[rest.count - 1].runs.append(run)
            rest[rest.count - 1].free += run.count
            return true
        }
        rest.sort { first, second in
            if first.isLost != second.isLost { return first.isLost }
            if !first.isLost && first.free != second.free { return first.free > second.free }
            return first.region < second.region
        }
        for run in rest.flatMap(\.runs) where left > 0 {
            let part = min(run.count, left)
            ChunkAllocator.append(ChunkRun(first: run.first, count: part), to: &runs)
            left -= part
        }
        return runs
    }

    /// Draws chunks one by one; a draw of a chunk in use is repeated. After too many such draws, the rest is drawn from
    /// a list of free chunks, so that this also ends on a nearly full host.
    private func scattered(
        _ count: Int,
        seed: UInt64,
        unit: Int,
        _ memory: [Range<Int>],
        _ assigned: [UInt64]
    ) -> [ChunkRun] {
        var random = SplitMix64(seed: seed)
        var chosen: [Int] = []
        chosen.reserveCapacity(count / unit)
        let wanted = count / unit
        var drawn = self
        let chunks = memory.reduce(0) { $0 + $1.count }
        if unit == 1 {
            var tries = wanted * 8
            while chosen.count < wanted && tries > 0 {
                tries -= 1
                var chunk = random.next(below: chunks)
                for range in memory {
                    if chunk < range.count {
                        chunk += range.lowerBound
                        break
                    }
                    chunk -= range.count
                }
                if drawn.isUsed(chunk) || assigned[chunk >> 6] >> UInt64(chunk & 63) & 1 != 0 { continue }
                drawn.reserve(chunks: chunk..<(chunk + 1))
                chosen.append(chunk)
            }
        }
        if chosen.count < wanted {
            var free: [Int] = unit == 1 ? [] : wholeRegions(memory, assigned).map { $0 << 9 }
            if unit == 1 {
                drawn.forEachFreeRun(in: memory, avoiding: assigned) { run in
                    free += run.range
                    return true
                }
            }
            for index in 0..<(wanted - chosen.count) {
                free.swapAt(index, index + random.next(below: free.count - index))
                chosen.append(free[index])
            }
        }
        var runs: [ChunkRun] = []
        for first in chosen { ChunkAllocator.append(ChunkRun(first: first, count: unit), to: &runs) }
        return runs
    }

    private func explicit(
        _ count: Int,
        _ ranges: [Range<SPA>],
        unit: Int,
        node: Int?,
        _ memory: [Range<Int>],
        _ assigned: [UInt64]
    ) throws(AllocationError) -> [ChunkRun] {
        let bytes = UInt64(unit) * Granularity.chunk
        var trial = self
        var runs: [ChunkRun] = []
        var left = count
        var sum = 0
        for addresses in ranges {
            let range = addresses.raw
            if range.isEmpty || (range.lowerBound | range.upperBound) & (bytes - 1) != 0 {
                throw .placement(.granularity(addresses, unit: bytes))
            }
            let chunks = ChunkAllocator.chunks(range)
            let isInside = memory.contains { $0.contains(chunks.lowerBound) && chunks.upperBound <= $0.upperBound }
            if !isInside {
                throw .placement(node.map { .otherNode(addresses, node: $0) } ?? .notMemory(addresses))
            }
            for chunk in chunks where trial.isUsed(chunk) || assigned[chunk >> 6] >> UInt64(chunk & 63) & 1 != 0 {
                throw .placement(.notFree(SPA(UInt64(chunk) << 21)..<SPA(UInt64(chunk + 1) << 21)))
            }
            trial.reserve(chunks: chunks)
            sum += chunks.count
            let part = min(chunks.count, left)
            if part > 0 { ChunkAllocator.append(ChunkRun(first: chunks.lowerBound, count: part), to: &runs) }
            left -= part
        }
        if left > 0 { throw .noRoom(chunks: sum) }
        return runs
    }
}
