// SPDX-License-Identifier: Apache-2.0
// One page's entry, with the state that the manual gives it.

public import RMPModel

/// What the RMP says about one page.
public struct PageReading: Sendable, Hashable {
    /// The page.
    public let page: PFN
    /// Where its entry lies.
    public let entryAddress: SPA
    /// Its own entry. Fields that RMPREAD does not show are 0 in that form.
    public let entry: RawRMPEntry
    /// The entry that applies to it: that of the 2 MB-aligned page if that is a 2 MB entry, else its own.
    public let authority: RawRMPEntry
    /// Who owns the page.
    public let owner: PageOwner
    /// Its state; nil if no row of the manual's table describes the entry.
    public let state: PageState?
    /// Whether the entries changed each time they were read.
    public let hasChanged: Bool

    /// Whether the page lies inside an entry of 2 MB.
    public var isInside2M: Bool { authority.low & RawRMPEntry.LowBits.pageSize != 0 }
}

extension ScannedRMP {
    /// Reads one page's entry; nil if the RMP does not cover the page.
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
    /// The state of a page by an entry that AMD's firmware may have written.
    ///
    /// Firmware of Zen 4 distinguishes Firmware, Metadata and IOMMU pages by the three highest bits of the GPA: 0, 1
    /// and 2. The manual's table uses the GPA's page number instead. Source: AMD's ASP firmware, `RMP_GPA_STATE` in
    /// sev_rmp.h. No other GPA has these bits set: they are beyond 48 bits of address.
    public init?(ofFirmware entry: RMPEntry) {
        guard let state = PageState(entry) else { return nil }
        switch (state, entry.gpa.rawValue >> 48) {
        case (.metadata, 2): self = .iommu
        default: self = state
        }
    }
}
