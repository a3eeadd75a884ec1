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
    /// The private pages of a running or ending guest by the size of their RMP entries; none for any other guest. Pages
    /// of its memory that somebody assigned by hand count; VMSA and firmware pages do not.
    public func entries(ofGuest id: GuestID) -> GuestEntries {
        var entries = GuestEntries()
        guard let guest = guests[id], !guest.isRemoved else { return entries }
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

    /// How many 4 KB pages of a guest's memory are private.
    public func privatePages(ofGuest id: GuestID) -> Int { entries(ofGuest: id).pages }

    /// The regions that cannot be optimized because of a guest, ascending: those with a private page of its memory or
    /// with one of its context, response and VMSA pages. Empty for a stopped guest.
    public func regions(ofGuest id: GuestID) -> [Int] {
        guard let guest = guests[id], !guest.isRemoved, guest.state != .stopped else { return [] }
        var isHeld = [Bool](repeating: false, count: regionCount)
        guest.forEachChunk { _, chunk in
            if platform.rmp.assignedPages(inChunk: chunk) > 0 { isHeld[chunk >> 9] = true }
            return true
        }
        for page in guest.controlPages { isHeld[Int(page.rawValue >> 18)] = true }
        return isHeld.indices.filter { isHeld[$0] }
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
