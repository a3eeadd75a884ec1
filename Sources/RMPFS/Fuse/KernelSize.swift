// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel from taking a file that tells a size of 0 for an empty one (`StandInSize`).

import CFuse
import Glibc

/// What is done, and when. All of it rests on FUSE_NOTIFY_STORE (fs/fuse/dev.c, fuse_notify_store()).
///
/// - OPEN: before the answer, one byte is stored at the end of the size that the inode is to have. That page goes when
///   the open ends (invalidate_inode_pages2() in fuse_open()). Size and times then count as unknown, mode and owner do
///   not: stat(2) asks, open(2) need not.
/// - GETATTR, LOOKUP and READDIRPLUS while the file is open: before the answer, nothing is stored. That makes the
///   answer older than what the kernel has (fi->attr_version): it shows it to who asked, and does not take it over.
///   When the file is not open, it does, and the next OPEN stores again.
/// - SETATTR: the answer is not shown to anybody, and is taken over whatever its age. It has the stand-in size.
/// - GETATTR of an open file's handle: only lseek(2) with SEEK_END asks so. It fails where the kind has no end.
/// - READ for the page cache has no owner of locks, one for read(2) always has (fuse_send_read()). It is EINVAL, and
///   so, then, is sendfile(2), as for the real files.
enum KernelSize {
    /// Whether sendfile(2) goes by the size. Before Linux 6.5 it was a read(2) (generic_file_splice_read()), and it is
    /// one again from "fuse: use copy_splice_read() for FOPEN_DIRECT_IO splice read" on; there this changes nothing.
    static let matters: Bool = {
        var system = utsname()
        guard uname(&system) == 0 else { return false }
        let release = withUnsafeBytes(of: system.release) { Array($0.prefix { $0 != 0 }) }
        let numbers = release.split { !(48...57).contains($0) }.prefix(2).map { digits in
            digits.reduce(0) { min($0, 1000) * 10 + Int($1 - 48) }
        }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 5)
    }()

    /// To be called between the open of a file and the answer to it.
    static func willOpen(_ file: File, _ request: OpenRequest, in tree: MountedTree) {
        guard matters else { return }
        let size = file.metadata.withLock { data -> UInt64? in
            // The kernel sets the size to 0 behind the answer.
            if request.truncates { data.standIn.forget() }
            guard !request.truncates && (data.truncatedSize ?? file.rules.fileSize) == 0 else { return nil }
            return data.standIn.next()
        }
        if let size { store(1, at: size - 1, in: file, of: tree) }
    }

    /// To be called before an answer with stat(2) data of a node that the kernel may know.
    static func willTell(of node: Node, in tree: MountedTree) {
        guard matters, node is File else { return }
        let isKept = node.metadata.withLock { data in
            if data.openCount == 0 { data.standIn.forget() }
            return data.standIn.size != nil
        }
        if isKept { store(0, at: StandInSize.beyond, in: node, of: tree) }
    }

    /// The size to tell in an answer that only the kernel sees; nil for the one that stat(2) gives.
    static func whileOpen(of node: Node) -> UInt64? {
        node.metadata.withLock { data in
            if data.openCount == 0 { data.standIn.forget() }
            return data.standIn.size
        }
    }

    /// Whether a READ is for the page cache, and not for read(2).
    static func isForPageCache(_ info: UnsafeMutablePointer<fuse_file_info>?) -> Bool {
        matters && info?.pointee.lock_owner == 0
    }

    private static func store(_ count: UInt32, at offset: UInt64, in node: Node, of tree: MountedTree) {
        guard let session = tree.session.withLock({ $0 }) else { return }
        // A node that the kernel does not know is no error of ours.
        _ = rmpfs_store(session.pointer, NodeReference.id(of: node), offset, count)
    }
}
