// SPDX-License-Identifier: Apache-2.0
// The free memory of the naive host, and what a guest must get of it. The lowest free memory is worked out here; where
// a placement is random or compares regions, the machine's choice is adopted once it has been checked.

@testable import RMPModel

/// What a machine gave a guest at its launch.
struct LaunchGiven: Sendable, Hashable {
    var chunks: [UInt64]
}

extension NaiveMachine {
    /// The chunks of a node's memory, or of all.
    private func chunks(ofNode node: Int?) -> [Range<UInt64>] {
        setup.configuration.memory.spans.filter { node == nil || $0.node == node }
            .map { ($0.start.rawValue >> 21)..<(($0.start.rawValue + $0.bytes) >> 21) }
    }

    /// Chunks that somebody holds: the host, guests, their control pages, and those with leaked pages.
    func heldChunks() -> Set<UInt64> {
        var held = Set(leaked.map { $0 / 512 }).union(own).union(cache)
        for guest in guests.values {
            held.formUnion(guest.chunks[guest.done...])
            held.formUnion(guest.controls.map { $0 / 512 })
        }
        return held
    }

    /// Whether a chunk can be given away: nobody holds it, and no page of it is assigned.
    private func isFree(_ chunk: UInt64, _ held: Set<UInt64>) -> Bool {
        !isHeld(chunk, held) && rmp.assignedPages(ofChunk: chunk) == 0
    }

    private func isHeld(_ chunk: UInt64, _ held: Set<UInt64>) -> Bool {
        setup.reserved.contains(chunk) || held.contains(chunk) || chunk << 21 >= onlineMemory.last?.upperBound ?? 0
    }

    /// Free chunks of a node's memory, ascending.
    private func freeChunks(_ node: Int?, _ held: Set<UInt64>, atMost limit: Int = .max) -> [UInt64] {
        var free: [UInt64] = []
        for chunks in chunks(ofNode: node) {
            for chunk in chunks where isFree(chunk, held) {
                if free.count == limit { return free }
                free.append(chunk)
            }
        }
        return free
    }

    /// The first chunks of regions that are free as a whole.
    private func freeRegions(_ node: Int?, _ held: Set<UInt64>) -> [UInt64] {
        (0..<UInt64(rmp.regionCount)).map { $0 * 512 }.filter { first in
            let region = first..<(first + 512)
            return chunks(ofNode: node).contains { $0.contains(first) && $0.contains(first + 511) }
                && region.allSatisfy { isFree($0, held) }
        }
    }

    /// How many chunks are available in whole units.
    private func room(_ node: Int?, _ unit: Int, _ held: Set<UInt64>) -> Int {
        unit == 1 ? freeChunks(node, held).count : freeRegions(node, held).count * 512
    }

    // MARK: A guest's memory

    /// Gives a guest its memory and control pages, or leaves everything as it is.
    mutating func allocate(_ guest: inout NaiveGuest, _ given: LaunchGiven?) throws(CommandError) {
        let before = cache
        do throws(CommandError) {
            try allocateParts(&guest, given)
        } catch {
            cache = before
            throw error
        }
    }

    private mutating func allocateParts(_ guest: inout NaiveGuest, _ given: LaunchGiven?) throws(CommandError) {
        let unit = guest.backing == .size1G ? 512 : 1
        let count = guest.chunkCount
        func noRoom(_ chunks: Int) -> CommandError {
            .noMemory(requested: guest.memory, available: UInt64(chunks) << 21)
        }
        var node = guest.node
        if node == nil && guest.placement == .local {
            let nodes = Set(setup.configuration.memory.spans.map(\.node)).sorted()
            // Single chunks need one more, for control pages.
            let more = unit == 1 && guest.type == .snp ? 1 : 0
            var rooms = nodes.map { room($0, unit, heldChunks()) }
            if rooms.allSatisfy({ $0 < count + more }) {
                rooms = nodes.map { room($0, unit, heldChunks().subtracting(cache)) }
            }
            guard let index = rooms.firstIndex(where: { $0 >= count + more }) else {
                throw noRoom(max(0, (rooms.max() ?? 0) - more))
            }
            node = nodes[index]
        }
        var held = heldChunks()
        let isExplicit = if case .ranges = guest.placement { true } else { false }
        if guest.type == .ordinary {
            guest.chunks = try choose(guest, node, unit, held, given, noRoom)
        } else if isExplicit || unit > 1 {
            guest.chunks = try choose(guest, node, unit, held, given, noRoom)
            held.formUnion(guest.chunks)
            guard takeControls(&guest, node, &held) else { throw noRoom(0) }
        } else {
            guard takeControls(&guest, node, &held) else { throw noRoom(0) }
            guest.chunks = try choose(guest, node, unit, held, given, noRoom)
        }
    }

    /// Context, response and VMSA pages: the lowest pages that are free in chunks with such pages, else the first of
    /// the lowest free chunk. A VMSA page is never 2 MB-aligned.
    private mutating func takeControls(_ guest: inout NaiveGuest, _ node: Int?, _ held: inout Set<UInt64>) -> Bool {
        var taken = leakedControls.union(guests.values.flatMap(\.controls))
        var pages: [UInt64] = []
        let memory = chunks(ofNode: node)
        for number in 0..<(2 + guest.vcpus) {
            let isVMSA = number >= 2
            let shared = Set(taken.map { $0 / 512 }).sorted().filter { chunk in memory.contains { $0.contains(chunk) } }
            let page = shared.lazy.compactMap { chunk in
                ((chunk * 512)..<(chunk * 512 + 512)).first { page in
                    !taken.contains(page) && rmp[page] == .hypervisor && !(isVMSA && page % 512 == 0)
                }
            }.first
            if let page {
                pages.append(page)
            } else {
                if freeChunks(node, held, atMost: 1).isEmpty { held.subtract(reclaim(1, node)) }
                guard let chunk = freeChunks(node, held, atMost: 1).first else { return false }
                pages.append(chunk * 512 + (isVMSA ? 1 : 0))
                held.insert(chunk)
            }
            taken.insert(pages[number])
        }
        guest.context = pages[0]
        guest.response = pages[1]
        guest.vmsas = Array(pages[2...])
        return true
    }

    /// Chooses among what is free. If that is too little, single chunks of the page cache go, the oldest first, as many
    /// as are missing; or the guest chooses as if there were no cache, which then loses what the guest got.
    private mutating func choose(
        _ guest: NaiveGuest,
        _ node: Int?,
        _ unit: Int,
        _ held: Set<UInt64>,
        _ given: LaunchGiven?,
        _ noRoom: (Int) -> CommandError
    ) throws(CommandError) -> [UInt64] {
        do throws(CommandError) {
            return try chooseFree(guest, node, unit, held, given, noRoom)
        } catch {
            if cache.isEmpty { throw error }
        }
        let isExplicit = if case .ranges = guest.placement { true } else { false }
        if !isExplicit && unit == 1 {
            let gone = reclaim(guest.chunkCount - freeChunks(node, held).count, node)
            return try chooseFree(guest, node, unit, held.subtracting(gone), given, noRoom)
        }
        let chosen = try chooseFree(guest, node, unit, held.subtracting(cache), given, noRoom)
        cache.removeAll { chosen.contains($0) }
        return chosen
    }

    /// Takes the oldest `count` chunks from the page cache that are on a node and have no page assigned by hand.
    private mutating func reclaim(_ count: Int, _ node: Int?) -> Set<UInt64> {
        let memory = chunks(ofNode: node)
        let gone = cache.filter { chunk in
            memory.contains { $0.contains(chunk) } && rmp.assignedPages(ofChunk: chunk) == 0
        }
        .prefix(max(0, count))
        cache.removeAll { gone.contains($0) }
        return Set(gone)
    }

    private func chooseFree(
        _ guest: NaiveGuest,
        _ node: Int?,
        _ unit: Int,
        _ held: Set<UInt64>,
        _ given: LaunchGiven?,
        _ noRoom: (Int) -> CommandError
    ) throws(CommandError) -> [UInt64] {
        let count = guest.chunkCount
        if case .ranges(let ranges) = guest.placement {
            return try explicit(ranges.map(\.raw), count, node, unit, held, noRoom)
        }
        let isLowest = guest.placement == .packed || guest.placement == .local
        if unit == 1 && isLowest {
            let free = freeChunks(node, held, atMost: count)
            if free.count < count { throw noRoom(free.count) }
            return free
        }
        let free = unit == 1 ? freeChunks(node, held) : freeRegions(node, held).flatMap { $0..<($0 + 512) }
        if free.count < count { throw noRoom(free.count) }
        if case .scattered = guest.placement {} else if unit > 1 { return Array(free[..<count]) }
        // The given chunks, if they are free and the right number; else none, so that the difference shows.
        guard let chunks = given?.chunks, chunks.count == count, Set(chunks).count == count,
            Set(chunks).isSubset(of: free)
        else { return [] }
        return chunks
    }

    private func explicit(
        _ ranges: [Range<UInt64>],
        _ count: Int,
        _ node: Int?,
        _ unit: Int,
        _ held: Set<UInt64>,
        _ noRoom: (Int) -> CommandError
    ) throws(CommandError) -> [UInt64] {
        let bytes = UInt64(unit) << 21
        var chosen: [UInt64] = []
        for range in ranges {
            if range.isEmpty || range.lowerBound % bytes != 0 || range.upperBound % bytes != 0 {
                throw .placement(.granularity(range, unit: bytes))
            }
            let memory = chunks(ofNode: node)
            let chunks = (range.lowerBound >> 21)..<(range.upperBound >> 21)
            if !chunks.allSatisfy({ chunk in memory.contains { $0.contains(chunk) } }) {
                throw .placement(node.map { .otherNode(range, node: $0) } ?? .notMemory(range))
            }
            for chunk in chunks {
                if !isFree(chunk, held) || chosen.contains(chunk) {
                    throw .placement(.notFree((chunk << 21)..<((chunk + 1) << 21)))
                }
                chosen.append(chunk)
            }
        }
        if chosen.count < count { throw noRoom(chosen.count) }
        return Array(chosen[..<count])
    }

    // MARK: The host's memory

    /// Free memory of each node with memory, and its longest row of adjacent chunks, in bytes.
    var freeMemory: [FreeMemory] {
        let held = heldChunks()
        return Set(setup.configuration.memory.spans.map(\.node)).sorted().map { node in
            let free = freeChunks(node, held)
            var (length, longest) = (0, 0)
            for (index, chunk) in free.enumerated() {
                length = index > 0 && free[index - 1] + 1 == chunk ? length + 1 : 1
                longest = max(longest, length)
            }
            return FreeMemory(node: node, bytes: UInt64(free.count) << 21, largestBlock: UInt64(longest) << 21)
        }
    }

    private func chunkCount(_ bytes: UInt64) throws(CommandError) -> Int {
        let all = setup.configuration.memory.spans.reduce(0) { $0 + $1.bytes }
        if bytes % 4096 != 0 { throw .invalid(.memoryGranularity(bytes)) }
        if bytes > all { throw .noMemory(requested: bytes, available: all) }
        return Int((bytes + (2 << 20) - 1) >> 21)
    }

    mutating func setHostMemory(_ bytes: UInt64) throws(CommandError) {
        let more = try chunkCount(bytes) - own.count
        if more <= 0 { return own.removeLast(-more) }
        let before = cache
        let gone = reclaim(more - freeChunks(nil, heldChunks()).count, nil)
        let free = freeChunks(nil, heldChunks().subtracting(gone))
        if free.count < more {
            cache = before
            throw .noMemory(requested: bytes, available: UInt64(own.count + free.count) << 21)
        }
        own += free[..<more]
    }

    mutating func setPageCache(_ bytes: UInt64) throws(CommandError) {
        let more = try chunkCount(bytes) - cache.count
        if more <= 0 { return cache.removeFirst(-more) }
        let free = freeChunks(nil, heldChunks())
        if free.count < more {
            throw .noMemory(requested: bytes, available: UInt64(cache.count + free.count) << 21)
        }
        cache += free[..<more]
    }

    // MARK: Leaks

    mutating func leak(_ pages: Range<UInt64>) throws(CommandError) -> Range<UInt64> {
        if !snpEnabled { throw .noSNP }
        if pages.isEmpty { throw .invalid(.noPages) }
        let limit: UInt64 = 1 << 52 - 1
        if pages.upperBound > limit {
            throw .placement(.notMemory((min(pages.lowerBound, limit) << 12)..<(min(pages.upperBound, limit) << 12)))
        }
        let bytes = (pages.lowerBound << 12)..<(pages.upperBound << 12)
        if !setup.configuration.memory.contains(bytes) { throw .placement(.notMemory(bytes)) }
        let held = heldChunks()
        let withLeaks = Set(leaked.map { $0 / 512 })
        let controls = Set(leakedControls.union(guests.values.flatMap(\.controls)).map { $0 / 512 })
        for chunk in (pages.lowerBound / 512)...((pages.upperBound - 1) / 512) {
            let part = pages.clamped(to: (chunk * 512)..<(chunk * 512 + 512))
            // Pages assigned by hand do not keep others of the chunk from being leaked.
            let mayLeak = withLeaks.contains(chunk) ? !controls.contains(chunk) : !isHeld(chunk, held)
            if !mayLeak || !part.allSatisfy({ rmp[$0] == .hypervisor }) {
                throw .placement(.notFree((part.lowerBound << 12)..<(part.upperBound << 12)))
            }
        }
        for page in pages {
            _ = rmpupdate(page * 4096, RMPUpdateInput(assigned: true))
            leaked.insert(page)
        }
        return pages
    }
}
