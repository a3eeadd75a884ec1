// SPDX-License-Identifier: Apache-2.0
// The machine's RMP as it would lie in memory: bookkeeping, RST and entries, written piece by piece, so that nobody has
// to hold it all.

extension Machine {
    /// The next bytes of memory, from an address on, that hold non-zero parts of the RMP; nil if none follow.
    ///
    /// Gives whole pages, but not always all of them: the bytes right after may also be non-zero. Bookkeeping always
    /// counts as non-zero.
    public func nextRMPData(from address: UInt64) -> Range<UInt64>? {
        let start = address.alignedDown(to: Granularity.page)
        var next: Range<UInt64>?
        func offer(_ range: Range<UInt64>) {
            if range.isEmpty || range.upperBound <= address { return }
            let found = max(range.lowerBound, start)..<range.upperBound
            if next.map({ found.lowerBound < $0.lowerBound }) ?? true { next = found }
        }
        offer(rmpLayout.head)
        for segment in rmpLayout.segments where segment.table.upperBound > address {
            if let next, segment.table.lowerBound >= next.lowerBound { continue }
            if let data = nextData(in: segment, from: max(start, segment.table.lowerBound)) { offer(data) }
        }
        return next
    }

    /// The next part of a segment's table whose chunks are not all zeros: 8 KB for each chunk.
    private func nextData(in segment: RMPSegment, from address: UInt64) -> Range<UInt64>? {
        let bytesPerChunk = RMPLayout.entryBytes * UInt64(Granularity.pagesPerChunk)
        let firstChunk = Int(truncatingIfNeeded: segment.covered.lowerBound / Granularity.chunk)
        let chunks = Int(truncatingIfNeeded: (segment.table.upperBound - segment.table.lowerBound) / bytesPerChunk)
        let end = min(firstChunk + chunks, platform.rmp.chunkCount)
        var chunk = firstChunk + Int(truncatingIfNeeded: (address - segment.table.lowerBound) / bytesPerChunk)
        func isEmpty(_ chunk: Int) -> Bool {
            !platform.rmp.covers(UInt64(chunk) << 9) || platform.rmp.chunkWord(chunk).bits == 0
        }
        while chunk < end && isEmpty(chunk) {
            let isWholeRegion =
                chunk % Granularity.chunksPerRegion == 0
                && platform.rmp
                    .uniformWord(ofRegion: chunk / Granularity.chunksPerRegion)?.bits == 0
            chunk += isWholeRegion ? Granularity.chunksPerRegion : 1
        }
        guard chunk < end else { return nil }
        var last = chunk + 1
        // One region is enough for one call.
        while last < min(end, chunk + Granularity.chunksPerRegion) && !isEmpty(last) { last += 1 }
        let lower = segment.table.lowerBound + UInt64(chunk - firstChunk) * bytesPerChunk
        return lower..<(lower + UInt64(last - chunk) * bytesPerChunk)
    }

    /// Writes the bytes of memory from an address on, where they belong to the RMP; zeros elsewhere.
    ///
    /// - Parameters:
    ///   - address: a multiple of 16.
    ///   - bytes: where to write them; its count is a multiple of 16, and it is aligned to 8.
    ///   - counters: what bookkeeping holds: a counter for each ASID; missing ones are 0 (``assignedPages(byASIDOf:)``
    ///     gives them by region). That they count assigned pages is a choice: firmware's source has 2,048 counters of
    ///     eight bytes and says no more.
    public func writeRMPMemory(
        at address: UInt64,
        into bytes: UnsafeMutableRawBufferPointer,
        counters: [UInt64] = []
    ) {
        let words = bytes.bindMemory(to: UInt64.self)
        words.update(repeating: 0)
        let asked = address..<(address + UInt64(bytes.count))
        func place(_ at: UInt64) -> Int { Int(truncatingIfNeeded: (at - address) / 8) }
        let head = rmpLayout.head
        if head.overlaps(asked) {
            for (asid, count) in counters.prefix(2048).enumerated() {
                let at = head.lowerBound + UInt64(asid) * 8
                if asked.contains(at) { words[place(at)] = count }
            }
            if let rst = rmpLayout.rst {
                for entry in rmpLayout.entries {
                    let at = rst.lowerBound + UInt64(entry.index) * 8
                    if asked.contains(at) { words[place(at)] = entry.rawValue }
                }
            }
        }
        for segment in rmpLayout.segments {
            let piece = segment.table.clamped(to: asked)
            if piece.isEmpty { continue }
            let first = (segment.covered.lowerBound >> 12) + (piece.lowerBound - segment.table.lowerBound) / 16
            let count = Int(truncatingIfNeeded: (piece.upperBound - piece.lowerBound) / 16)
            let from = place(piece.lowerBound)
            writeEntries(first, UnsafeMutableBufferPointer(rebasing: words[from..<(from + 2 * count)]))
        }
    }

    /// How many pages of a region each ASID has; empty for a region that does not exist.
    public func assignedPages(byASIDOf region: Int) -> [(asid: UInt16, pages: Int)] {
        blockers(ofRegion: region).compactMap { blocker in
            if case .guest(let asid, _) = blocker.owner { (asid, blocker.pages) } else { nil }
        }
    }

    /// The raw entries of pages from `first` on, two words each; pages without an entry keep zeros.
    private func writeEntries(_ first: UInt64, _ words: UnsafeMutableBufferPointer<UInt64>) {
        let permissions = UInt64(VMPLPermissions.full.rawValue)
        var number = 0
        let count = words.count / 2
        while number < count {
            let page = first + UInt64(number)
            let index = Int(truncatingIfNeeded: page & 511)
            let rest = min(Granularity.pagesPerChunk - index, count - number)
            defer { number += rest }
            if !platform.rmp.covers(page) || page >= platform.rmp.pageCount { continue }
            let word = platform.rmp.chunkWord(Int(truncatingIfNeeded: page >> 9))
            if word.bits == 0 { continue }
            for offset in 0..<rest {
                let entry = platform.rmp.entry(of: word, index: index + offset)
                var low = entry.bits
                if index + offset == 0 { low |= UInt64(platform.rmp.subpageCount(page)) << 3 }
                words[2 * (number + offset)] = low
                // As in RawRMPEntry.init(_:subpageCount:).
                words[2 * (number + offset) + 1] = entry.isAssigned && entry.asid != 0 ? permissions : 0
            }
        }
    }
}
