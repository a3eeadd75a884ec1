// SPDX-License-Identifier: Apache-2.0
// The host pages that a guest needs besides its memory: context, response buffer, VMSAs. Each costs a region for as
// long as its guest lives, so they share frames.

/// Single pages for guests, from frames of their own.
///
/// Source: KVM takes one page per guest for the context and one for the response to guest requests, both by
/// `snp_alloc_firmware_page()`, and one per vCPU for the VMSA by `snp_safe_alloc_page_node()`. That they lie side by
/// side, in the lowest free frames, is a choice.
struct ControlPages: Sendable {
    /// Frames in use for such pages, ascending, with a bit for each page taken.
    private(set) var frames: [(frame: Int, taken: [UInt64])] = []

    /// The lowest page that is free and hypervisor-owned; nil if the host has no memory left.
    ///
    /// - Parameters:
    ///   - isVMSA: the page must not be 2 MB-aligned: the processor treats a 2 MB-aligned VMSA page as a 2 MB page, and
    ///     an access to the pages after it then faults (the reason for `snp_safe_alloc_page_node()`).
    ///   - memory: the frames from which it may come.
    mutating func take(
        isVMSA: Bool,
        in memory: [Range<Int>],
        from allocator: inout FrameAllocator,
        rmp: borrowing RMP
    ) -> PFN? {
        for slot in frames.indices where memory.contains(where: { $0.contains(frames[slot].frame) }) {
            if let page = freePage(slot, isVMSA: isVMSA, rmp) { return mark(slot, page) }
        }
        var first: Int?
        allocator.forEachFreeRun(in: memory, avoiding: rmp.assignedFrames) { run in
            first = run.first
            return false
        }
        guard let frame = first else { return nil }
        allocator.reserve(frames: frame..<(frame + 1))
        let slot = frames.firstIndex { $0.frame > frame } ?? frames.count
        frames.insert((frame, [UInt64](repeating: 0, count: Granularity.pagesPerFrame / 64)), at: slot)
        return mark(slot, isVMSA ? 1 : 0)
    }

    /// Frees a page, and with the last page its frame.
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

    /// Whether a page is taken.
    func isTaken(_ page: PFN) -> Bool {
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        guard let slot = frames.firstIndex(where: { $0.frame == Int(page.rawValue >> 9) }) else { return false }
        return frames[slot].taken[index >> 6] >> UInt64(index & 63) & 1 != 0
    }

    /// All pages that are taken, ascending.
    var takenPages: [PFN] {
        frames.flatMap { frame, taken in
            LeakedPages.pages(ofFrame: frame).filter { taken[Int($0 & 511) >> 6] >> ($0 & 63) & 1 != 0 }.map { PFN($0) }
        }
    }

    private func freePage(_ slot: Int, isVMSA: Bool, _ rmp: borrowing RMP) -> Int? {
        for word in frames[slot].taken.indices {
            var free = ~frames[slot].taken[word]
            if isVMSA && word == 0 { free &= ~1 }
            while free != 0 {
                let page = word * 64 + free.trailingZeroBitCount
                if rmp.entry(frame: frames[slot].frame, index: page) == .hypervisor { return page }
                free &= free - 1
            }
        }
        return nil
    }

    private mutating func mark(_ slot: Int, _ page: Int) -> PFN {
        frames[slot].taken[page >> 6] |= 1 << UInt64(page & 63)
        return PFN(UInt64(frames[slot].frame * Granularity.pagesPerFrame + page))
    }
}
