// SPDX-License-Identifier: Apache-2.0
// The host's free memory in 2 MB frames, as bits. Placement, in a file of its own, decides which of them a guest gets.

/// Consecutive frames. Eight bytes: a guest of 60 TB whose frames are scattered has 31 million runs.
struct FrameRun: Sendable, Hashable {
    private let start: UInt32
    private var length: UInt32

    /// Both below 2^32: 64 TB have 2^25 frames.
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

/// The frames that a host may give to guests.
struct FrameAllocator: Sendable {
    /// Bit f of word f / 64: frame f is in use, or is not memory that a guest could get.
    private(set) var used: [UInt64]
    /// The memory, ascending, with its nodes.
    let spans: [(frames: Range<Int>, node: Int)]

    /// All memory of `memory` is free, and everything else is in use.
    init(memory: MemoryMap) {
        used = [UInt64](repeating: .max, count: memory.regionCount * RMP.frameWords)
        spans = memory.spans.map { span in (FrameAllocator.frames(span.range), span.node) }
        for span in spans { FrameAllocator.forEachWord(span.frames) { index, mask in used[index] &= ~mask } }
    }

    /// The frames that a range of bytes touches.
    static func frames(_ range: Range<UInt64>) -> Range<Int> {
        let first = Int(truncatingIfNeeded: range.lowerBound / Granularity.frame)
        return first..<Int(truncatingIfNeeded: range.upperBound.alignedUp(to: Granularity.frame) / Granularity.frame)
    }

    /// The memory of a node, or all of it, ascending; pieces that touch are one.
    func memory(ofNode node: Int?) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for span in spans where node == nil || span.node == node {
            if let last = ranges.last, last.upperBound == span.frames.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<span.frames.upperBound
            } else {
                ranges.append(span.frames)
            }
        }
        return ranges
    }

    /// Removes every frame that a range of bytes touches from the free memory.
    mutating func reserve(_ range: Range<UInt64>) { reserve(frames: FrameAllocator.frames(range)) }

    /// Removes frames from the free memory.
    mutating func reserve(frames: Range<Int>) {
        FrameAllocator.forEachWord(frames) { index, mask in if index < used.count { used[index] |= mask } }
    }

    /// Makes memory free that comes online, a range of bytes.
    mutating func add(_ range: Range<UInt64>) {
        let frames = FrameAllocator.frames(range)
        for span in spans where span.frames.overlaps(frames) {
            FrameAllocator.forEachWord(span.frames.clamped(to: frames)) { index, mask in used[index] &= ~mask }
        }
    }

    /// Frees one frame.
    mutating func release(_ frame: Int) { used[frame >> 6] &= ~(1 << UInt64(frame & 63)) }

    /// Frees frames.
    mutating func release(_ runs: [FrameRun]) {
        for run in runs { FrameAllocator.forEachWord(run.range) { index, mask in used[index] &= ~mask } }
    }

    /// Whether a frame is in use.
    func isUsed(_ frame: Int) -> Bool { used[frame >> 6] >> UInt64(frame & 63) & 1 != 0 }

    /// Calls `body` with the free frames of `memory` in ascending runs, none longer than 64, until it returns false.
    ///
    /// A frame with a page that somebody assigned by hand is not free, even if the host has not used it.
    func forEachFreeRun(
        in memory: [Range<Int>],
        avoiding assigned: [UInt64],
        _ body: (FrameRun) -> Bool
    ) {
        for range in memory {
            var frame = range.lowerBound
            while frame < range.upperBound {
                let index = frame >> 6
                let end = min((index + 1) << 6, range.upperBound)
                var free = ~(used[index] | assigned[index]) & FrameAllocator.mask(frame & 63, end - frame)
                while free != 0 {
                    let first = free.trailingZeroBitCount
                    let length = (~(free >> UInt64(first))).trailingZeroBitCount
                    free &= ~FrameAllocator.mask(first, length)
                    if !body(FrameRun(first: index * 64 + first, count: length)) { return }
                }
                frame = end
            }
        }
    }

    /// The number of frames, in use or not, of all memory.
    var frameCount: Int { spans.reduce(0) { $0 + $1.frames.count } }

    /// The number of runs of free frames.
    func freeRunCount(avoiding assigned: [UInt64]) -> Int {
        var (count, before) = (0, UInt64(0))
        for index in used.indices {
            let free = ~(used[index] | assigned[index])
            count += (free & ~(free << 1 | before)).nonzeroBitCount
            before = free >> 63
        }
        return count
    }

    /// How many frames of `memory` are free; counts no further than needed once it has found `enough`.
    func free(in memory: [Range<Int>], avoiding assigned: [UInt64], enough: Int = .max) -> Int {
        var count = 0
        forEachFreeRun(in: memory, avoiding: assigned) { run in
            count += run.count
            return count < enough
        }
        return count
    }

    /// Appends a run, merged with the last one if it starts where that ends.
    static func append(_ run: FrameRun, to runs: inout [FrameRun]) {
        if let last = runs.last, last.first + last.count == run.first {
            runs[runs.count - 1].count += run.count
        } else {
            runs.append(run)
        }
    }

    private static func mask(_ first: Int, _ count: Int) -> UInt64 {
        (count >= 64 ? .max : (1 << UInt64(count)) - 1) << UInt64(first)
    }

    private static func forEachWord(_ frames: Range<Int>, _ body: (Int, UInt64) -> Void) {
        var frame = frames.lowerBound
        while frame < frames.upperBound {
            let count = min(64 - frame & 63, frames.upperBound - frame)
            body(frame >> 6, FrameAllocator.mask(frame & 63, count))
            frame += count
        }
    }
}
