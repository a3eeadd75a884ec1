// SPDX-License-Identifier: Apache-2.0
// Whether the 512 entries of a chunk are alike, at the speed of memory: the common case of every scan.

import CMapping

/// A chunk's part of the table: 8 KB, 512 entries of two words.
enum ChunkComparison {
    static let entries = 512
    static let bytes = 8192

    /// Whether the low quadwords of all entries but the first have the bits of `expected` in `mask`.
    ///
    /// In C: Swift's vectors of an entry have a half that nobody asks for, and the compiler takes them apart; and Swift
    /// cannot ask for memory ahead of its use.
    /// - Parameter chunk: 8 KB, aligned to 16.
    @inline(__always)
    static func isUniform(_ chunk: UnsafeRawPointer, as expected: UInt64, mask: UInt64) -> Bool {
        rmpfs_is_uniform(chunk, expected, mask) != 0
    }
}
