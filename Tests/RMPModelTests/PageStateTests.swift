// SPDX-License-Identifier: Apache-2.0
// The table of page states, and every change of state that RMPUPDATE, PSMASH, PVALIDATE and firmware can make.

import Testing

@testable import RMPModel

@Suite struct PageStateTests {
    /// One entry for each state that has one.
    static let entries: [(PageState, RMPEntry)] = [
        (.hypervisor, RMPEntry()),
        (.hypervisorFixed, RMPEntry(immutable: true)),
        (.firmware, RMPEntry(assigned: true, immutable: true)),
        (.iommu, RMPEntry(assigned: true, immutable: true, gpa: GPA(0x1000))),
        (.reclaim, RMPEntry(assigned: true)),
        (.context, RMPEntry(assigned: true, immutable: true, vmsa: true)),
        (.metadata, RMPEntry(assigned: true, immutable: true, gpa: GPA(0x2000))),
        (.preGuest, RMPEntry(assigned: true, immutable: true, gpa: GPA(0x5000), asid: 3)),
        (.preSwap, RMPEntry(assigned: true, immutable: true, gpa: GPA(0x5000), asid: 3, validated: true)),
        (.guestInvalid, RMPEntry(assigned: true, gpa: GPA(0x5000), asid: 3)),
        (.guestValid, RMPEntry(assigned: true, gpa: GPA(0x5000), asid: 3, validated: true)),
    ]

    @Test(arguments: entries) func classification(_ state: PageState, _ entry: RMPEntry) {
        #expect(PageState(entry) == state)
        #expect(state.isAssigned == entry.assigned)
        var locked = entry
        locked.locked = true
        locked.pageSize = .size2M
        #expect(PageState(locked) == state)
    }

    @Test func everyStateHasAnEntryAndAName() {
        #expect(Set(Self.entries.map(\.0)).union([.uncovered]) == Set(PageState.allCases))
        #expect(Set(PageState.allCases.map(\.description)).count == PageState.allCases.count)
        #expect(!PageState.uncovered.isAssigned)
    }

    /// No two rows of the table may match the same entry, or the order of the rows would matter.
    @Test func rowsDoNotOverlap() {
        for bits in 0..<32 {
            for gpa in 0..<4 as Range<UInt64> {
                let entry = RMPEntry(
                    assigned: bits & 1 != 0,
                    immutable: bits & 2 != 0,
                    gpa: GPA(gpa << 12),
                    asid: bits & 4 != 0 ? 7 : 0,
                    vmsa: bits & 8 != 0,
                    validated: bits & 16 != 0
                )
                let rows = PageState.rows.filter { $0.matches(entry) }
                #expect(rows.count <= 1, "\(entry)")
            }
        }
    }

    @Test(arguments: [
        RMPEntry(validated: true), RMPEntry(asid: 1), RMPEntry(immutable: true, asid: 1),
        RMPEntry(assigned: true, validated: true), RMPEntry(assigned: true, immutable: true, validated: true),
    ]) func entriesOfNoState(_ entry: RMPEntry) {
        #expect(PageState(entry) == nil)
    }

    /// What firmware does to each state, according to its published source; anything not listed is refused.
    private static let table: [(FirmwareChange, [PageState: PageState])] = [
        (.createContext, [.firmware: .context]),
        (.decommission, [.context: .firmware]),
        (.launchUpdate, [.preGuest: .guestValid]),
        (.launchVMSA, [.preGuest: .guestValid]),
        (.makeMetadata, [.firmware: .metadata]),
        (.freeMetadata, [.metadata: .firmware]),
        (.swapOut, [.preSwap: .preGuest, .preGuest: .preGuest]),
        (.swapIn, [.preGuest: .preSwap]),
        (.giveToIOMMU, [.firmware: .iommu]),
        (.takeFromIOMMU, [.iommu: .reclaim]),
        (
            .reclaim,
            [
                .metadata: .reclaim, .firmware: .reclaim, .preGuest: .guestInvalid, .preSwap: .guestValid,
                .hypervisor: .hypervisor, .reclaim: .reclaim, .guestInvalid: .guestInvalid, .guestValid: .guestValid,
            ]
        ),
    ]

    /// Every change from every state: allowed exactly where the table says, and then to exactly that state.
    @Test func firmwareChanges() {
        #expect(Set(Self.table.map(\.0)) == Set(FirmwareChange.allCases))
        for (change, rows) in Self.table {
            for (state, entry) in Self.entries {
                var rmp = RMP(regionCount: 1)
                rmp.setEntry(chunk: 3, index: 7, entry.word)
                let page = PFN(3 * 512 + 7)
                let result = rmp.change(page, by: change, gpa: GPA(0x9000))
                #expect(result == rows[state] && change.state(after: state) == rows[state], "\(change) from \(state)")
                #expect(rmp.state(of: page) == rows[state] ?? state, "\(change) from \(state)")
                if rows[state] == nil || rows[state] == state {
                    #expect(rmp.entry(chunk: 3, index: 7) == entry.word, "\(change) from \(state)")
                }
                #expect(rmp.assignedPages(ofRegion: 0) == (entry.assigned ? 1 : 0))
            }
            var uncovered = RMP(regionCount: 1)
            #expect(uncovered.change(PFN(1 << 18), by: change, gpa: GPA(0x9000)) == nil)
        }
    }

    /// Context pages and VMSAs are refused if the entry covers 2 MB; other pages are not.
    @Test func pagesOf2MB() {
        let changes: [(FirmwareChange, UInt16, Bool)] = [
            (.createContext, 0, false), (.launchVMSA, 3, false), (.launchUpdate, 3, true), (.makeMetadata, 0, true),
            (.reclaim, 0, true),
        ]
        for (change, asid, isTaken) in changes {
            var rmp = RMP(regionCount: 1)
            let entry = RMPEntry(assigned: true, pageSize: .size2M, immutable: true, asid: asid)
            rmp.setChunk(2, entry.word)
            #expect((rmp.change(PFN(1024), by: change, gpa: GPA(0x9000)) != nil) == isTaken, "\(change)")
            #expect((rmp.chunkWord(2) == entry.word) != isTaken, "\(change)")
        }
    }

    /// Reclaim clears the lock along with the immutable bit, but leaves the owner; RMPUPDATE then takes the page back.
    @Test func reclaimKeepsTheOwner() {
        var rmp = RMP(regionCount: 1)
        let entry = RMPEntry(assigned: true, immutable: true, gpa: GPA(0x5000), asid: 3, validated: true, locked: true)
        rmp.setEntry(chunk: 3, index: 7, entry.word)
        #expect(rmp.change(PFN(3 * 512 + 7), by: .reclaim) == .guestValid)
        let after = RMPEntry(assigned: true, gpa: GPA(0x5000), asid: 3, validated: true)
        #expect(rmp.entry(chunk: 3, index: 7) == after.word)
        #expect(rmp.update(3 << 21 + 7 << 12, .init()) == .success)
    }

    @Test func whatFirmwareWrites() {
        var rmp = RMP(regionCount: 1)
        let page = PFN(9)
        rmp.setEntry(chunk: 0, index: 9, .firmware)
        // Page numbers 0 and 1 mean Firmware and IOMMU.
        for gpa in [0, 0x1fff] as [UInt64] { #expect(rmp.change(page, by: .makeMetadata, gpa: GPA(gpa)) == nil) }
        #expect(rmp.change(page, by: .makeMetadata, gpa: GPA(0x2abc)) == .metadata)
        #expect(rmp.entry(chunk: 0, index: 9).gpa == 0x2000)
        #expect(rmp.change(page, by: .freeMetadata) == .firmware)
        #expect(rmp.entry(chunk: 0, index: 9) == .firmware)
        #expect(rmp.update(9 << 12, .init()) == .failPermission)
        #expect(rmp.change(page, by: .reclaim) == .reclaim)
        #expect(rmp.entry(chunk: 0, index: 9) == RMPEntry(assigned: true).word)
        #expect(rmp.update(9 << 12, .init()) == .success)
        #expect(rmp.state(of: page) == .hypervisor)
    }

    /// A guest's page through its whole life: launch, swap out and in, end.
    @Test func aGuestsPage() throws {
        var rmp = RMP(regionCount: 1)
        let page = PFN(9)
        let input = RMPUpdateInput(gpa: GPA(0x5000), assigned: true, immutable: true, asid: 3)
        #expect(rmp.update(9 << 12, input) == .success)
        #expect(rmp.state(of: page) == .preGuest)
        #expect(rmp.change(page, by: .launchVMSA) == .guestValid)
        #expect(RMPEntry(rawLow: rmp.entry(chunk: 0, index: 9).bits).vmsa)
        // Before it swaps a page out, the hypervisor takes it from the guest.
        #expect(rmp.change(page, by: .swapOut) == nil)
        #expect(rmp.update(9 << 12, input) == .success)
        #expect(rmp.change(page, by: .swapOut) == .preGuest)
        #expect(rmp.change(page, by: .swapIn) == .preSwap)
        #expect(rmp.update(9 << 12, .init()) == .failPermission)
        #expect(rmp.change(page, by: .reclaim) == .guestValid)
        var plain = input
        plain.immutable = false
        #expect(rmp.update(9 << 12, plain) == .success)
        #expect(rmp.state(of: page) == .guestInvalid)
        #expect(!RMPEntry(rawLow: rmp.entry(chunk: 0, index: 9).bits).vmsa)
        _ = try rmp.pvalidate(page, gpa: GPA(0x5000), asid: 3, size: .size4K, validate: true)
        #expect(rmp.state(of: page) == .guestValid)
        #expect(rmp.update(9 << 12, .init()) == .success)
        #expect(rmp.state(of: page) == .hypervisor)
        // A page that firmware has not measured still belongs to the guest, and RMPUPDATE can take it back.
        #expect(rmp.update(9 << 12, input) == .success)
        #expect(rmp.change(page, by: .reclaim) == .guestInvalid)
        #expect(rmp.entry(chunk: 0, index: 9).asid == 3)
        #expect(rmp.update(9 << 12, .init()) == .success)
    }

    @Test func pagesInside2MBHaveItsState() {
        var rmp = RMP(regionCount: 1)
        #expect(rmp.update(2 << 21, .init(gpa: GPA(0), assigned: true, pageSize: .size2M, asid: 3)) == .success)
        #expect(rmp.state(of: PFN(1024)) == .guestInvalid && rmp.state(of: PFN(1024 + 511)) == .guestInvalid)
        #expect(rmp.state(of: PFN(1024 + 512)) == .hypervisor)
        // Firmware changes the 2 MB-aligned page, and with it all 512.
        rmp.setChunk(2, RMPEntry(assigned: true, pageSize: .size2M, immutable: true, asid: 3).word)
        #expect(rmp.change(PFN(1025), by: .launchUpdate) == nil)
        #expect(rmp.change(PFN(1024), by: .launchUpdate) == .guestValid)
        #expect(rmp.state(of: PFN(1500)) == .guestValid)
        #expect(rmp.smash(2 << 21) == .success)
        #expect(rmp.state(of: PFN(1500)) == .guestValid)
        #expect(rmp.update(2 << 21 + 4096, .init()) == .success)
        #expect(rmp.state(of: PFN(1025)) == .hypervisor)
        #expect(rmp.state(of: PFN(1024)) == .guestValid && rmp.subpageCount(1024) == 510)
        #expect(rmp.mixedChunkCount == 1)
    }

    @Test func locks() {
        var rmp = RMP(regionCount: 1)
        #expect(rmp.update(0x1000, .init(assigned: true, asid: 3)) == .success)
        #expect(rmp.setLock(PFN(1), true) == true)
        #expect(rmp.update(0x1000, .init()) == .failInUse)
        #expect(rmp.setLock(PFN(1), false) == true)
        #expect(rmp.update(0x1000, .init()) == .success)
        #expect(rmp.setLock(PFN(1 << 18), true) == false)
        #expect(rmp.update(1 << 21, .init(assigned: true, pageSize: .size2M, asid: 3)) == .success)
        #expect(rmp.setLock(PFN(513), true) == false)
        #expect(rmp.setLock(PFN(512), true) == true)
        #expect(rmp.smash(1 << 21) == .failInUse)
        #expect(rmp.update(1 << 21, .init(pageSize: .size2M)) == .failInUse)
        #expect(rmp.setLock(PFN(512), false) == true)
        #expect(rmp.smash(1 << 21) == .success)
    }
}
