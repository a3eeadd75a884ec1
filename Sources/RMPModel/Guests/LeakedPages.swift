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
    /// now in Reclaim state, assigned to nobody, and no guest ever gets their chunks again.
    ///
    /// - Parameter pages: page frame numbers.
    /// - Throws: `.invalid(.noPages)`, `.placement` naming the addresses that are not memory or not free. Pages in a
    ///   chunk with leaked pages count as free while they are hypervisor-owned.
    mutating func leak(_ pages: Range<UInt64>, _ platform: inout Platform) throws(CommandError) {
        if pages.isEmpty { throw .invalid(.noPages) }
        let limit: UInt64 = (1 << 52) - 1
        guard pages.upperBound <= limit else {
            throw .placement(
                .notMemory(SPA(min(pages.lowerBound, limit) << 12)..<SPA(min(pages.upperBound, limit) << 12))
            )
        }
        let bytes = (pages.lowerBound << 12)..<(pages.upperBound << 12)
        guard memory.contains(bytes) else { throw .placement(.notMemory(Range(raw: bytes))) }
        let chunks = ChunkAllocator.chunks(bytes)
        for chunk in chunks {
            let part = LeakedPages.part(of: pages, inChunk: chunk)
            let isKnown = leaked.overlaps(LeakedPages.pages(ofChunk: chunk))
            let isFree = !allocator.isUsed(chunk) || (isKnown && !controls.chunks.contains { $0.chunk == chunk })
            let word = platform.rmp.chunkWord(chunk)
            let isOwned =
                word.isMixed
                ? part.allSatisfy { platform.rmp.entry(chunk: chunk, index: $0) == .hypervisor } : word == .hypervisor
            if !isFree || !isOwned {
                let first = UInt64(chunk * Granularity.pagesPerChunk)
                let addresses = (first + UInt64(part.lowerBound)) << 12..<(first + UInt64(part.upperBound)) << 12
                throw .placement(.notFree(Range(raw: addresses)))
            }
        }
        for chunk in chunks {
            let part = LeakedPages.part(of: pages, inChunk: chunk)
            let input = RMPUpdateInput(assigned: true)
            // Hypervisor-owned pages never refuse a 4 KB update.
            _ =
                part.count == Granularity.pagesPerChunk
                ? platform.rmpupdate(chunk: chunk, input) : platform.rmpupdate(chunk: chunk, pages: part, input)
            if chunk & 511 == 511 { platform.rmp.compact(chunk >> 9) }
        }
        allocator.reserve(chunks: chunks)
        leaked.add(pages)
    }
}

extension LeakedPages {
    /// The page frame numbers of a chunk.
    static func pages(ofChunk chunk: Int) -> Range<UInt64> {
        let first = UInt64(chunk * Granularity.pagesPerChunk)
        return first..<(first + UInt64(Granularity.pagesPerChunk))
    }

    /// Which of a chunk's 512 pages belong to `pages`.
    static func part(of pages: Range<UInt64>, inChunk chunk: Int) -> Range<Int> {
        let all = LeakedPages.pages(ofChunk: chunk)
        let part = pages.clamped(to: all)
        return Int(part.lowerBound - all.lowerBound)..<Int(part.upperBound - all.lowerBound)
    }
}
