// SPDX-License-Identifier: Apache-2.0
// The host's free memory in 2 MB chunks, as bits. Placement, in a file of its own, decides which of them a guest gets.

/// Consecutive chunks. Eight bytes: a guest of 60 TB whose chunks are scattered has 31 million runs.
struct ChunkRun: Sendable, Hashable {
    private let start: UInt32
    private var length: UInt32

    /// Both below 2^32: 64 TB have 2^25 chunks.
    init(first: Int, count: Int) {
        start = UInt32(truncatingIfNeeded: first)
        length = UInt32(truncatingIfNeeded: count)
    }

    var first: Int { Int(start) }
    var count: Int {
        get { Int(length) }
        set { length = UInt32(truncatingIfNeeded: newValue) }
    }

    var range: Range<Int> { first..<(first + count) }
}

/// The chunks that a host may give to guests.
struct ChunkAllocator: Sendable {
    /// Bit f of word f / 64: chunk f is in use, or is not memory that a guest could get.
    private(set) var used: [UInt64]
    /// How many holders a chunk has, if more than one: only a machine that adopted another's RMP has such chunks.
    private var holders: [Int: Int] = [:]
    /// The memory, ascending, with its nodes.
    let spans: [HostMemory.Span]

    /// All memory of `memory` is free, and everything else is in use.
    init(memory: MemoryMap) {
        used = [UInt64](repeating: .max, count: memory.regionCount * RMP.chunkWords)
        spans = memory.spans.map { span in
            HostMemory.Span(chunks: ChunkAllocator.chunks(span.range), node: span.node)
        }
        for span in spans { ChunkAllocator.forEachWord(span.chunks) { index, mask in used[index] &= ~mask } }
    }

    /// The chunks that a range of bytes touches.
    static func chunks(_ range: Range<UInt64>) -> Range<Int> {
        let first = Int(truncatingIfNeeded: range.lowerBound / Granularity.chunk)
        return first..<Int(truncatingIfNeeded: range.upperBound.alignedUp(to: Granularity.chunk) / Granularity.chunk)
    }

    /// The memory of a node, or all of it, ascending; pieces that touch are one.
    func memory(ofNode node: Int?) -> [Range<Int>] { spans.chunks(ofNode: node) }

    /// Removes every chunk that a range of bytes touches from the free memory.
    mutating func reserve(_ range: Range<UInt64>) { reserve(chunks: ChunkAllocator.chunks(range)) }

    /// Removes chunks from the free memory.
    mutating func reserve(chunks: Range<Int>) {
        ChunkAllocator.forEachWord(chunks) { index, mask in if index < used.count { used[index] |= mask } }
    }

    /// Frees memory that comes online, a range of bytes.
    mutating func add(_ range: Range<UInt64>) {
        let chunks = ChunkAllocator.chunks(range)
        for span in spans where span.chunks.overlaps(chunks) {
            ChunkAllocator.forEachWord(span.chunks.clamped(to: chunks)) { index, mask in used[index] &= ~mask }
        }
    }

    /// Takes a chunk for one more holder.
    mutating func hold(_ chunk: Int) {
        if isUsed(chunk) { holders[chunk, default: 1] += 1 } else { reserve(chunks: chunk..<(chunk + 1)) }
    }

    /// Whether several hold a chunk.
    func isShared(_ chunk: Int) -> Bool { !holders.isEmpty && holders[chunk] != nil }

    /// Frees a chunk, or, if several hold it, takes it from one of them.
    mutating func release(_ chunk: Int) {
        if let count = holders.isEmpty ? nil : holders[chunk] {
            holders[chunk] = count > 2 ? count - 1 : nil
        } else {
            used[chunk >> 6] &= ~(1 << UInt64(chunk & 63))
        }
    }

    /// Frees chunks.
    mutating func release(_ runs: [ChunkRun]) {
        for run in runs { ChunkAllocator.forEachWord(run.range) { index, mask in used[index] &= ~mask } }
    }

    /// Whether a chunk is in use.
    func isUsed(_ chunk: Int) -> Bool { used[chunk >> 6] >> UInt64(chunk & 63) & 1 != 0 }

    /// Calls `body` with the free chunks of `memory` in ascending runs, none longer than 64, until it returns false.
    ///
    /// A chunk with a page that somebody assigned by hand is not free, even if the host has not used it.
    func forEachFreeRun(
        in memory: [Range<Int>],
        avoiding assigned: [UInt64],
        _ body: (ChunkRun) -> Bool
    ) {
        for range in memory {
            var chunk = range.lowerBound
            while chunk < range.upperBound {
                let index = chunk >> 6
                let end = min((index + 1) << 6, range.upperBound)
                var free = ~(used[index] | assigned[index]) & ChunkAllocator.mask(chunk & 63, end - chunk)
                while free != 0 {
                    let first = free.trailingZeroBitCount
                    let length = (~(free >> UInt64(first))).trailingZeroBitCount
                    free &= ~ChunkAllocator.mask(first, length)
                    if !body(ChunkRun(first: index * 64 + first, count: length)) { return }
                }
                chunk = end
            }
        }
    }

    /// The number of chunks, in use or not, of all memory.
    var chunkCount: Int { spans.reduce(0) { $0 + $1.chunks.count } }

    /// The number of runs of free chunks.
    func freeRunCount(avoiding assigned: [UInt64]) -> Int {
        var (count, before) = (0, UInt64(0))
        for index in used.indices {
            let free = ~(used[index] | assigned[index])
            count += (free & ~(free << 1 | before)).nonzeroBitCount
            before = free >> 63
        }
        return count
    }

    /// How many chunks of `memory` are free; counts not much further than needed once it has found `enough`.
    func free(in memory: [Range<Int>], avoiding assigned: [UInt64], enough: Int = .max) -> Int {
        var count = 0
        for range in memory {
            var chunk = range.lowerBound
            while chunk < range.upperBound && count < enough {
                let end = min((chunk >> 6 + 1) << 6, range.upperBound)
                let free = ~(used[chunk >> 6] | assigned[chunk >> 6])
                count += (free & ChunkAllocator.mask(chunk & 63, end - chunk)).nonzeroBitCount
                chunk = end
            }
        }
        return count
    }

    /// Appends a run, merged with the last one if it starts where that ends.
    static func append(_ run: ChunkRun, to runs: inout [ChunkRun]) {
        if let last = runs.last, last.first + last.count == run.first {
            runs[runs.count - 1].count += run.count
        } else {
            runs.append(run)
        }
    }

    private static func mask(_ first: Int, _ count: Int) -> UInt64 {
        (count >= 64 ? .max : (1 << UInt64(count)) - 1) << UInt64(first)
    }

    /// Calls `body` with the number of each word that `chunks` touch, and the bits in it.
    static func forEachWord(_ chunks: Range<Int>, _ body: (Int, UInt64) -> Void) {
        var chunk = chunks.lowerBound
        while chunk < chunks.upperBound {
            let count = min(64 - chunk & 63, chunks.upperBound - chunk)
            body(chunk >> 6, ChunkAllocator.mask(chunk & 63, count))
            chunk += count
        }
    }
}
