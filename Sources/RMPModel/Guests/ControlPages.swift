// SPDX-License-Identifier: Apache-2.0
// The host pages that a guest needs besides its memory: context, response buffer, VMSAs. Each costs a region for as
// long as its guest lives, so they share chunks.

/// Single pages for guests, from chunks of their own.
///
/// Source: KVM takes one page per guest for the context and one for the response to guest requests, both by
/// `snp_alloc_firmware_page()`, and one per vCPU for the VMSA by `snp_safe_alloc_page_node()`. That they lie side by
/// side, in the lowest free chunks, is a choice.
struct ControlPages: Sendable {
    /// Chunks in use for such pages, ascending, with a bit for each page taken.
    private(set) var chunks: [(chunk: Int, taken: [UInt64])] = []

    /// The lowest page that is free and hypervisor-owned; nil if the host has no memory left.
    ///
    /// - Parameters:
    ///   - isVMSA: the page must not be 2 MB-aligned: the processor treats a 2 MB-aligned VMSA page as a 2 MB page, and
    ///     an access to the pages after it then faults (the reason for `snp_safe_alloc_page_node()`).
    ///   - memory: the chunks from which it may come.
    mutating func take(
        isVMSA: Bool,
        in memory: [Range<Int>],
        from allocator: inout ChunkAllocator,
        rmp: borrowing RMP
    ) -> PFN? {
        for slot in chunks.indices where memory.contains(where: { $0.contains(chunks[slot].chunk) }) {
            if let page = freePage(slot, isVMSA: isVMSA, rmp) { return mark(slot, page) }
        }
        var first: Int?
        allocator.forEachFreeRun(in: memory, avoiding: rmp.assignedChunks) { run in
            first = run.first
            return false
        }
        guard let chunk = first else { return nil }
        allocator.reserve(chunks: chunk..<(chunk + 1))
        return mark(insert(chunk, at: slot(from: chunk)), isVMSA ? 1 : 0)
    }

    /// Takes the given page, which must not be taken yet.
    mutating func adopt(_ page: PFN, holding allocator: inout ChunkAllocator) {
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        var slot = slot(from: chunk)
        if slot == chunks.count || chunks[slot].chunk != chunk {
            allocator.hold(chunk)
            slot = insert(chunk, at: slot)
        }
        _ = mark(slot, Int(truncatingIfNeeded: page.rawValue & 511))
    }

    /// Frees a page, and with the last page its chunk.
    mutating func release(_ page: PFN, to allocator: inout ChunkAllocator) {
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        let slot = slot(from: chunk)
        guard slot < chunks.count, chunks[slot].chunk == chunk else { return }
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        chunks[slot].taken[index >> 6] &= ~(1 << UInt64(index & 63))
        if chunks[slot].taken.allSatisfy({ $0 == 0 }) {
            chunks.remove(at: slot)
            allocator.release(chunk)
        }
    }

    /// Whether a page is taken.
    func isTaken(_ page: PFN) -> Bool {
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        let slot = slot(from: chunk)
        guard slot < chunks.count, chunks[slot].chunk == chunk else { return false }
        return chunks[slot].taken[index >> 6] >> UInt64(index & 63) & 1 != 0
    }

    /// All pages that are taken, ascending.
    var takenPages: [PFN] {
        chunks.flatMap { chunk, taken in
            LeakedPages.pages(ofChunk: chunk).filter { taken[Int($0 & 511) >> 6] >> ($0 & 63) & 1 != 0 }.map { PFN($0) }
        }
    }

    /// The index of the first chunk whose number is `chunk` or above.
    private func slot(from chunk: Int) -> Int {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].chunk < chunk { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func insert(_ chunk: Int, at slot: Int) -> Int {
        chunks.insert((chunk, [UInt64](repeating: 0, count: Granularity.pagesPerChunk / 64)), at: slot)
        return slot
    }

    private func freePage(_ slot: Int, isVMSA: Bool, _ rmp: borrowing RMP) -> Int? {
        for word in chunks[slot].taken.indices {
            var free = ~chunks[slot].taken[word]
            if isVMSA && word == 0 { free &= ~1 }
            while free != 0 {
                let page = word * 64 + free.trailingZeroBitCount
                if rmp.entry(chunk: chunks[slot].chunk, index: page) == .hypervisor { return page }
                free &= free - 1
            }
        }
        return nil
    }

    private mutating func mark(_ slot: Int, _ page: Int) -> PFN {
        chunks[slot].taken[page >> 6] |= 1 << UInt64(page & 63)
        return PFN(UInt64(chunks[slot].chunk * Granularity.pagesPerChunk + page))
    }
}
