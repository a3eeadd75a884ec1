// SPDX-License-Identifier: Apache-2.0
// Converts the system's names to text and back: every byte survives.

import Testing

@testable import RMPFS

@Suite struct SystemNameTests {
    @Test(arguments: ["", "plain", "m\u{E9}", "e\u{301}", "\u{10000}\u{10FF7F}", "a\nb\\c"])
    func textIsItself(text: String) {
        #expect(Array(String(systemBytes: Array(text.utf8)).utf8) == Array(text.utf8))
        #expect(text.systemBytes == Array(text.utf8))
    }

    @Test(
        arguments: [
            [0x6D, 0xE9], [0x80], [0xFF, 0xFE], [0x61, 0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0xAF],
            // A character that represents a byte is not a character here.
            [0xF4, 0x8F, 0xBE, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x8F, 0xBF],
        ] as [[UInt8]]
    )
    func bytesComeBack(bytes: [UInt8]) {
        let text = String(systemBytes: bytes)
        #expect(text.systemBytes == bytes)
        #expect(text.systemName.dropLast().map { UInt8(bitPattern: $0) } == bytes && text.systemName.last == 0)
        #expect(text.utf8.elementsEqual(String(systemName: text.systemName).utf8))
        #expect(!text.contains("\u{FFFD}"))
    }

    @Test func anyBytesComeBackAndNoTwoAreOne() {
        var random = Random(seed: testSeed)
        // Bytes that form many sequences that are almost a character.
        let likely: [UInt8] = [0x61, 0x2F, 0x80, 0x8F, 0xBE, 0xBF, 0xC3, 0xE9, 0xED, 0xF4, 0xFF]
        var seen: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<7, using: &random)).map { _ in random.pick(likely) }
            let text = String(systemBytes: bytes)
            #expect(text.systemBytes == bytes, "seed \(testSeed)")
            #expect(seen.updateValue(bytes, forKey: Array(text.utf8)) ?? bytes == bytes, "seed \(testSeed)")
        }
    }
}
