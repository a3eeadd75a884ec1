// SPDX-License-Identifier: Apache-2.0
// Whether the 512 entries of a chunk are alike, at the speed of memory: the common case of every scan.

/// A chunk's part of the table: 8 KB, 512 entries of two words.
enum ChunkComparison {
    static let entries = 512
    static let bytes = 8192

    /// Whether the low quadwords of all entries but the first have the bits of `expected` in `mask`.
    ///
    /// It takes eight vectors of one entry at a time, into eight sums, so that no sum waits for the previous one. If
    /// entries differ, the first ones usually do; the caller then counts the rest.
    /// - Parameter chunk: 8 KB, aligned to 16.
    static func isUniform(_ chunk: UnsafeRawPointer, as expected: UInt64, mask: UInt64) -> Bool {
        let wanted = SIMD2<UInt64>(expected, 0)
        @inline(__always) func entry(_ number: Int) -> SIMD2<UInt64> {
            chunk.load(fromByteOffset: number &* 16, as: SIMD2<UInt64>.self) ^ wanted
        }
        // 7 entries, then 63 times 8.
        var (s0, s1, s2, s3) = (entry(1), entry(2), entry(3), entry(4))
        var (s4, s5, s6, s7) = (entry(5), entry(6), entry(7), SIMD2<UInt64>.zero)
        if (((s0 | s1) | (s2 | s3)) | ((s4 | s5) | s6))[0] & mask != 0 { return false }
        var number = 8
        while number < entries {
            s0 |= entry(number)
            s1 |= entry(number &+ 1)
            s2 |= entry(number &+ 2)
            s3 |= entry(number &+ 3)
            s4 |= entry(number &+ 4)
            s5 |= entry(number &+ 5)
            s6 |= entry(number &+ 6)
            s7 |= entry(number &+ 7)
            number &+= 8
        }
        return (((s0 | s1) | (s2 | s3)) | ((s4 | s5) | (s6 | s7)))[0] & mask == 0
    }
}
