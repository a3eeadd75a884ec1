// SPDX-License-Identifier: Apache-2.0
// Pages that could not be taken back: assigned to nobody, and kept until the RMP is set up again. Each costs its
// region.

/// The kernel's list of leaked pages.
///
/// Source: Linux drivers/crypto/ccp/sev-dev.c, `snp_leak_pages()`: the pages are kept on a list and never freed; the
/// log says `Leaking PFN range 0x%llx-0x%llx`. The list has no pages of guests' memory.
struct LeakedPages: Sendable, Hashable {
    /// Page frame numbers, ascending, without overlaps; neighbours are one range.
    private(set) var ranges: [Range<UInt64>] = []

    /// The number of pages.
    var count: UInt64 { ranges.reduce(0) { $0 + UInt64($1.count) } }

    /// Adds pages; those already in the list stay.
    mutating func add(_ pages: Range<UInt64>) {
        if pages.isEmpty { return }
        let first = firstIndex(endingAtOrAfter: pages.lowerBound)
        var end = first
        var merged = pages
        while end < ranges.count && ranges[end].lowerBound <= pages.upperBound {
            merged = min(merged.lowerBound, ranges[end].lowerBound)..<max(merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [merged])
    }

    /// Whether any of `pages` is leaked.
    func overlaps(_ pages: Range<UInt64>) -> Bool {
        // A range that ends just before the first page does not overlap, but the next one may.
        ranges[firstIndex(endingAtOrAfter: pages.lowerBound)...].prefix(2).contains { $0.overlaps(pages) }
    }

    private func firstIndex(endingAtOrAfter page: UInt64) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < page { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Guests {
    /// Leaks pages of the host's free memory, as if SNP_PAGE_RECLAIM had failed for pages that firmware held: they are
    /// now in Reclaim state, assigned to nobody, and no guest ever gets their frames again.
    ///
    /// - Parameter pages: page frame numbers.
    /// - Throws: `.invalid(.noPages)`, `.placement` naming the addresses that are not memory or not free. Pages in a
    ///   frame with leaked pages count as free while they are hypervisor-owned.
    mutating func leak(_ pages: Range<UInt64>, _ platform: inout Platform) throws(CommandError) {
        if pages.isEmpty { throw .invalid(.noPages) }
        let limit: UInt64 = (1 << 52) - 1
        guard pages.upperBound <= limit else {
            throw .placement(.notMemory(min(pages.lowerBound, limit) << 12..<min(pages.upperBound, limit) << 12))
        }
        let bytes = (pages.lowerBound << 12)..<(pages.upperBound << 12)
        guard memory.contains(bytes) else { throw .placement(.notMemory(bytes)) }
        let frames = FrameAllocator.frames(bytes)
        for frame in frames {
            let part = LeakedPages.part(of: pages, inFrame: frame)
            let isKnown = leaked.overlaps(LeakedPages.pages(ofFrame: frame))
            let isFree = !allocator.isUsed(frame) || (isKnown && !controls.frames.contains { $0.frame == frame })
            let word = platform.rmp.frameWord(frame)
            let isOwned =
                word.isMixed
                ? part.allSatisfy { platform.rmp.entry(frame: frame, index: $0) == .hypervisor } : word == .hypervisor
            if !isFree || !isOwned {
                let first = UInt64(frame * Granularity.pagesPerFrame)
                let addresses = (first + UInt64(part.lowerBound)) << 12..<(first + UInt64(part.upperBound)) << 12
                throw .placement(.notFree(addresses))
            }
        }
        for frame in frames {
            let part = LeakedPages.part(of: pages, inFrame: frame)
            let input = RMPUpdateInput(assigned: true)
            // Hypervisor-owned pages never refuse a 4 KB update.
            _ =
                part.count == Granularity.pagesPerFrame
                ? platform.rmpupdate(frame: frame, input) : platform.rmpupdate(frame: frame, pages: part, input)
            if frame & 511 == 511 { platform.rmp.compact(frame >> 9) }
        }
        allocator.reserve(frames: frames)
        leaked.add(pages)
    }
}

extension LeakedPages {
    /// The page frame numbers of a frame.
    static func pages(ofFrame frame: Int) -> Range<UInt64> {
        let first = UInt64(frame * Granularity.pagesPerFrame)
        return first..<(first + UInt64(Granularity.pagesPerFrame))
    }

    /// Which of a frame's 512 pages belong to `pages`.
    static func part(of pages: Range<UInt64>, inFrame frame: Int) -> Range<Int> {
        let all = LeakedPages.pages(ofFrame: frame)
        let part = pages.clamped(to: all)
        return Int(part.lowerBound - all.lowerBound)..<Int(part.upperBound - all.lowerBound)
    }
}
