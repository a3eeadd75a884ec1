// SPDX-License-Identifier: Apache-2.0
// The size that the kernel has for a file which tells a size of 0, so that it asks for the content all the same.

/// Of one file: which sizes the kernel was made to take for its, and whether it still has the last of them.
///
/// From Linux 6.5 on sendfile(2) and splice(2) of a FUSE file go through the page cache and compare the position with
/// the inode's size first (filemap_splice_read() in mm/filemap.c): a file of size 0 is at its end, and no request is
/// made. stat(2) has its answer from GETATTR, however, whatever the inode has. So the inode of an open file is given a
/// size that nobody is shown.
///
/// Each is larger than all before it: the byte that is stored to set it is on a page which no client can have locked
/// while it waits for us. Each is a multiple of 2^32, so that FIONREAD, a difference of 32 bits, is as for 0.
struct StandInSize: Sendable {
    /// The number of the last one; 0 for none yet.
    private var number: UInt32 = 0
    /// Whether the kernel has it, as far as we know.
    private var isKnown = false

    /// As many as there are. Nobody gets there in a year; a file beyond it reads as empty by sendfile(2).
    private static let limit: UInt32 = 1 << 29
    /// Larger than all of them.
    static let beyond: UInt64 = 1 << 62

    /// The size that the kernel has; nil if it has the one that stat(2) gives.
    var size: UInt64? { isKnown ? UInt64(number) << 32 : nil }

    /// The size that the kernel is to be given now; nil if it need not.
    mutating func next() -> UInt64? {
        guard !isKnown && number < Self.limit else { return nil }
        number += 1
        isKnown = true
        return size
    }

    /// Says that the kernel takes the size that stat(2) gives.
    mutating func forget() {
        isKnown = false
    }
}
