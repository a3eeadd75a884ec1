// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel from taking a file with an st_size of 0 for an empty one (`StandInSize`).

import CFuse
import Glibc

/// What to do for each request. It all relies on FUSE_NOTIFY_STORE (fs/fuse/dev.c, fuse_notify_store()).
///
/// - OPEN: before the reply, store one byte at the end of the size that the inode should have. The kernel drops that
///   page when the open ends (invalidate_inode_pages2() in fuse_open()). After that size and times count as unknown,
///   mode and owner do not: stat(2) asks, open(2) need not.
/// - GETATTR, LOOKUP and READDIRPLUS while the file is open: before the reply, store nothing. That makes the reply
///   older than the kernel's state (fi->attr_version): the kernel shows it to the caller, but does not adopt it. If the
///   file is not open, the kernel does adopt it, and the next OPEN stores again.
/// - SETATTR: the reply is not shown to anybody, and is adopted whatever its age. It contains the stand-in size.
/// - GETATTR with an open file's handle: only lseek(2) with SEEK_END sends this. It fails if the kind has no end.
/// - READ for the page cache has no lock owner, READ for read(2) always has one (fuse_send_read()). The former is
///   EINVAL, and so is sendfile(2), as for the real files.
enum KernelSize {
    /// Whether sendfile(2) depends on the size. Before Linux 6.5 it was like read(2) (generic_file_splice_read()), and
    /// it is again since "fuse: use copy_splice_read() for FOPEN_DIRECT_IO splice read"; there none of this changes
    /// anything.
    static let matters: Bool = {
        var system = utsname()
        guard uname(&system) == 0 else { return false }
        let release = withUnsafeBytes(of: system.release) { Array($0.prefix { $0 != 0 }) }
        let numbers = release.split { !(48...57).contains($0) }.prefix(2).map { digits in
            digits.reduce(0) { min($0, 1000) * 10 + Int($1 - 48) }
        }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 5)
    }()

    /// Must be called between the open of a file and the reply.
    static func willOpen(_ file: File, _ request: OpenRequest, in tree: MountedTree) {
        guard matters else { return }
        let size = file.metadata.withLock { data -> UInt64? in
            // The kernel sets the size to 0 after the reply.
            if request.truncates { data.standIn.forget() }
            guard !request.truncates && (data.truncatedSize ?? file.rules.fileSize) == 0 else { return nil }
            return data.standIn.next()
        }
        if let size { store(1, at: size - 1, in: file, of: tree) }
    }

    /// Must be called before a reply with stat(2) data of a node that the kernel may know.
    static func willTell(of node: Node, in tree: MountedTree) {
        guard matters, node is File else { return }
        let isKept = node.metadata.withLock { data in
            if data.openCount == 0 { data.standIn.forget() }
            return data.standIn.size != nil
        }
        if isKept { store(0, at: StandInSize.beyond, in: node, of: tree) }
    }

    /// The size for a reply that only the kernel sees; nil for st_size.
    static func whileOpen(of node: Node) -> UInt64? {
        node.metadata.withLock { data in
            if data.openCount == 0 { data.standIn.forget() }
            return data.standIn.size
        }
    }

    /// Whether a READ is for the page cache rather than for read(2).
    static func isForPageCache(_ info: UnsafeMutablePointer<fuse_file_info>?) -> Bool {
        matters && info?.pointee.lock_owner == 0
    }

    private static func store(_ count: UInt32, at offset: UInt64, in node: Node, of tree: MountedTree) {
        guard let session = tree.session.withLock({ $0 }) else { return }
        // A node unknown to the kernel is not an error.
        _ = rmpfs_store(session.pointer, NodeReference.id(of: node), offset, count)
    }
}
