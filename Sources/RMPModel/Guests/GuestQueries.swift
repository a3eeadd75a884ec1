// SPDX-License-Identifier: Apache-2.0
// What a guest holds of the machine, computed from the RMP on request.

/// The RMP entries of a guest's private memory by their size.
public struct GuestEntries: Sendable, Hashable {
    /// 2 MB entries.
    public var size2M = 0
    /// 4 KB entries.
    public var size4K = 0

    /// The number of pages that they cover.
    public var pages: Int { size2M * Granularity.pagesPerChunk + size4K }
}

extension Machine {
    /// The private pages of a running or ending SNP guest by the size of their RMP entries; none for any other. Pages
    /// of its memory that somebody assigned by hand count; VMSA and firmware pages do not.
    ///
    /// Quick, unless ``mustVisitGuests``.
    public func entries(ofGuest id: GuestID) -> GuestEntries {
        guard let guest = guests[id], !guest.isRemoved, guest.type == .snp else { return GuestEntries() }
        if platform.rmp.hasStrays { return visitedEntries(of: guest) }
        guard let asid = guest.asid else { return GuestEntries() }
        let owners = platform.rmp.owners
        let pages = (0..<regionCount).reduce(0) { $0 + owners.pages(of: asid, inRegion: $1) }
        let large = owners.largeEntries(of: asid)
        let vmsas = guest.vmsaPages.count { page in
            platform.rmp.entry(chunk: Int(page.rawValue >> 9), index: Int(page.rawValue & 511)).belongs(to: asid)
        }
        return GuestEntries(size2M: large, size4K: pages - vmsas - large * Granularity.pagesPerChunk)
    }

    /// How many 4 KB pages of a guest's memory are private.
    public func privatePages(ofGuest id: GuestID) -> Int { entries(ofGuest: id).pages }

    /// The regions that cannot be optimized because of a guest, ascending: those with a private page of its memory or
    /// with one of its context, response and VMSA pages. Empty for a stopped guest. For an ordinary guest, which costs
    /// no region, those that hold its memory.
    ///
    /// Quick, unless ``mustVisitGuests``, or an ordinary guest's memory is in many pieces.
    public func regions(ofGuest id: GuestID) -> [Int] {
        guard let guest = guests[id], !guest.isRemoved, guest.state != .stopped else { return [] }
        var isHeld: [Bool]
        if platform.rmp.hasStrays || guest.type == .ordinary {
            isHeld = visitedRegions(of: guest)
        } else {
            let owners = platform.rmp.owners
            isHeld = (0..<regionCount).map { region in
                guest.asid.map { owners.pages(of: $0, inRegion: region) > 0 } ?? false
            }
        }
        for page in guest.controlPages { isHeld[Int(page.rawValue >> 18)] = true }
        return isHeld.indices.filter { isHeld[$0] }
    }

    /// Whether ``entries(ofGuest:)`` and ``regions(ofGuest:)`` visit all chunks of a guest, which takes up to a second:
    /// once entries were changed by hand, the ASIDs do not show whose memory a page is.
    public var mustVisitGuests: Bool { platform.rmp.hasStrays }

    /// The entries of a guest's memory, chunk by chunk.
    func visitedEntries(of guest: Guest) -> GuestEntries {
        var entries = GuestEntries()
        guest.forEachChunk { number, chunk in
            let word = platform.rmp.chunkWord(chunk)
            let pages = guest.pages(inChunk: number)
            if word.is2M && !word.isMixed {
                entries.size2M += 1
            } else if pages == Granularity.pagesPerChunk {
                entries.size4K += platform.rmp.assignedPages(inChunk: chunk)
            } else {
                entries.size4K += (0..<pages).count { platform.rmp.entry(chunk: chunk, index: $0).isAssigned }
            }
            return true
        }
        return entries
    }

    /// For each region, whether a page of the guest's memory in it is private, chunk by chunk; of an ordinary guest,
    /// whether any of its memory is in it, piece by piece.
    func visitedRegions(of guest: Guest) -> [Bool] {
        var isHeld = [Bool](repeating: false, count: regionCount)
        if guest.type == .ordinary {
            for run in guest.chunks {
                for region in (run.range.lowerBound >> 9)...((run.range.upperBound - 1) >> 9) { isHeld[region] = true }
            }
            return isHeld
        }
        guest.forEachChunk { _, chunk in
            if platform.rmp.assignedPages(inChunk: chunk) > 0 { isHeld[chunk >> 9] = true }
            return true
        }
        return isHeld
    }

    /// The VMSA pages of a running guest, one per vCPU.
    public func vmsaPages(ofGuest id: GuestID) -> [PFN] { guests[id]?.vmsaPages ?? [] }

    /// Where the guest's page at `gpa` lies; nil beyond its memory or if the guest is stopped.
    public func spa(ofGuest id: GuestID, gpa: GPA) -> SPA? {
        guard let guest = guests[id], !guest.isRemoved, gpa.rawValue < guest.memoryBytes else { return nil }
        var spa: SPA?
        let number = Int(gpa.rawValue >> 21)
        guest.forEachChunk(from: number) { found, chunk in
            if found == number { spa = SPA(UInt64(chunk) << 21 | gpa.rawValue & (Granularity.chunk - 1)) }
            return false
        }
        return spa
    }

    /// All leaked pages, ascending.
    public var leaked: [Range<PFN>] { guests.leaked.ranges.map { Range(raw: $0) } }
}
