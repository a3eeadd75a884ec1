// SPDX-License-Identifier: Apache-2.0
// The raw layout of an entry, bit by bit, and values that firmware writes.

import Testing

@testable import RMPModel

@Suite struct RMPEntryTests {
    static let fields: [(RMPEntry, UInt64)] = [
        (RMPEntry(), 0),
        (RMPEntry(assigned: true), 1 << 0),
        (RMPEntry(pageSize: .size2M), 1 << 1),
        (RMPEntry(immutable: true), 1 << 2),
        (RMPEntry(gpa: GPA(0x1000)), 1 << 12),
        (RMPEntry(gpa: GPA(0x4_0000_0000_0000)), 1 << 50),
        (RMPEntry(asid: 1), 1 << 51),
        (RMPEntry(asid: 0x3ff), 0x3ff << 51),
        (RMPEntry(vmsa: true), 1 << 61),
        (RMPEntry(validated: true), 1 << 62),
        (RMPEntry(locked: true), 1 << 63),
        (RMPEntry(assigned: true, immutable: true, locked: true), 0x8000_0000_0000_0005),
        (RMPEntry(immutable: true), 0x4),
    ]

    @Test(arguments: fields) func layout(_ entry: RMPEntry, _ raw: UInt64) {
        #expect(entry.rawLow() == raw)
        #expect(RMPEntry(rawLow: raw) == entry)
    }

    @Test func subpageCount() {
        #expect(RMPEntry().rawLow(subpageCount: 511) == 0x1ff << 3)
        #expect(RMPEntry(assigned: true).rawLow(subpageCount: 2) == 0x11)
        #expect(RMPEntry(rawLow: 0x1ff << 3) == RMPEntry())
        #expect(RMPEntry().rawLow(subpageCount: -1) == 0x1ff << 3)
    }

    @Test func bitsThatDoNotFitAreDropped() {
        #expect(RMPEntry(gpa: GPA(.max)).gpa == GPA(0x7_ffff_ffff_f000))
        #expect(RMPEntry(asid: 0xffff).asid == 0x3ff)
    }

    @Test func roundTrip() {
        var random = Random(seed: testSeed)
        for _ in 0..<10_000 {
            let raw = random.next() & ~EntryWord.spareMask
            #expect(RMPEntry(rawLow: raw).rawLow() == raw, "seed \(testSeed)")
        }
    }

    @Test func gpaWrapsWithinItsField() {
        let last = RMPEntry(assigned: true, gpa: GPA(0x7_ffff_ffff_f000), asid: 5).word
        #expect(last.advanced(pages: 1) == RMPEntry(assigned: true, asid: 5).word)
        #expect(last.advanced(pages: 1).advanced(pages: -1) == last)
        let firmware = RMPEntry(assigned: true, gpa: GPA(0x1000)).word
        #expect(firmware.advanced(pages: 7) == firmware)
    }
}
