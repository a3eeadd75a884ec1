// SPDX-License-Identifier: Apache-2.0
// The size that the kernel holds for a file with an st_size of 0, so that it asks for the content anyway.

/// For one file: the sizes that the kernel was led to assume, and whether it still has the last one.
///
/// Since Linux 6.5, sendfile(2) and splice(2) of a FUSE file go through the page cache and first compare the position
/// with the inode's size (filemap_splice_read() in mm/filemap.c): a file of size 0 is at its end, and no request is
/// made. stat(2), however, gets its answer from GETATTR, whatever the inode has. So the inode of an open file is given
/// a size that nobody sees.
///
/// Each size is larger than all before it: the byte stored to set it is on a page that no client can have locked while
/// it waits for us. Each is a multiple of 2^32, so that FIONREAD, a 32-bit difference, gives the same as for 0.
struct StandInSize: Sendable {
    /// The number of the last size; 0 if there was none.
    private var number: UInt32 = 0
    /// Whether the kernel has it, as far as we know.
    private var isKnown = false

    /// The number of sizes. It takes more than a year to use them up; after that, sendfile(2) reads the file as empty.
    private static let limit: UInt32 = 1 << 29
    /// Larger than all these sizes.
    static let beyond: UInt64 = 1 << 62

    /// The size that the kernel has; nil if that is st_size.
    var size: UInt64? { isKnown ? UInt64(number) << 32 : nil }

    /// The size to give the kernel now; nil if it needs none.
    mutating func next() -> UInt64? {
        guard !isKnown && number < Self.limit else { return nil }
        number += 1
        isKnown = true
        return size
    }

    /// Notes that the kernel now has the size that stat(2) gives.
    mutating func forget() {
        isKnown = false
    }
}
