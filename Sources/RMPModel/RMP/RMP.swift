// SPDX-License-Identifier: Apache-2.0
// The RMP as storage: who owns each page, in as few bytes as the actual contents need. The rules of the instructions
// are in files of their own.

/// The Reverse Map table over whole regions from address 0.
///
/// Three levels. A region is one word while all its chunks are alike, otherwise a list of 512 words. A chunk's word is
/// the entry of its first page: a 2 MB entry, or 512 entries of 4 KB with consecutive GPAs (equal ones when the ASID is
/// 0), or the number of a mixed chunk. RMPOPT relies on two more fields: the number of assigned pages in each region,
/// which is kept by owner for the reports, and which chunks hold any.
struct RMP: Sendable {
    /// The number of regions, covered or not.
    let regionCount: Int
    /// Which of their pages have an entry; no other page is ever written to.
    let coverage: RMPCoverage
    /// Each region's word for all its chunks, while its list is empty. Only words that mean the same for every chunk
    /// are kept here: ASID 0.
    private var uniform: [UInt64]
    private var wordLists: [[UInt64]]
    /// The number of regions with a list.
    private(set) var wordListCount = 0
    private var mixed = MixedChunkPool()
    /// The assigned pages of each region by owner.
    var owners: OwnerSums
    /// Eight words a region: bit f of the row is set when chunk f holds an assigned page.
    private(set) var assignedChunks: [UInt64]
    /// Whether a page may have an ASID whose guest does not hold it, or lie in a guest's memory with another: so it is
    /// once somebody has changed entries by hand, or the RMP was taken over from another host.
    var hasStrays = false

    static let chunkWords = Granularity.chunksPerRegion / 64

    /// An RMP in which every page is hypervisor-owned; without `coverage`, each page has an entry.
    init(regionCount: Int, coverage: RMPCoverage? = nil) {
        self.regionCount = regionCount
        self.coverage = coverage ?? RMPCoverage(regionCount: regionCount)
        uniform = [UInt64](repeating: 0, count: regionCount)
        wordLists = [[UInt64]](repeating: [], count: regionCount)
        owners = OwnerSums(regionCount: regionCount)
        assignedChunks = [UInt64](repeating: 0, count: regionCount * RMP.chunkWords)
    }

    /// Makes every page hypervisor-owned again.
    mutating func reset() { self = RMP(regionCount: regionCount, coverage: coverage) }

    /// Whether a page, by its number, has an entry.
    @inline(__always)
    func covers(_ pfn: UInt64) -> Bool { coverage.contains(pfn) }

    /// Whether RMPOPT finds the region hypervisor-owned. A region that is not covered as a whole never is (a choice).
    func isOptimizable(_ region: Int) -> Bool { !hasAssigned(region) && coverage.containsRegion(region) }

    /// How many pages of a region have no entries.
    func uncoveredPages(ofRegion region: Int) -> Int { coverage.uncoveredPages(ofRegion: region) }

    /// How many of some regions RMPOPT does not find hypervisor-owned.
    func blockedRegions(in regions: Range<Int>) -> Int {
        if coverage.containsRegions(regions) { return owners.assignedRegions(in: regions) }
        return regions.count { !isOptimizable($0) }
    }

    /// The number of pages of all regions, covered or not.
    var pageCount: UInt64 { UInt64(regionCount) * UInt64(Granularity.pagesPerRegion) }
    /// The number of chunks.
    var chunkCount: Int { regionCount * Granularity.chunksPerRegion }
    /// The number of chunks whose pages differ.
    var mixedChunkCount: Int { mixed.count }

    // MARK: Reading

    /// The word of a chunk.
    func chunkWord(_ chunk: Int) -> EntryWord {
        let region = chunk >> 9
        if wordLists[region].isEmpty { return EntryWord(bits: uniform[region]) }
        return EntryWord(bits: wordLists[region][chunk & 511])
    }

    /// The word of a whole region if all its chunks have the same and it needs no list.
    func uniformWord(ofRegion region: Int) -> EntryWord? {
        wordLists[region].isEmpty ? EntryWord(bits: uniform[region]) : nil
    }

    /// The words of a region's chunks; empty if all have the same one, ``uniformWord(ofRegion:)``.
    func words(ofRegion region: Int) -> [UInt64] { wordLists[region] }

    /// The number of assigned pages in a region, 0 ... 262,144.
    func assignedPages(ofRegion region: Int) -> Int { Int(owners[region].assigned) }

    /// Whether a region holds an assigned page.
    func hasAssigned(_ region: Int) -> Bool { owners[region].assigned != 0 }

    /// The number of assigned pages in a chunk, 0 ... 512.
    func assignedPages(inChunk chunk: Int) -> Int {
        let word = chunkWord(chunk)
        return word.isMixed ? mixed[RMP.number(word)].assignedPages : word.assignedPagesOfChunk
    }

    /// The entry of page `index` of `chunk` with its own GPA. Inside a 2 MB entry, the pages after the first hold
    /// nothing but the assigned bit, as RMPUPDATE leaves them.
    func entry(chunk: Int, index: Int) -> EntryWord { entry(of: chunkWord(chunk), index: index) }

    /// The same for a chunk whose word is known.
    func entry(of word: EntryWord, index: Int) -> EntryWord {
        if word.isMixed { return mixed[RMP.number(word)].value(at: index).advanced(pages: index) }
        if word.is2M { return index == 0 ? word : EntryWord(bits: word.bits & EntryWord.assignedBit) }
        return word.advanced(pages: index)
    }

    /// The lowest chunk of a region, 0 ... 511, that holds an assigned page.
    func firstAssignedChunk(ofRegion region: Int) -> Int? {
        if !hasAssigned(region) { return nil }
        for word in 0..<RMP.chunkWords {
            let bits = assignedChunks[region * RMP.chunkWords + word]
            if bits != 0 { return word * 64 + bits.trailingZeroBitCount }
        }
        return nil
    }

    // MARK: Writing

    /// Gives a whole chunk one word, an entry of its first page: 2 MB, or 512 entries of 4 KB.
    ///
    /// A chunk without entries stays as it is.
    mutating func setChunk(_ chunk: Int, _ word: EntryWord) {
        if !covers(UInt64(truncatingIfNeeded: chunk) << 9) { return }
        let old = chunkWord(chunk)
        if old == word { return }
        if old.isMixed {
            uncount(chunk, old)
            mixed.drop(RMP.number(old))
        }
        setChunkWord(chunk, word)
        owners.change(chunk >> 9, from: old.isMixed ? .hypervisor : old, to: word, pages: Granularity.pagesPerChunk)
        owners.changeLarge(from: old, to: word)
        if !old.isMixed && old.isAssigned == word.isAssigned { return }
        if word.isAssigned { setAssigned(chunk) } else { clearAssigned(chunk) }
    }

    /// Takes the pages of a mixed chunk out of its region's sums.
    private mutating func uncount(_ chunk: Int, _ word: EntryWord) {
        if mixed[RMP.number(word)].assignedPages == 0 { return }
        for index in 0..<Granularity.pagesPerChunk {
            owners.change(chunk >> 9, from: mixed[RMP.number(word)].value(at: index), to: .hypervisor)
        }
    }

    /// Gives one page a 4 KB entry, if it has one. The page must not lie inside a 2 MB entry: RMPUPDATE refuses that
    /// earlier.
    mutating func setEntry(chunk: Int, index: Int, _ entry: EntryWord) {
        if !covers(UInt64(truncatingIfNeeded: chunk) << 9) { return }
        let word = chunkWord(chunk)
        setEntry(chunk: chunk, of: word, index: index, from: self.entry(of: word, index: index), to: entry)
    }

    /// The same for a covered chunk whose word is known, and the page's entry so far.
    mutating func setEntry(chunk: Int, of word: EntryWord, index: Int, from old: EntryWord, to entry: EntryWord) {
        let value = entry.advanced(pages: -index)
        let left: Int
        if !word.isMixed {
            if value == word { return }
            let number = mixed.make(rest: word, value: value, at: index)
            setChunkWord(chunk, RMP.mixedWord(number))
            left = mixed[number].assignedPages
        } else {
            let number = RMP.number(word)
            if let shared = mixed[number].replace(index, with: value) {
                mixed.drop(number)
                setChunkWord(chunk, shared)
                left = shared.assignedPagesOfChunk
            } else {
                left = mixed[number].assignedPages
            }
        }
        owners.change(chunk >> 9, from: old, to: entry)
        if entry.isAssigned {
            if left == 1 { setAssigned(chunk) }
        } else if left == 0 {
            clearAssigned(chunk)
        }
    }

    /// Gives all chunks of a region one word, at the cost of one chunk; the word's ASID must be 0.
    mutating func setRegion(_ region: Int, _ word: EntryWord) {
        guard coverage.containsRegion(region) else {
            let first = region * Granularity.chunksPerRegion
            for chunk in first..<(first + Granularity.chunksPerRegion) { setChunk(chunk, word) }
            return
        }
        if let old = uniformWord(ofRegion: region) {
            owners.change(region, from: old, to: word, pages: Granularity.pagesPerRegion)
        }
        for (index, bits) in wordLists[region].enumerated() {
            let old = EntryWord(bits: bits)
            if old.isMixed {
                uncount(region << 9 + index, old)
                mixed.drop(RMP.number(old))
            }
            owners.change(region, from: old.isMixed ? .hypervisor : old, to: word, pages: Granularity.pagesPerChunk)
            owners.changeLarge(from: old, to: .hypervisor)
        }
        dropWordList(region)
        uniform[region] = word.bits
        for index in 0..<RMP.chunkWords {
            assignedChunks[region * RMP.chunkWords + index] = word.isAssigned ? .max : 0
        }
    }

    /// Frees a region's list if all its chunks are alike again. Not done at each update: a page that is assigned and
    /// freed over and over would pay for it.
    mutating func compact(_ region: Int) {
        guard let first = wordLists[region].first else { return }
        let word = EntryWord(bits: first)
        if word.isMixed || word.asid != 0 || wordLists[region].contains(where: { $0 != first }) { return }
        uniform[region] = first
        dropWordList(region)
    }

    private mutating func dropWordList(_ region: Int) {
        if wordLists[region].isEmpty { return }
        wordLists[region] = []
        wordListCount -= 1
    }

    private mutating func setChunkWord(_ chunk: Int, _ word: EntryWord) {
        let region = chunk >> 9
        if wordLists[region].isEmpty {
            wordLists[region] = [UInt64](repeating: uniform[region], count: Granularity.chunksPerRegion)
            wordListCount += 1
        }
        wordLists[region][chunk & 511] = word.bits
    }

    private mutating func setAssigned(_ chunk: Int) { assignedChunks[chunk >> 6] |= 1 << UInt64(chunk & 63) }
    private mutating func clearAssigned(_ chunk: Int) { assignedChunks[chunk >> 6] &= ~(1 << UInt64(chunk & 63)) }

    private static func number(_ word: EntryWord) -> Int { Int(truncatingIfNeeded: word.bits >> 12) }

    private static func mixedWord(_ number: Int) -> EntryWord {
        EntryWord(bits: UInt64(truncatingIfNeeded: number) << 12 | EntryWord.mixedMark)
    }
}
