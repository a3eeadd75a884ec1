// SPDX-License-Identifier: Apache-2.0
// The 512 entries of a chunk, compared and taken apart at the speed of memory: the innermost loops of every scan.

import CEntries

/// A chunk's entries as they were when they were read, for one thread.
///
/// In C: Swift's vectors of an entry have a half that nobody asks for, and the compiler takes them apart; and Swift
/// cannot ask for memory ahead of its use.
final class ChunkEntries {
    static let count = 512
    static let bytes = 8192

    private let entries: UnsafeMutablePointer<rmpfs_entries>
    private let form: rmpfs_form

    init(_ form: EntryForm) {
        self.form = form == .raw ? RMPFS_RAW : RMPFS_RMPREAD
        entries = .allocate(capacity: 1)
        entries.initialize(to: rmpfs_entries())
    }

    deinit { entries.deallocate() }

    /// Whether the low quadwords of all entries but the first have the bits of `expected` in `mask`.
    /// - Parameter chunk: 8 KB, aligned to 16.
    @inline(__always)
    static func isUniform(_ chunk: UnsafeRawPointer, as expected: UInt64, mask: UInt64) -> Bool {
        rmpfs_is_uniform(chunk, expected, mask) != 0
    }

    /// Reads each entry once.
    /// - Parameter chunk: 8 KB, aligned to 16.
    func read(_ chunk: UnsafeRawPointer) { rmpfs_read_entries(chunk, form, entries) }

    /// The entries' places, one or the other of which has a bit (``OwnerKey/place(_:)``).
    var used: Int { Int(entries.pointee.used) }

    /// How many are assigned.
    var assigned: Int { Int(entries.pointee.assigned) }

    /// Whether the page of one of them is fixed, as ``OwnerKey/isFixed(_:)`` says of a key.
    var hasFixed: Bool { entries.pointee.has_fixed != 0 }

    /// The place of an entry, 0 ..< 512.
    func place(_ entry: Int) -> Int {
        Int(UnsafeRawPointer(entries).load(fromByteOffset: 2 * entry, as: UInt16.self))
    }

    /// Adds 1 for each place, to the sums of entries with even numbers or to those of the others.
    func count(even: UnsafeMutablePointer<UInt32>, odd: UnsafeMutablePointer<UInt32>) {
        rmpfs_count_places(entries, even, odd)
    }
}
