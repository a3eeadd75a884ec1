// SPDX-License-Identifier: Apache-2.0
// The packed form of mixed chunks against an array of entries, and how much memory it takes.

import Testing

@testable import RMPModel

@Suite struct PackedChunkTests {
    /// What the entries of a chunk are drawn from.
    struct Mix: Sendable, CustomTestStringConvertible {
        let name: String
        var owners: UInt64
        /// GPAs, in pages, are less than 2 to this power above `base`.
        var addressBits: UInt64
        var base: UInt64 = 0
        /// How many words the chunk may take once all pages are set.
        var words: Int

        var testDescription: String { name }
    }

    /// 2.5 GB for the chunks of 2 TB is 2,384 bytes a chunk, of which 64 go to the chunk's word, the pool's word, the
    /// array's header and the allocator.
    static let bound = (2384 - 64) / 8

    static let mixes = [
        Mix(name: "one guest, 16 TB of GPAs", owners: 1, addressBits: 32, words: bound),
        Mix(name: "four owners, 8 TB", owners: 4, addressBits: 31, words: bound),
        Mix(name: "64 owners of 16 GB", owners: 64, addressBits: 22, words: bound),
        Mix(name: "1,000 owners of 2 GB", owners: 1000, addressBits: 19, words: bound),
        Mix(name: "one guest far up", owners: 1, addressBits: 30, base: 1 << 38, words: bound),
        Mix(name: "as wild as entries can be", owners: 1 << 16, addressBits: 39, words: 2 + 8 * 55),
        Mix(name: "all GPAs alike", owners: 1 << 16, addressBits: 0, words: bound),
    ]

    private static func entry(_ mix: Mix, _ random: inout Random) -> EntryWord {
        let kind = (random.next() % mix.owners) &* 0x9e3b & 0xffff
        let address = mix.base + (random.next() & (1 << mix.addressBits - 1))
        // Bits 2:0 and 63:51, and the GPA.
        return EntryWord(bits: kind & 7 | (kind >> 3) << 51 | (address << 12 & EntryWord.gpaMask))
    }

    @Test(arguments: mixes) func holdsWhatItWasGiven(_ mix: Mix) throws {
        var random = Random(seed: testSeed)
        let rest = Self.entry(mix, &random)
        var expected = (0..<512).map { rest.advanced(pages: $0) }
        var chunk = MixedChunk(rest: rest, value: rest, at: 0)
        chunk.reset(rest: rest, value: EntryWord(bits: rest.bits ^ 1), at: 0)
        expected[0] = EntryWord(bits: rest.bits ^ 1)
        func set(_ index: Int, _ entry: EntryWord) throws {
            let shared = chunk.replace(index, with: entry.advanced(pages: -index))
            try #require(shared == nil, "seed \(testSeed)")
            expected[index] = entry
        }
        func check() throws {
            for index in 0..<512 {
                let found = chunk.value(at: index).advanced(pages: index)
                try #require(found == expected[index], "seed \(testSeed), page \(index)")
            }
            try #require(chunk.assignedPages == expected.count { $0.isAssigned }, "seed \(testSeed)")
        }
        for index in 0..<512 { try set(index, Self.entry(mix, &random)) }
        try check()
        #expect(chunk.isPacked)
        #expect(chunk.words.count <= mix.words)
        // Single changes, runs of equal values that bring it back to the palette, and changes again.
        for round in 0..<60 {
            for _ in 0..<100 { try set(Int(random.next() % 512), Self.entry(mix, &random)) }
            try check()
            if round % 10 == 9 {
                let same = Self.entry(mix, &random)
                for index in 0..<510 { try set(index, same.advanced(pages: index)) }
                try check()
                #expect(!chunk.isPacked)
                for index in 0..<512 { try set(index, Self.entry(mix, &random)) }
            }
        }
        #expect(chunk.words.count <= mix.words)
    }

    /// The change that makes all pages alike again says so, in packed form too.
    @Test func tellsWhenAllAreAlike() {
        var chunk = MixedChunk(rest: .hypervisor, value: .firmware, at: 0)
        for index in 0..<512 { _ = chunk.replace(index, with: RMPEntry(gpa: GPA(UInt64(index) << 13)).word) }
        #expect(chunk.isPacked)
        let shared = (0..<512).map { chunk.replace($0, with: .hypervisor) }
        #expect(shared.dropLast().allSatisfy { $0 == nil } && shared.last == .hypervisor)
    }
}
