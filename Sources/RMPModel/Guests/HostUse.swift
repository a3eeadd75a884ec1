// SPDX-License-Identifier: Apache-2.0
// The host's own memory and its page cache: the third kind of user of the memory that guests share. They take and give
// back chunks as guests do, and the page cache makes room when memory is short.

/// The chunks that the host itself holds.
struct HostUse: Sendable {
    /// The kernel's and its processes' own, in the order in which they were taken.
    fileprivate(set) var own: [ChunkRun] = []
    /// The page cache, the oldest first.
    fileprivate(set) var cache: [ChunkRun] = []

    var isEmpty: Bool { own.isEmpty && cache.isEmpty }

    var runCount: Int { own.count + cache.count }

    static func bytes(_ runs: [ChunkRun]) -> UInt64 {
        UInt64(runs.reduce(0) { $0 + $1.count }) * Granularity.chunk
    }
}

extension Guests {
    /// Sets how much memory the host itself has, rounded up to whole chunks. It grows into the lowest free memory, and
    /// where that is too little, the page cache makes room; what it took last goes back first. A choice.
    ///
    /// - Throws: `.invalid(.memoryGranularity)`, `.noMemory`; nothing has then changed.
    mutating func setHostMemory(_ bytes: UInt64, _ rmp: borrowing RMP) throws(CommandError) {
        let (have, want) = (HostUse.bytes(host.own), try chunked(bytes))
        if want <= have {
            giveBackLast(Int((have - want) / Granularity.chunk))
            return
        }
        let count = Int((want - have) / Granularity.chunk)
        let memory = allocator.memory(ofNode: nil)
        let free = allocator.free(in: memory, avoiding: rmp.assignedChunks, enough: count)
        let cached = reclaimable(in: memory, rmp, atMost: count - min(count, free))
        if free + cached < count {
            throw .noMemory(requested: bytes, available: have + UInt64(free + cached) * Granularity.chunk)
        }
        reclaim(count - free, in: memory, rmp)
        guard let runs = try? allocator.take(count, .packed, unit: 1, node: nil, avoiding: rmp.assignedChunks) else {
            return
        }
        for run in runs { ChunkAllocator.append(run, to: &host.own) }
    }

    /// Sets how much memory the page cache has, rounded up to whole chunks. It grows into the lowest free memory; the
    /// oldest goes back first.
    ///
    /// - Throws: `.invalid(.memoryGranularity)`, `.noMemory`; nothing has then changed.
    mutating func setPageCache(_ bytes: UInt64, _ rmp: borrowing RMP) throws(CommandError) {
        let (have, want) = (HostUse.bytes(host.cache), try chunked(bytes))
        if want <= have {
            dropOldest(Int((have - want) / Granularity.chunk)) { _ in true }
            return
        }
        do throws(AllocationError) {
            let count = Int((want - have) / Granularity.chunk)
            let runs = try allocator.take(count, .packed, unit: 1, node: nil, avoiding: rmp.assignedChunks)
            for run in runs { ChunkAllocator.append(run, to: &host.cache) }
        } catch {
            guard case .noRoom(let chunks) = error else { return }
            throw .noMemory(requested: bytes, available: have + UInt64(chunks) * Granularity.chunk)
        }
    }

    /// A new kernel starts with an empty page cache.
    mutating func dropPageCache() {
        allocator.release(host.cache)
        host.cache = []
    }

    private func chunked(_ bytes: UInt64) throws(CommandError) -> UInt64 {
        if !bytes.isMultiple(of: Granularity.page) { throw .invalid(.memoryGranularity(bytes)) }
        if bytes > memory.bytes { throw .noMemory(requested: bytes, available: memory.bytes) }
        return bytes.alignedUp(to: Granularity.chunk)
    }

    private mutating func giveBackLast(_ count: Int) {
        var left = count
        while left > 0, let run = host.own.popLast() {
            let part = min(left, run.count)
            allocator.release([ChunkRun(first: run.first + run.count - part, count: part)])
            if part < run.count { host.own.append(ChunkRun(first: run.first, count: run.count - part)) }
            left -= part
        }
    }

    // MARK: When memory is short

    /// `ChunkAllocator.take` for a guest. If too little is free, the page cache makes room: single chunks give way as
    /// many as are missing, the oldest first; where whole gigabytes or ranges are wanted, the cached chunks in those
    /// that the guest gets.
    ///
    /// Source: Linux mm/vmscan.c reclaims the oldest page cache until an allocation succeeds; mm/page_alloc.c,
    /// `alloc_contig_range()`, empties a given range. That only a want of memory starts it, and that all of the cache
    /// is clean and can go, are choices.
    ///
    /// - Throws: `AllocationError`, with what was available when all of the cache would have gone. The cache may have
    ///   been changed: the caller restores it.
    mutating func takeReclaiming(
        _ guest: Guest,
        _ node: Int?,
        _ rmp: borrowing RMP
    ) throws(AllocationError) -> [ChunkRun] {
        let (count, unit) = (guest.chunkCount, guest.backing.chunksPerUnit)
        let assigned = rmp.assignedChunks
        func take(_ allocator: inout ChunkAllocator) throws(AllocationError) -> [ChunkRun] {
            try allocator.take(count, guest.placement, unit: unit, node: node, avoiding: assigned)
        }
        if host.cache.isEmpty { return try take(&allocator) }
        do throws(AllocationError) {
            return try take(&allocator)
        } catch {
            if case .ranges = guest.placement {
            } else if unit == 1, case .noRoom(let free) = error {
                reclaim(count - free, in: allocator.memory(ofNode: node), rmp)
                return try take(&allocator)
            }
            var emptied = allocator
            emptied.release(host.cache)
            let runs = try take(&emptied)
            var isWanted = [UInt64](repeating: 0, count: allocator.used.count)
            for run in runs { ChunkAllocator.forEachWord(run.range) { index, mask in isWanted[index] |= mask } }
            dropOldest(count) { isWanted[$0 >> 6] >> UInt64($0 & 63) & 1 != 0 }
            for run in runs { allocator.reserve(chunks: run.range) }
            return runs
        }
    }

    /// The lowest node with room for `count` chunks; if none has, the lowest that has with its page cache gone.
    func lowestNodeReclaiming(
        withRoomFor count: Int,
        unit: Int,
        _ rmp: borrowing RMP
    ) throws(AllocationError) -> Int {
        do throws(AllocationError) {
            return try allocator.lowestNode(withRoomFor: count, unit: unit, avoiding: rmp.assignedChunks)
        } catch {
            if host.cache.isEmpty { throw error }
            var emptied = allocator
            emptied.release(host.cache)
            return try emptied.lowestNode(withRoomFor: count, unit: unit, avoiding: rmp.assignedChunks)
        }
    }

    /// Frees the oldest `count` chunks of the page cache in `memory`, or as many as there are. Chunks with a page that
    /// somebody assigned by hand stay: nobody could get them.
    mutating func reclaim(_ count: Int, in memory: [Range<Int>], _ rmp: borrowing RMP) {
        let assigned = rmp.assignedChunks
        dropOldest(count) { chunk in
            assigned[chunk >> 6] >> UInt64(chunk & 63) & 1 == 0 && memory.contains { $0.contains(chunk) }
        }
    }

    private func reclaimable(in memory: [Range<Int>], _ rmp: borrowing RMP, atMost most: Int) -> Int {
        if most == 0 || host.cache.isEmpty { return 0 }
        var emptied = allocator
        emptied.release(host.cache)
        let free = allocator.free(in: memory, avoiding: rmp.assignedChunks)
        return emptied.free(in: memory, avoiding: rmp.assignedChunks) - free
    }

    /// Frees at most `count` chunks of the page cache, the oldest first, of those that may go.
    private mutating func dropOldest(_ count: Int, _ mayGo: (_ chunk: Int) -> Bool) {
        var left = count
        if left <= 0 || host.cache.isEmpty { return }
        var kept: [ChunkRun] = []
        for run in host.cache {
            var next = run.first
            while left > 0 && next < run.range.upperBound {
                if mayGo(next) {
                    allocator.release(next)
                    left -= 1
                } else {
                    ChunkAllocator.append(ChunkRun(first: next, count: 1), to: &kept)
                }
                next += 1
            }
            let rest = run.range.upperBound - next
            if rest > 0 { ChunkAllocator.append(ChunkRun(first: next, count: rest), to: &kept) }
        }
        host.cache = kept
    }
}

extension Machine {
    /// The host's own memory, in bytes: whole chunks of 2 MB.
    public var hostMemory: UInt64 { HostUse.bytes(guests.host.own) }

    /// The memory of the host's page cache, in bytes: whole chunks of 2 MB, which make room for guests.
    public var pageCache: UInt64 { HostUse.bytes(guests.host.cache) }

    /// The memory of running ordinary guests, in bytes: whole chunks of 2 MB.
    public var ordinaryGuestMemory: UInt64 { UInt64(guests.ordinaryChunks) * Granularity.chunk }

    mutating func setHostMemory(_ bytes: UInt64) throws(CommandError) {
        let before = (hostMemory, pageCache)
        try guests.setHostMemory(bytes, platform.rmp)
        noteHostUse(since: before)
    }

    mutating func setPageCache(_ bytes: UInt64) throws(CommandError) {
        let before = (hostMemory, pageCache)
        try guests.setPageCache(bytes, platform.rmp)
        noteHostUse(since: before)
    }

    /// Publishes what of the host's own use has changed.
    mutating func noteHostUse(since before: (own: UInt64, cache: UInt64)) {
        let now = (own: hostMemory, cache: pageCache)
        if now.cache != before.cache { platform.events.publish(.pageCache(bytes: now.cache)) }
        if now.own != before.own { platform.events.publish(.hostMemory(bytes: now.own)) }
    }
}
