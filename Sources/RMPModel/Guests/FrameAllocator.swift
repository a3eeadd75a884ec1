// SPDX-License-Identifier: Apache-2.0
// The host's free memory in 2 MB frames. Where it puts a guest decides how many regions the guest costs.

/// Consecutive frames.
struct FrameRun: Sendable, Hashable {
    var first: Int
    var count: Int
}

/// The frames that hosts may give to guests: "packed" placement, first fit ascending.
struct FrameAllocator: Sendable {
    /// Bit f of word f / 64: frame f is in use, or is no memory that could be given away.
    private(set) var used: [UInt64]

    /// All memory of `memory` is free, all else in use.
    init(memory: MemoryMap) {
        used = [UInt64](repeating: .max, count: memory.regionCount * RMP.frameWords)
        for span in memory.spans {
            let first = Int(truncatingIfNeeded: span.start.rawValue / Granularity.frame)
            let count = Int(truncatingIfNeeded: span.bytes / Granularity.frame)
            FrameAllocator.forEachWord(first..<(first + count)) { index, mask in used[index] &= ~mask }
        }
    }

    /// Takes every frame that a range of bytes touches out of the free memory.
    mutating func reserve(_ range: Range<UInt64>) {
        let first = Int(truncatingIfNeeded: range.lowerBound / Granularity.frame)
        let end = Int(truncatingIfNeeded: range.upperBound.alignedUp(to: Granularity.frame) / Granularity.frame)
        FrameAllocator.forEachWord(first..<end) { index, mask in if index < used.count { used[index] |= mask } }
    }

    /// Takes the lowest `count` free frames; nil, with nothing taken, when there are not so many.
    ///
    /// A frame in which somebody assigned a page by hand is not free, whatever the host thinks of it.
    mutating func take(_ count: Int, avoiding assigned: [UInt64]) -> [FrameRun]? {
        var runs: [FrameRun] = []
        var left = count
        var index = 0
        while left > 0 && index < used.count {
            var free = ~(used[index] | assigned[index])
            while free != 0 && left > 0 {
                let first = free.trailingZeroBitCount
                let length = min((~(free >> UInt64(first))).trailingZeroBitCount, left)
                free &= ~FrameAllocator.mask(first, length)
                left -= length
                append(FrameRun(first: index * 64 + first, count: length), to: &runs)
            }
            index += 1
        }
        if left > 0 { return nil }
        for run in runs {
            FrameAllocator.forEachWord(run.first..<(run.first + run.count)) { index, mask in used[index] |= mask }
        }
        return runs
    }

    /// Gives one frame back.
    mutating func release(_ frame: Int) { used[frame >> 6] &= ~(1 << UInt64(frame & 63)) }

    /// Whether a frame is in use.
    func isUsed(_ frame: Int) -> Bool { used[frame >> 6] >> UInt64(frame & 63) & 1 != 0 }

    /// The number of frames that `take` could give.
    func free(avoiding assigned: [UInt64]) -> Int {
        var count = 0
        for index in used.indices { count += (~(used[index] | assigned[index])).nonzeroBitCount }
        return count
    }

    private func append(_ run: FrameRun, to runs: inout [FrameRun]) {
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
