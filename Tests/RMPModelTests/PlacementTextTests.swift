// SPDX-License-Identifier: Apache-2.0
// The text form of placements: both ways, and each way in which it can be wrong.

import Testing

@testable import RMPModel

@Suite struct PlacementTextTests {
    private static func text(_ placement: Placement) -> String {
        var bytes: [UInt8] = []
        placement.append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (Placement.packed, "packed"), (.local, "local"), (.aligned, "aligned"), (.scattered(seed: 42), "scattered 42"),
        (.scattered(seed: .max), "scattered 18446744073709551615"),
        (.ranges([0x1_0000_0000..<0x1_4000_0000]), "ranges 0x100000000-0x140000000"),
        (
            .ranges([0x1_0000_0000..<0x1_4000_0000, 0..<0x20_0000]),
            "ranges 0x100000000-0x140000000,0x0-0x200000"
        ),
    ])
    func bothWays(_ placement: Placement, _ text: String) throws {
        #expect(Self.text(placement) == text)
        #expect(try Placement(text: Array(text.utf8)) == placement)
    }

    @Test func otherSpellings() throws {
        #expect(try Placement(text: Array("scattered 0xFf".utf8)) == .scattered(seed: 255))
        #expect(try Placement(text: Array("ranges 2097152-0x400000".utf8)) == .ranges([2_097_152..<4_194_304]))
        #expect(try Placement(text: Array("ranges 10G-11G".utf8)) == .ranges([0x2_8000_0000..<0x2_c000_0000]))
        #expect(
            try Placement(text: Array("ranges 2m-0x4M,0K-2048k,0T-1t,1p-0x2P".utf8))
                == .ranges([1 << 21..<1 << 22, 0..<1 << 21, 0..<1 << 40, 1 << 50..<1 << 51])
        )
        #expect(try Placement(text: Array("ranges 0-16383P".utf8)) == .ranges([0..<16383 << 50]))
    }

    @Test(arguments: [
        ("", 0, PlacementSyntaxError.Expectation.word), ("pack", 0, .word), ("PACKED", 0, .word), (" packed", 0, .word),
        ("packed ", 6, .end), ("packed\n", 6, .end), ("aligned 1", 7, .end), ("scattered", 9, .space),
        ("scattered ", 10, .number), ("scattered x", 10, .number), ("scattered 0x", 12, .number),
        ("scattered  1", 10, .number), ("scattered -1", 10, .number), ("scattered 18446744073709551616", 10, .number),
        ("scattered 0x10000000000000000", 10, .number), ("scattered 1 ", 11, .end), ("scattered 12a", 12, .end),
        ("ranges", 6, .space), ("ranges ", 7, .number), ("ranges 0x1", 10, .hyphen), ("ranges 1-", 9, .number),
        ("ranges 1-1", 9, .greaterEnd), ("ranges 2-1", 9, .greaterEnd), ("ranges 1-2,", 11, .number),
        ("ranges 10G-11GB", 14, .end), ("ranges G-2G", 7, .number), ("ranges 1GG-2G", 9, .hyphen),
        ("ranges 1E-2E", 8, .hyphen), ("ranges 0-16384P", 9, .number), ("ranges 11G-10G", 11, .greaterEnd),
        ("scattered 1G", 11, .end), ("ranges 1-2 ", 10, .end), ("ranges 1-2,3", 12, .hyphen),
        ("ranges\t1-2", 6, .space),
    ])
    func errors(_ text: String, _ offset: Int, _ expected: PlacementSyntaxError.Expectation) {
        #expect(throws: PlacementSyntaxError(offset: offset, expected: expected)) {
            try Placement(text: Array(text.utf8))
        }
    }

    @Test func errorsHaveSentences() {
        let all = PlacementSyntaxError.Expectation.allCases.map { PlacementSyntaxError(offset: 7, expected: $0) }
        #expect(Set(all.map(\.description)).count == all.count)
        #expect(all.allSatisfy { $0.description.hasPrefix("byte 7: expected ") })
    }

    /// Whatever parses prints as text that parses to the same; nothing traps.
    @Test func anyBytes() throws {
        var random = Random(seed: testSeed)
        let alphabet = Array("packedlocalignscattersx0123456789f-, \nKMGTP".utf8)
        let starts = ["ranges 0x", "ranges ", "scattered ", "packed", ""].map { Array($0.utf8) }
        var read = 0
        for _ in 0..<20_000 {
            var text = starts[Int(random.next() % 5)]
            for _ in 0..<(random.next() % 24) { text.append(alphabet[Int(random.next() % UInt64(alphabet.count))]) }
            do throws(PlacementSyntaxError) {
                let placement = try Placement(text: text)
                read += 1
                var again: [UInt8] = []
                placement.append(to: &again)
                #expect(try Placement(text: again) == placement, "seed \(testSeed)")
            } catch {
                #expect(error.offset <= text.count, "seed \(testSeed)")
            }
        }
        #expect(read > 100, "seed \(testSeed)")
    }
}
