// SPDX-License-Identifier: Apache-2.0
// The innermost loops, on this processor and as they are on others, against each entry's own bits.

import CEntries
import RMPModelTestSupport
import Testing

@testable import RMPImage

@Suite struct ChunkEntriesTests {
    private typealias Read = @Sendable (UnsafeRawPointer, rmpfs_form, UnsafeMutablePointer<rmpfs_entries>) -> Void
    private static let readers: [(name: String, read: Read)] = [
        ("chosen", { rmpfs_read_entries($0, $1, $2) }), ("portable", { rmpfs_read_entries_portable($0, $1, $2) }),
    ]

    /// Chunks of any bits, and of few kinds of entries: with some of them all sums stay 0.
    @Test(arguments: 0..<64, EntryForm.allCases)
    func reading(_ number: Int, _ form: EntryForm) {
        let seed = testSeed &+ UInt64(number)
        var random = Random(seed: seed)
        // One of these masks for all entries of the chunk, and entries without any bit among them.
        let mask: UInt64 = [.max, 0x3ff << 51, 1 | 0x7f << 51, 2 | 5 << 51, 4, 0x3ff << 32, 0x1_0101, 0][number % 8]
        let words = (0..<1024).map { _ in random.chance(4) ? 0 : random.next() & mask }
        let lows = (0..<512).map { form.rawLow(words[2 * $0], words[2 * $0 + 1]) }
        for (name, read) in Self.readers {
            let told: Comment = "seed \(seed), \(name)"
            var entries = rmpfs_entries()
            words.withUnsafeBytes { bytes in
                guard let chunk = bytes.baseAddress else { return }
                read(chunk, form == .raw ? RMPFS_RAW : RMPFS_RMPREAD, &entries)
            }
            let places = withUnsafeBytes(of: entries.places) { $0.bindMemory(to: UInt16.self).map { Int($0) } }
            #expect(places == lows.map(OwnerKey.place), told)
            #expect(Int(entries.used) == places.reduce(0, |), told)
            #expect(Int(entries.assigned) == lows.count { $0 & 1 != 0 }, told)
            #expect((entries.has_fixed != 0) == lows.contains { OwnerKey.isFixed(OwnerKey.of($0)) }, told)
            var even = [UInt32](repeating: 0, count: OwnerKey.places)
            var odd = even
            rmpfs_count_places(&entries, &even, &odd)
            for (place, count) in Dictionary(grouping: places, by: \.self).mapValues(\.count) {
                #expect(even[place] + odd[place] == UInt32(count), told)
            }
            #expect(even.reduce(0, +) == 256 && odd.reduce(0, +) == 256, told)
        }
    }

    /// One bit of one entry differs: each bit, and each entry.
    @Test(arguments: [0, 51], [UInt64.max, OwnerKey.mask])
    func comparison(_ shift: UInt64, _ mask: UInt64) {
        let expected: UInt64 = 3 << shift
        // The high quadwords do not matter.
        var words = (0..<1024).map { $0 & 1 == 0 ? expected : UInt64($0) }
        words[0] = .max
        func isUniform() -> [Bool] {
            [
                ChunkEntries.isUniform(words, as: expected, mask: mask),
                rmpfs_is_uniform_portable(words, expected, mask) != 0,
            ]
        }
        #expect(isUniform() == [true, true])
        for entry in 1..<512 {
            for bit in entry < 20 || entry > 500 ? Array(0..<64) : [entry % 64] {
                words[2 * entry] ^= 1 << bit
                let isAlike = mask & 1 << bit == 0
                #expect(isUniform() == [isAlike, isAlike], "entry \(entry), bit \(bit)")
                words[2 * entry] = expected
            }
        }
    }
}
