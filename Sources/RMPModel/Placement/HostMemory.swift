// SPDX-License-Identifier: Apache-2.0
// Who holds which memory of a host, as far as placement must know: free chunks as bits, and a few sums for each region.

/// What memory is used for.
public enum MemoryUse: Sendable, Hashable, CaseIterable {
    /// An SNP guest's memory: its pages are assigned in the RMP.
    case snp
    /// Pages that KVM and firmware need for an SNP guest (context, response, VMSAs): assigned as well.
    case control
    /// The memory of a guest without SNP.
    case ordinary
    /// The host's own memory: kernel, daemons, page cache.
    case host

    /// Whether such pages are assigned in the RMP, so that their region cannot be optimized.
    public var isAssigned: Bool { self == .snp || self == .control }
}

/// What an allocator is asked for.
public struct MemoryRequest: Sendable, Hashable {
    /// How many pages.
    public var pages: Int
    /// What for.
    public var use: MemoryUse
    /// The folios of the memory.
    public var backing: Backing
    /// The node that the memory must come from; nil for any.
    public var node: Int?

    /// `pages` pages of memory.
    public init(pages: Int, use: MemoryUse, backing: Backing = .size2M, node: Int? = nil) {
        self.pages = pages
        self.use = use
        self.backing = backing
        self.node = node
    }
}

/// The memory of a host that guests and the host's own software can have, and who has it.
///
/// Its size is in proportion to chunks of 2 MB, a bit for each, and to chunks that are used in part.
public struct HostMemory: Sendable {
    /// Memory of one node: chunks by number, which is the address divided by 2 MB.
    public struct Span: Sendable, Hashable {
        /// The chunks.
        public let chunks: Range<Int>
        /// The node.
        public let node: Int

        /// `chunks` of `node`.
        public init(chunks: Range<Int>, node: Int) {
            self.chunks = chunks
            self.node = node
        }
    }

    /// What a region's memory is used for.
    private struct Sums: Sendable {
        /// Wholly free chunks.
        var free: Int32 = 0
        /// Pages held for SNP guests (use `snp` and `control`).
        var assigned: Int32 = 0
        /// Pages held by others.
        var ordinary: Int32 = 0
    }

    /// The memory, ascending, firmware's and the RMP's included.
    public let spans: [Span]
    /// Regions from 0 to the end of memory.
    public let regionCount: Int
    /// Bit b of word b / 64: chunk b is wholly free.
    private(set) var freeWords: [UInt64]
    /// Pages in use of the chunks that are used in part, 1 ... 511. Others are free, or wholly used, or nobody's.
    private var usedInPart: [Int: Int] = [:]
    /// The sums of each region.
    private var sums: [Sums]
    /// Whether a region holds pages of the RMP or of firmware, so that it can never be optimized.
    private let fixed: [Bool]
    /// Pages that can be had at all, in each region.
    private let usable: [Int32]
    /// Wholly free chunks of all regions.
    public private(set) var freeChunkCount: Int
    /// Pages that can be had at all.
    public let usablePages: Int
    /// Free pages, those in partly used chunks included.
    public private(set) var freePages: Int

    /// - Parameters:
    ///   - spans: the memory, ascending.
    ///   - free: the chunks of it that are free.
    ///   - fixed: for each region whether it can never be optimized.
    public init(spans: [Span], free: [Range<Int>], fixed: [Bool]) {
        self.spans = spans
        self.fixed = fixed
        regionCount = fixed.count
        let chunks = fixed.count * Pages.chunksPerRegion
        freeWords = [UInt64](repeating: 0, count: chunks / 64)
        sums = [Sums](repeating: Sums(), count: fixed.count)
        for range in free {
            for chunk in range {
                freeWords[chunk >> 6] |= 1 << UInt64(chunk & 63)
                sums[chunk >> 9].free += 1
            }
        }
        usable = sums.map { $0.free * Int32(Pages.perChunk) }
        freeChunkCount = sums.reduce(0) { $0 + Int($1.free) }
        usablePages = freeChunkCount * Pages.perChunk
        freePages = usablePages
    }

    // MARK: Questions

    /// The memory of a node, or all of it, ascending; pieces that touch are one.
    public func chunks(ofNode node: Int?) -> [Range<Int>] { spans.chunks(ofNode: node) }

    /// The nodes that have memory, ascending.
    public var nodes: [Int] { Set(spans.map(\.node)).sorted() }
    /// Wholly free chunks of a region.
    public func freeChunks(ofRegion region: Int) -> Int { Int(sums[region].free) }
    /// Pages of a region that SNP guests hold, control pages included.
    public func assignedPages(ofRegion region: Int) -> Int { Int(sums[region].assigned) }
    /// Pages of a region that others hold.
    public func ordinaryPages(ofRegion region: Int) -> Int { Int(sums[region].ordinary) }
    /// Pages of a region that somebody could have.
    public func usablePages(ofRegion region: Int) -> Int { Int(usable[region]) }
    /// Whether a region can never be optimized, as it holds pages of the RMP or of firmware.
    public func isFixed(region: Int) -> Bool { fixed[region] }
    /// Whether a region cannot be optimized now.
    public func isLost(region: Int) -> Bool { fixed[region] || sums[region].assigned > 0 }
    /// Whether a chunk is wholly free.
    public func isFree(chunk: Int) -> Bool { freeWords[chunk >> 6] >> UInt64(chunk & 63) & 1 != 0 }
    /// How many pages of a chunk are in use; 512 for a chunk that nobody can have.
    public func usedPages(ofChunk chunk: Int) -> Int {
        isFree(chunk: chunk) ? 0 : usedInPart[chunk] ?? Pages.perChunk
    }

    /// How many chunks of some ranges are wholly free.
    public func freeChunks(in ranges: [Range<Int>]) -> Int {
        var count = 0
        for range in ranges {
            var chunk = range.lowerBound
            while chunk < range.upperBound {
                let end = min((chunk >> 9 + 1) << 9, range.upperBound)
                if chunk & 511 == 0 && end & 511 == 0 {
                    count += Int(sums[chunk >> 9].free)
                } else {
                    for chunk in chunk..<end where isFree(chunk: chunk) { count += 1 }
                }
                chunk = end
            }
        }
        return count
    }

    /// Calls `body` with runs of wholly free chunks in `range`, ascending, none longer than 64, until it returns false.
    public func forEachFreeRun(in range: Range<Int>, _ body: (Range<Int>) -> Bool) {
        var chunk = range.lowerBound
        while chunk < range.upperBound {
            if chunk & 511 == 0 && sums[chunk >> 9].free == 0 {
                chunk += Pages.chunksPerRegion
                continue
            }
            let end = min((chunk >> 6 + 1) << 6, range.upperBound)
            var free = freeWords[chunk >> 6] & HostMemory.mask(chunk & 63, end - chunk)
            while free != 0 {
                let first = free.trailingZeroBitCount
                let length = (~(free >> UInt64(first))).trailingZeroBitCount
                free &= ~HostMemory.mask(first, length)
                let start = chunk & ~63 + first
                if !body(start..<(start + length)) { return }
            }
            chunk = end
        }
    }

    /// The lowest regions within `range` (in chunks) that are wholly free, at most `most` of them.
    public func wholeRegions(in ranges: [Range<Int>], most: Int = .max) -> [Int] {
        var found: [Int] = []
        for range in ranges {
            let first = (range.lowerBound + Pages.chunksPerRegion - 1) >> 9
            for region in first..<max(first, range.upperBound >> 9)
            where sums[region].free == Pages.chunksPerRegion {
                if found.count >= most { return found }
                found.append(region)
            }
        }
        return found
    }

    /// The largest number of consecutive wholly free chunks of a node.
    public func largestFreeRun(ofNode node: Int?) -> Int {
        var largest = 0
        for range in chunks(ofNode: node) {
            var (length, end) = (0, range.lowerBound)
            forEachFreeRun(in: range) { run in
                length = run.lowerBound == end ? length + run.count : run.count
                end = run.upperBound
                largest = max(largest, length)
                return true
            }
        }
        return largest
    }

    // MARK: Changes

    /// Notes that pages are in use. They must be free.
    public mutating func take(_ run: PageRun, for use: MemoryUse) { change(run, use, takes: true) }

    /// Notes that pages are free again. They must be in use for `use`.
    public mutating func release(_ run: PageRun, from use: MemoryUse) { change(run, use, takes: false) }

    /// Notes that the pages of all runs are in use, as `take(_:for:)` of each would, and quicker.
    public mutating func take(_ runs: [PageRun], for use: MemoryUse) { change(runs[...], use, takes: true) }

    /// Notes that the pages of all runs are free again, as `release(_:from:)` of each would, and quicker.
    public mutating func release(_ runs: ArraySlice<PageRun>, from use: MemoryUse) { change(runs, use, takes: false) }

    private mutating func change(_ runs: ArraySlice<PageRun>, _ use: MemoryUse, takes: Bool) {
        var others: [PageRun] = []
        let (isAssigned, sign) = (use.isAssigned, takes ? -1 : 1)
        var chunksChanged = 0
        freeWords.withUnsafeMutableBufferPointer { words in
            sums.withUnsafeMutableBufferPointer { sums in
                for run in runs {
                    // A few whole chunks, which is most of what guests have where memory is in pieces.
                    let (chunk, chunks, region) = (run.first >> 9, run.count >> 9, run.first >> 18)
                    guard (run.first | run.count) & 511 == 0, chunk & 63 + chunks <= 64 else {
                        others.append(run)
                        continue
                    }
                    let change = Int32(truncatingIfNeeded: sign * chunks)
                    if isAssigned { sums[region].assigned -= change << 9 } else { sums[region].ordinary -= change << 9 }
                    sums[region].free += change
                    words[chunk >> 6] ^= HostMemory.mask(chunk & 63, chunks)
                    chunksChanged += chunks
                }
            }
        }
        freeChunkCount += sign * chunksChanged
        freePages += (sign * chunksChanged) << 9
        for run in others { change(run, use, takes: takes) }
    }

    private mutating func change(_ run: PageRun, _ use: MemoryUse, takes: Bool) {
        var page = run.first
        let end = run.first + run.count
        freePages += takes ? -run.count : run.count
        while page < end {
            let region = page >> 18
            let stop = min(end, (region + 1) << 18)
            let count = Int32(truncatingIfNeeded: takes ? stop - page : page - stop)
            if use.isAssigned { sums[region].assigned += count } else { sums[region].ordinary += count }
            let whole = ((page + 511) >> 9)..<max((page + 511) >> 9, stop >> 9)
            if page & 511 != 0 || whole.isEmpty {
                let part = min(stop, (page | 511) + 1)
                changePart(page >> 9, part - page, takes)
            }
            if !whole.isEmpty {
                changeChunks(whole, takes)
                if stop & 511 != 0 { changePart(stop >> 9, stop & 511, takes) }
            } else if page & 511 != 0 && stop > (page | 511) + 1 {
                changePart(stop >> 9, stop & 511, takes)
            }
            page = stop
        }
    }

    private mutating func changePart(_ chunk: Int, _ pages: Int, _ takes: Bool) {
        let before = usedPages(ofChunk: chunk)
        let after = takes ? before + pages : before - pages
        usedInPart[chunk] = after == 0 || after == Pages.perChunk ? nil : after
        if before == 0 {
            freeWords[chunk >> 6] &= ~(1 << UInt64(chunk & 63))
            sums[chunk >> 9].free -= 1
            freeChunkCount -= 1
        } else if after == 0 {
            freeWords[chunk >> 6] |= 1 << UInt64(chunk & 63)
            sums[chunk >> 9].free += 1
            freeChunkCount += 1
        }
    }

    private mutating func changeChunks(_ chunks: Range<Int>, _ takes: Bool) {
        let count = Int32(truncatingIfNeeded: takes ? -chunks.count : chunks.count)
        sums[chunks.lowerBound >> 9].free += count
        freeChunkCount += Int(count)
        var chunk = chunks.lowerBound
        while chunk < chunks.upperBound {
            let length = min(64 - chunk & 63, chunks.upperBound - chunk)
            let mask = HostMemory.mask(chunk & 63, length)
            assert(freeWords[chunk >> 6] & mask == (takes ? mask : 0))
            freeWords[chunk >> 6] ^= mask
            chunk += length
        }
    }

    @inlinable package static func mask(_ first: Int, _ count: Int) -> UInt64 {
        (count >= 64 ? .max : (1 << UInt64(count)) - 1) << UInt64(first)
    }
}

extension [HostMemory.Span] {
    /// The chunks of a node, or all of them; pieces that touch are one.
    func chunks(ofNode node: Int?) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for span in self where node == nil || span.node == node {
            if let last = ranges.last, last.upperBound == span.chunks.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<span.chunks.upperBound
            } else {
                ranges.append(span.chunks)
            }
        }
        return ranges
    }
}
