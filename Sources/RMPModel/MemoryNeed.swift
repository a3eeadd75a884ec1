// SPDX-License-Identifier: Apache-2.0
// How much system memory a command may need at most, known before it begins: an allocation that fails midway would end
// the process.

extension Machine {
    /// An upper bound, in bytes, of the memory that a command uses while it runs, including memory that it frees at its
    /// end; 0 for one that needs only a constant amount.
    ///
    /// Depends on the machine's state; costs at most a walk over one bit for each 2 MB of its memory.
    package func memoryNeeded(for command: Command) -> Int {
        switch command {
        case .startGuest(let id):
            guard let guest = guests[id], guest.state == .stopped || guest.state == .created else { return 0 }
            return memoryNeeded(forLaunchOf: guest)
        case .createGuest:
            // Dictionaries of names and guests double when they are full.
            return Storage.guest + guests.order.count * Storage.guestEntry
        case .convert(let id, let gpa, _):
            guard let guest = guests[id], !gpa.isEmpty, gpa.upperBound.rawValue <= guest.memoryBytes else { return 0 }
            let chunks = ChunkAllocator.chunks(gpa.raw).count
            return memoryNeeded(forRuns: guest.chunks.count, chunks: chunks) + memoryNeeded(forMixed: chunks)
        case .validate(let id, let gpa, _):
            guard let guest = guests[id], !gpa.isEmpty, gpa.upperBound.rawValue <= guest.memoryBytes else { return 0 }
            return memoryNeeded(forMixed: ChunkAllocator.chunks(gpa.raw).count)
        case .leak(let pages):
            // The range can hold any numbers, but there are no more pages than the host has.
            let most = UInt64(regionCount) * UInt64(Granularity.pagesPerRegion)
            let count =
                Int(min(pages.upperBound.rawValue - pages.lowerBound.rawValue, most)) / Granularity.pagesPerChunk + 2
            let ranges = Storage.grown(guests.leaked.ranges.count + 1, of: Range<UInt64>.self)
            return memoryNeeded(forRuns: 1, chunks: count) + memoryNeeded(forMixed: count) + ranges
        case .rmpupdate, .psmash, .firmwareChange, .lock, .pvalidate:
            return memoryNeeded(forRuns: 1, chunks: 1) + memoryNeeded(forMixed: 1)
        case .initializeFirmware, .shutDownFirmware, .kexec:
            // The RMP is rebuilt, and then holds lists of words where one of firmware's ranges begins or ends inside a
            // region.
            let ranges =
                firmware.fixedRanges.count + firmware.layout.segments.count + firmware.pages.assigned.count + 1
            return regionCount * Storage.region + ranges * 2 * (Storage.wordList + Storage.mixedChunk)
        case .setHostMemory, .setPageCache:
            // The allocator's bits a second time, and lists of runs: memory is taken from the bottom up.
            let runs = guests.allocator.freeRunCount(avoiding: platform.rmp.assignedChunks) + guests.host.runCount
            return regionCount * RMP.chunkWords * MemoryLayout<UInt64>.size + Storage.grown(runs + 2, of: ChunkRun.self)
        case .reoptimize, .setGuestType, .setGuestMemory, .setGuestBacking, .setGuestPlacement, .setGuestNode,
            .setGuestVCPUs, .createVM, .stopGuest, .removeGuest, .setOnline, .failFirmware, .failDecommission,
            .addMemory, .holdPasses, .wrmsr, .rmpopt:
            return 0
        }
    }

    /// About how much memory the parts that come and go use, in bytes: when it drops, that much can be returned to the
    /// system.
    package var storedBytes: Int {
        guests.order.count * Storage.guest + platform.rmp.wordListCount * Storage.wordList
            + platform.rmp.mixedChunkCount * Storage.usualMixedChunk
    }

    /// Hands over memory that the machine has no use for any more. To give it back takes tens of milliseconds, during
    /// which nobody need be kept from the machine. What nobody takes goes back when the next large guest ends.
    package mutating func takeDiscardedMemory() -> DiscardedMemory? {
        if guests.discarded == nil { return nil }
        defer { guests.discarded = nil }
        return guests.discarded
    }

    private func memoryNeeded(forLaunchOf guest: Guest) -> Int {
        let chunks = guest.chunkCount
        let free = guests.allocator.freeRunCount(avoiding: platform.rmp.assignedChunks)
        var need = 0
        // Memory taken from the bottom up is in no more pieces than free memory is.
        var pieces = free
        var runs = min(chunks, free + chunks / Granularity.chunksPerRegion + 1)
        // Copies of the allocator's bits, on which an allocation is tried.
        let trial = regionCount * RMP.chunkWords * MemoryLayout<UInt64>.size
        switch guest.placement {
        case .packed, .local: break
        case .ranges(let ranges):
            (runs, pieces) = (ranges.count, ranges.count)
            need += trial
        case .aligned:
            let whole = chunks / Granularity.chunksPerRegion
            let isWhole = chunks <= Granularity.chunksPerRegion || chunks.isMultiple(of: Granularity.chunksPerRegion)
            // Otherwise a list of all regions with their free runs, and the runs again as one list.
            if !isWhole || !guests.allocator.hasWholeRegions(max(whole, 1), avoiding: platform.rmp.assignedChunks) {
                need += regionCount * Storage.regionChoice + Storage.grown(2 * free, of: ChunkRun.self)
            }
        case .scattered:
            (runs, pieces) = (chunks, chunks)
            need += trial + Storage.grown(chunks, of: Int.self)
            // If random picks miss too often, the rest is picked from a list of all free chunks.
            let all = guests.allocator.chunkCount
            if chunks > all / 2 { need += Storage.grown(all, of: Int.self) }
        }
        if guest.backing.chunksPerUnit > 1 { need += Storage.grown(regionCount, of: Int.self) }
        need += Storage.grown(runs, of: ChunkRun.self)
        // While the page cache makes room: the allocator before it, the allocator without it, and what is wanted.
        if !guests.host.cache.isEmpty {
            need += 3 * trial + Storage.grown(guests.host.runCount + chunks, of: ChunkRun.self)
        }
        if guest.type == .ordinary { return need }
        let controls = 2 + guest.vcpus
        need += Storage.grown(controls, of: PFN.self)
        // Control pages share chunks; the initial image and the last chunk, which may be partly used, are separate.
        let mixed = controls / Granularity.pagesPerChunk + 2 + guest.imageChunks + 1
        return need + memoryNeeded(forRuns: pieces, chunks: chunks + controls) + memoryNeeded(forMixed: mixed)
    }

    /// For entries in `chunks` chunks in `runs` runs: a list of words for each region that is touched and has none, and
    /// one more in its list of ASIDs.
    private func memoryNeeded(forRuns runs: Int, chunks: Int) -> Int {
        let touched = min(regionCount, chunks, chunks / Granularity.chunksPerRegion + 2 * runs + 2)
        // Unless by hand, a region has no more ASIDs than chunks; the first needs no list.
        let asids = mustVisitGuests ? OwnerSums.asidLimit : min(guests.asids.count + 1, Granularity.chunksPerRegion)
        let lists = asids > 1 ? touched * Storage.grown(asids, of: ASIDPages.self) : 0
        return min(regionCount - platform.rmp.wordListCount, touched) * Storage.wordList + lists
    }

    /// For `chunks` chunks of differing entries: each may grow to its largest form, and two are worked on at a time.
    private func memoryNeeded(forMixed chunks: Int) -> Int {
        // In a range of pages only the chunks at its ends become mixed; the others already are, or stay uniform.
        let count = min(chunks, platform.rmp.mixedChunkCount) + min(chunks, Storage.newMixedChunks)
        return (count + 2) * Storage.mixedChunk
            + Storage.grown(platform.rmp.mixedChunkCount + count, of: MixedChunk.self)
    }
}

/// Memory that goes back to the system when the last holder drops this.
package struct DiscardedMemory: Sendable {
    /// A list of fewer runs (64 KB) is freed at once.
    static let least = 1 << 13

    let chunks: [ChunkRun]
}

/// Upper bounds, in bytes, for the machine's parts: with the allocator's overhead, and rounded up.
private enum Storage {
    /// The words of a region's chunks: an array of 512.
    static let wordList = 4_096 + 64
    /// The largest mixed chunk, two 16-bit fields for each of its pages, and the temporary copy while its form changes.
    static let mixedChunk = 16_384
    /// A mixed chunk with few different entries.
    static let usualMixedChunk = 640
    /// How many chunks one command makes mixed: those of a launch's control pages, and the ends of ranges.
    static let newMixedChunks = 32
    /// A guest, with what a file system keeps for it.
    static let guest = 9_216
    /// A guest's entry in a dictionary that doubles.
    static let guestEntry = 1_024
    /// A region's words in the RMP and in the allocator.
    static let region = 192
    /// A region, with its runs, in the list of those that an aligned guest may get.
    static let regionChoice = 768

    /// An array that grows to `count` elements by doubling: the full one, and one of twice its size.
    static func grown<Element>(_ count: Int, of type: Element.Type) -> Int {
        3 * count * MemoryLayout<Element>.stride + 64
    }
}
