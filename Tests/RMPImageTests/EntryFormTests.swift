// SPDX-License-Identifier: Apache-2.0
// What the scan reads from an entry's bits, against the model's own reading of the same bits.

import RMPModel
import Testing

@testable import RMPImage

@Suite struct EntryFormTests {
    @Test func theLiteralsAreTheModelsFields() {
        typealias Bits = RawRMPEntry.LowBits
        #expect(OwnerKey.gpaMask == Bits.gpa && OwnerKey.countMask == Bits.subpageCount)
        #expect(1 << OwnerKey.asidShift == Bits.asid & ~(Bits.asid << 1))
        #expect(OwnerKey.mask == ~(Bits.gpa | Bits.subpageCount))
        #expect(OwnerKey.of(Bits.assigned) == OwnerKey.assigned && OwnerKey.of(Bits.immutable) == OwnerKey.immutable)
        #expect(OwnerKey.of(Bits.lock) == OwnerKey.lock && OwnerKey.of(Bits.asid) == 0x3ff << 4)
        #expect(OwnerKey.of(Bits.validated) == OwnerKey.validated)
        #expect(OwnerKey.of(Bits.pageSize | Bits.subpageCount | Bits.gpa | Bits.vmsa) == 0)
    }

    /// All flags with an ASID or none, and GPAs of each kind: 384 entries.
    @Test func everyKindOfEntry() {
        for bits in 0..<128 as Range<UInt64> {
            for gpa in [0, 1, 2] as [UInt64] {
                let entry = RMPEntry(
                    assigned: bits & 1 != 0,
                    pageSize: bits & 2 != 0 ? .size2M : .size4K,
                    immutable: bits & 4 != 0,
                    gpa: GPA(gpa << 12),
                    asid: bits & 8 != 0 ? 5 : 0,
                    vmsa: bits & 16 != 0,
                    validated: bits & 32 != 0,
                    locked: bits & 64 != 0
                )
                let low = entry.rawLow(subpageCount: 7)
                let state = PageState(entry)
                #expect(OwnerKey.isUndescribed(OwnerKey.of(low)) == (state == nil), "\(entry)")
                #expect(OwnerKey.of(place: OwnerKey.place(low)) == OwnerKey.of(low), "\(entry)")
                let owner = OwnerKey.owner(OwnerKey.of(low))
                #expect(owner.isAssigned == entry.assigned)
                let expected: PageOwner? =
                    switch state {
                    case .hypervisor: .free
                    case .hypervisorFixed: .hypervisorFixed
                    case .firmware, .iommu, .context, .metadata: .firmware
                    case .reclaim: entry.locked ? .locked : .reclaim
                    case .preGuest, .preSwap, .guestInvalid, .guestValid: .guest(asid: 5)
                    case .uncovered, nil: nil
                    }
                if let expected { #expect(owner == expected, "\(entry)") }
            }
        }
    }

    @Test func formByRMPREAD() {
        let input = RMPUpdateInput(
            gpa: GPA(0x1_2345_6000),
            assigned: true,
            pageSize: .size2M,
            immutable: true,
            asid: 0x3ff
        )
        let words = input.words(status: true)
        let low = EntryForm.rmpread.rawLow(words[0], words[1])
        let entry = RMPEntry(
            assigned: true,
            pageSize: .size2M,
            immutable: true,
            gpa: GPA(0x1_2345_6000),
            asid: 0x3ff
        )
        #expect(low == entry.rawLow(subpageCount: 1))
        #expect(EntryForm.raw.rawLow(7, 9) == 7)
    }

    /// Zen 4 firmware marks IOMMU and Metadata pages in the highest bits of the GPA.
    @Test(
        arguments: [
            (0, PageState.firmware), (1 << 12, .iommu), (2 << 12, .metadata), (1 << 48, .metadata), (2 << 48, .iommu),
            (2 << 48 | 0x5000, .iommu),
        ] as [(UInt64, PageState)]
    )
    func statesByFirmware(_ gpa: UInt64, _ state: PageState) {
        let entry = RMPEntry(assigned: true, immutable: true, gpa: GPA(gpa))
        #expect(PageState(ofFirmware: entry) == state)
        let context = RMPEntry(assigned: true, immutable: true, gpa: GPA(gpa), vmsa: true)
        #expect(PageState(ofFirmware: context) == .context)
    }
}
