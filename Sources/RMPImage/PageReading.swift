// SPDX-License-Identifier: Apache-2.0
// One page's entry, with what the manual calls its state.

public import RMPModel

/// What the RMP says of one page.
public struct PageReading: Sendable, Hashable {
    /// The page.
    public let page: PFN
    /// Where its entry lies.
    public let entryAddress: SPA
    /// Its own entry. In the form by RMPREAD, what that form does not show is 0.
    public let entry: RawRMPEntry
    /// The entry that counts for it: that of the 2 MB-aligned page when it says 2 MB, else its own.
    public let authority: RawRMPEntry
    /// Whose the page is.
    public let owner: PageOwner
    /// Its state; nil when no row of the manual's table describes the entry.
    public let state: PageState?
    /// Whether the entries changed each time they were read.
    public let hasChanged: Bool

    /// Whether the page lies inside an entry of 2 MB.
    public var isInside2M: Bool { authority.low & RawRMPEntry.LowBits.pageSize != 0 }
}

extension ScannedTable {
    /// Reads one page's entry; nil when none covers it.
    public func page(at spa: SPA, in memory: any PhysicalMemory) throws(MemoryError) -> PageReading? {
        let page = spa.pfn
        guard let own = layout.entryAddress(of: page), let head = layout.entryAddress(of: PFN(page.rawValue & ~511))
        else { return nil }
        var first = try entry(at: head, in: memory)
        var entry = try entry(at: own, in: memory)
        var hasChanged = false
        if memory.isLive {
            for attempt in 0..<4 {
                let again = try self.entry(at: head, in: memory)
                hasChanged = again.low != first.low
                if !hasChanged { break }
                first = again
                if attempt < 3 { entry = try self.entry(at: own, in: memory) }
            }
        }
        let isLarge = first.low & RawRMPEntry.LowBits.pageSize != 0
        let authority = isLarge ? first : entry
        let key = OwnerKey.of(authority.low)
        var owner = OwnerKey.owner(key)
        let isOwn = places.contains { $0.contains(page.rawValue << 12) }
        if isOwn && OwnerKey.isUnowned(key) { owner = .rmpTable }
        return PageReading(
            page: page,
            entryAddress: own,
            entry: entry,
            authority: authority,
            owner: owner,
            state: PageState(ofFirmware: authority.entry),
            hasChanged: hasChanged
        )
    }

    private func entry(at address: SPA, in memory: any PhysicalMemory) throws(MemoryError) -> RawRMPEntry {
        let first = try memory.word(at: address.rawValue)
        let second = try memory.word(at: address.rawValue + 8)
        return RawRMPEntry(low: form.rawLow(first, second), high: form == .raw ? second : 0)
    }
}

extension PageState {
    /// The state that an entry tells which AMD's firmware may have written.
    ///
    /// Firmware of Zen 4 keeps Firmware, Metadata and IOMMU pages apart by the three highest bits of the GPA, and not
    /// by the GPA's number as the manual's table has it: 0, 1 and 2. Source: AMD's ASP firmware, `RMP_GPA_STATE` in
    /// sev_rmp.h. No GPA has these bits otherwise: they are beyond 48 bits of address.
    public init?(ofFirmware entry: RMPEntry) {
        guard let state = PageState(entry) else { return nil }
        switch (state, entry.gpa.rawValue >> 48) {
        case (.metadata, 2): self = .iommu
        default: self = state
        }
    }
}
