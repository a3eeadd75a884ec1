// SPDX-License-Identifier: Apache-2.0
// Which pages have an RMP entry at all. On most machines all of them do, so one comparison must be enough there.

/// The memory that an RMP covers, in chunks.
///
/// Source: APM vol 2 15.36.3, 15.36.22: pages that are not covered are hypervisor-owned (state Default), and
/// instructions on them return FAIL_INPUT. Choice: whatever lies beyond the end of memory counts as not covered.
struct RMPCoverage: Sendable, Hashable {
    /// Covered chunks in ascending ranges that neither overlap nor touch.
    let chunks: [Range<Int>]
    /// The number of pages from 0 on that are covered without a gap.
    let leadingPages: UInt64

    /// All of `regionCount` regions.
    init(regionCount: Int) { self.init([0..<regionCount * Granularity.chunksPerRegion]) }

    /// The part of `regionCount` regions that a layout's segments cover. A processor may look only at the first entries
    /// of the RST.
    init(_ layout: RMPLayout, _ processor: Processor, regionCount: Int) {
        let limit = regionCount * Granularity.chunksPerRegion
        let count = RMPLayout.rstLimit(processor)
        var merged: [Range<Int>] = []
        for segment in layout.segments where segment.index < count {
            let first = Int(truncatingIfNeeded: segment.covered.lowerBound / Granularity.chunk)
            let end = min(Int(truncatingIfNeeded: segment.covered.upperBound / Granularity.chunk), limit)
            if first >= end { continue }
            if let last = merged.last, last.upperBound == first {
                merged[merged.count - 1] = last.lowerBound..<end
            } else {
                merged.append(first..<end)
            }
        }
        self.init(merged)
    }

    private init(_ chunks: [Range<Int>]) {
        self.chunks = chunks
        let leading = chunks.first.map { $0.lowerBound == 0 ? $0.upperBound : 0 } ?? 0
        leadingPages = UInt64(leading) * UInt64(Granularity.pagesPerChunk)
    }

    /// Whether a page, by its number, has an entry.
    @inline(__always)
    func contains(_ pfn: UInt64) -> Bool { pfn < leadingPages || search(pfn) }

    /// Whether all pages of a region have entries.
    func containsRegion(_ region: Int) -> Bool {
        let first = region * Granularity.chunksPerRegion
        if UInt64(first + Granularity.chunksPerRegion) << 9 <= leadingPages { return true }
        guard let range = range(holding: first) else { return false }
        return range.upperBound >= first + Granularity.chunksPerRegion
    }

    /// How many pages of a region have no entries.
    func uncoveredPages(ofRegion region: Int) -> Int {
        if containsRegion(region) { return 0 }
        let first = region * Granularity.chunksPerRegion
        let covered = chunks.reduce(0) { $0 + $1.clamped(to: first..<first + Granularity.chunksPerRegion).count }
        return (Granularity.chunksPerRegion - covered) * Granularity.pagesPerChunk
    }

    /// Whether all pages of some regions have entries and one comparison shows it.
    func containsRegions(_ regions: Range<Int>) -> Bool {
        UInt64(regions.upperBound * Granularity.pagesPerRegion) <= leadingPages
    }

    private func search(_ pfn: UInt64) -> Bool { range(holding: Int(truncatingIfNeeded: pfn >> 9)) != nil }

    private func range(holding chunk: Int) -> Range<Int>? {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].upperBound <= chunk { low = middle + 1 } else { high = middle }
        }
        return low < chunks.count && chunks[low].contains(chunk) ? chunks[low] : nil
    }
}
