// SPDX-License-Identifier: Apache-2.0
// The host pages that become guests' Context pages. Each takes a region with it for as long as its guest lives, so they
// share frames.

/// Single pages for firmware, from frames of their own.
///
/// Source: KVM takes one page a guest for the context (`snp_alloc_firmware_page()`); that the pages lie side by side,
/// in the lowest free frame, is a choice.
struct ContextPages: Sendable {
    /// Frames in use for such pages, ascending, each with a bit for each page taken.
    private(set) var frames: [(frame: Int, taken: [UInt64])] = []

    /// The lowest page that is free and hypervisor-owned; nil when the host has no memory left.
    mutating func take(from allocator: inout FrameAllocator, rmp: borrowing RMP) -> PFN? {
        for slot in frames.indices {
            for page in 0..<Granularity.pagesPerFrame where !isTaken(slot, page) {
                if rmp.entry(frame: frames[slot].frame, index: page) != .hypervisor { continue }
                return mark(slot, page)
            }
        }
        guard let frame = allocator.take(1, avoiding: rmp.assignedFrames)?.first?.first else { return nil }
        let slot = frames.firstIndex { $0.frame > frame } ?? frames.count
        frames.insert((frame, [UInt64](repeating: 0, count: Granularity.pagesPerFrame / 64)), at: slot)
        return mark(slot, 0)
    }

    /// Gives a page back, and its frame with the last page.
    mutating func release(_ page: PFN, to allocator: inout FrameAllocator) {
        let frame = Int(truncatingIfNeeded: page.rawValue >> 9)
        guard let slot = frames.firstIndex(where: { $0.frame == frame }) else { return }
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        frames[slot].taken[index >> 6] &= ~(1 << UInt64(index & 63))
        if frames[slot].taken.allSatisfy({ $0 == 0 }) {
            frames.remove(at: slot)
            allocator.release(frame)
        }
    }

    private func isTaken(_ slot: Int, _ page: Int) -> Bool {
        frames[slot].taken[page >> 6] >> UInt64(page & 63) & 1 != 0
    }

    private mutating func mark(_ slot: Int, _ page: Int) -> PFN {
        frames[slot].taken[page >> 6] |= 1 << UInt64(page & 63)
        return PFN(UInt64(frames[slot].frame * Granularity.pagesPerFrame + page))
    }
}
