// SPDX-License-Identifier: Apache-2.0
// The 16 bytes of an entry in its two forms, bit by bit, and the conversion between them.

import Testing

@testable import RMPModel

@Suite struct RawEntryTests {
    @Test(
        arguments: [
            (0x1f, 0, VMPLPermissions.full), (0x0100, 1, .read), (0x02_0000, 2, .write), (0x0400_0000, 3, .executeUser),
            (0x0800, 1, .executeSupervisor), (0x10_0000, 2, .shadowStack),
        ] as [(UInt64, Int, VMPLPermissions)]
    )
    func permissions(_ high: UInt64, _ vmpl: Int, _ expected: VMPLPermissions) {
        let entry = RawRMPEntry(low: 0, high: high)
        for other in -1...4 { #expect(entry.permissions(ofVMPL: other) == (other == vmpl ? expected : [])) }
    }

    @Test func highFields() {
        func fields(_ high: UInt64) -> [UInt64] {
            let entry = RawRMPEntry(low: 0, high: high)
            return [
                entry.implicitKeySelect ? 1 : 0, UInt64(entry.rootPort), UInt64(entry.ideStream),
                UInt64(entry.pageMigration),
            ]
        }
        #expect(fields(1 << 32) == [1, 0, 0, 0])
        #expect(fields(0x1f << 49) == [0, 0x1f, 0, 0])
        #expect(fields(0xff << 54) == [0, 0, 0xff, 0])
        #expect(fields(3 << 62) == [0, 0, 0, 3])
        #expect(fields(0x0001_fffe_ffff_ffff) == [0, 0, 0, 0])
    }

    @Test func derivedHigh() {
        #expect(RawRMPEntry(RMPEntry(assigned: true, asid: 1)).high == 0x1f)
        #expect(RawRMPEntry(RMPEntry(assigned: true, immutable: true)).high == 0)
        #expect(RawRMPEntry(RMPEntry()) == RawRMPEntry(low: 0, high: 0))
    }

    @Test func bytesOfRawEntries() {
        let entry = RawRMPEntry(low: 0x0807_0605_0403_0201, high: 0x100f_0e0d_0c0b_0a09)
        #expect(entry.bytes == Array(1...16))
        #expect(RawRMPEntry(bytes: Array(1...16)) == entry)
        #expect(RawRMPEntry(bytes: Array(1...15)) == nil && RawRMPEntry(bytes: []) == nil)
        #expect(RawRMPEntry(low: 0x11, high: 0).subpageCount == 2)
        #expect(RawRMPEntry(low: 0x11, high: 0).entry == RMPEntry(assigned: true))
    }

    /// Each field on its own byte or bit.
    @Test(arguments: [
        (0, RMPReadOutput(bytes: [1] + [UInt8](repeating: 0, count: 15))?.gpa == GPA(1)),
        (
            7,
            RMPReadOutput(bytes: [UInt8](repeating: 0, count: 7) + [0x80] + [UInt8](repeating: 0, count: 8))?.gpa
                == GPA(1 << 63)
        ),
        (12, RMPReadOutput(bytes: [UInt8](repeating: 0, count: 12) + [4, 3, 2, 1])?.asid == 0x0102_0304),
    ]) func positions(_ byte: Int, _ holds: Bool) {
        #expect(holds, "byte \(byte)")
    }

    @Test func flags() throws {
        func output(_ byte: Int, _ value: UInt8) throws -> RMPReadOutput {
            var bytes = [UInt8](repeating: 0, count: 16)
            bytes[byte] = value
            return try #require(RMPReadOutput(bytes: bytes))
        }
        #expect(try output(8, 1).assigned && !output(8, 2).assigned)
        #expect(try output(9, 1).pageSize == .size2M && output(9, 2).pageSize == .size4K)
        #expect(try output(9, 2).hugePageRegionStatus && !output(9, 1).hugePageRegionStatus)
        #expect(try output(10, 1).immutable && !output(10, 2).immutable)
        #expect(try output(11, 0xff) == output(11, 0))
        #expect(RMPReadOutput(bytes: []) == nil && RMPUpdateInput(bytes: [UInt8](repeating: 0, count: 17)) == nil)
    }

    @Test func architecturalRoundTrip() throws {
        var random = Random(seed: testSeed)
        for _ in 0..<2_000 {
            let input = RMPUpdateInput(
                gpa: GPA(random.next()),
                assigned: random.chance(2),
                pageSize: random.chance(2) ? .size2M : .size4K,
                immutable: random.chance(2),
                asid: UInt32(truncatingIfNeeded: random.next())
            )
            #expect(RMPUpdateInput(bytes: input.bytes) == input, "seed \(testSeed)")
            let raw = RawRMPEntry(low: random.next(), high: random.next())
            #expect(RawRMPEntry(bytes: raw.bytes) == raw, "seed \(testSeed)")
            #expect(RMPReadOutput(bytes: raw.bytes.map { $0 & 3 })?.bytes.count == 16)
        }
    }

    /// What RMPREAD answers after an RMPUPDATE with the same bytes.
    @Test func throughTheRMP() throws {
        var rmp = RMP(regionCount: 1)
        let input = RMPUpdateInput(gpa: GPA(0x40_0000), assigned: true, pageSize: .size2M, asid: 0x2ff)
        #expect(rmp.update(1 << 21, try #require(RMPUpdateInput(bytes: input.bytes))) == .success)
        #expect(try rmp.read(1 << 21).bytes == input.bytes)
        #expect(rmp.smash(1 << 21) == .success)
        #expect(try rmp.read(1 << 21).bytes[9] == 2)
        #expect(rmp.subpageCount(512) == 511)
        // Inside a 2 MB entry, the pages after the first hold only the assigned bit.
        #expect(rmp.update(4 << 21, input) == .success)
        #expect(try rmp.read(4 << 21 + 4096).bytes == RMPUpdateInput(assigned: true).bytes)
    }
}
