// SPDX-License-Identifier: Apache-2.0
// What a FUSE request needs to know of its mount, and the replies that every operation shares.

import CFuse
import Glibc

/// A tree of nodes as one mount serves it; the userdata of its FUSE session.
final class MountedTree: Sendable {
    let root: Directory
    /// The faults that strike requests; nil where there can be none.
    let faults: FaultTable?
    /// Requests that faults hold up.
    let delayed = DelayedRequests()
    /// Files that were removed while they were in use.
    let pruning = Pruning()
    /// The session, while it is there.
    let session = Lock<SessionPointer?>(nil)
    /// Called once, when the kernel has said INIT.
    let onInit: @Sendable () -> Void

    init(root: Directory, faults: FaultTable? = nil, onInit: @escaping @Sendable () -> Void) {
        self.root = root
        self.faults = faults
        self.onInit = onInit
    }

    /// The tree of the mount that a request came from.
    static func of(_ request: fuse_req_t) -> MountedTree? {
        guard let pointer = fuse_req_userdata(request) else { return nil }
        return Unmanaged<MountedTree>.fromOpaque(pointer).takeUnretainedValue()
    }
}

/// How long the kernel may remember what it was told, in seconds.
struct Timeouts {
    /// Whether it is to ask each time, so that a fault can strike.
    private let areNone: Bool

    /// Those of the mount that a request came from.
    init(for request: fuse_req_t) {
        areNone = MountedTree.of(request)?.faults?.isForgetful == true
    }

    /// Names and attributes that change only by calls through the mount itself, of which the kernel knows.
    private static let fixed = 3600.0
    /// Attributes of which the time alone changes by itself: no stat(2) is behind by more, and whoever opens the file
    /// often need not ask each time.
    private static let current = 1.0
    /// Attributes that change by themselves.
    static let changing = 0.0

    /// The name's timeout of a node.
    ///
    /// The names in an item end with the item, open files of it or not. An attribute is looked up each time, as in
    /// configfs: sendfile(2) (busybox cat, Python's copyfile) goes by the size that the kernel remembers, which
    /// O_TRUNC, a write or a short read through its page cache have changed, and only a lookup puts right.
    func name(of node: Node) -> Double {
        areNone || node.comesAndGoes || node is File && node.rules.makesFilesAnew ? Self.changing : Self.fixed
    }
    /// The attribute timeout of a node.
    func attributes(of node: Node) -> Double {
        if areNone || !node.isFixed { return Self.changing }
        return node.isAlwaysCurrent ? Self.current : Self.fixed
    }
}

/// Replies. Each sends exactly one answer; a client that is gone by then is no error.
enum Reply {
    static func error(_ request: fuse_req_t, _ error: Errno) {
        fuse_reply_err(request, error.rawValue)
    }

    static func success(_ request: fuse_req_t) {
        fuse_reply_err(request, 0)
    }

    /// Runs an operation that answers with nothing but success or an error.
    static func result(_ request: fuse_req_t, _ operation: () throws(Errno) -> Void) {
        do {
            try operation()
            success(request)
        } catch {
            Reply.error(request, error)
        }
    }

    static func attributes(_ request: fuse_req_t, of node: Node) {
        var status = node.status
        fuse_reply_attr(request, &status, Timeouts(for: request).attributes(of: node))
    }

    /// With another size than stat(2) gives, which the kernel is not to tell anybody.
    static func attributes(_ request: fuse_req_t, of node: Node, size: UInt64) {
        var status = node.status
        status.st_size = off_t(truncatingIfNeeded: size)
        fuse_reply_attr(request, &status, Timeouts.changing)
    }

    static func entry(_ request: fuse_req_t, _ node: Node) {
        if let tree = MountedTree.of(request) { KernelSize.willTell(of: node, in: tree) }
        var entry = parameters(for: node, Timeouts(for: request))
        if fuse_reply_entry(request, &entry) != 0 { NodeReference.release(entry.ino, count: 1) }
    }

    /// An entry that takes a reference to the node.
    static func parameters(for node: Node, _ timeouts: Timeouts) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = NodeReference.retain(node)
        entry.generation = node.inodeNumber
        entry.attr = node.status
        entry.attr_timeout = timeouts.attributes(of: node)
        entry.entry_timeout = timeouts.name(of: node)
        return entry
    }
}

extension Node {
    /// stat(2) of the node.
    var status: stat {
        var status = stat()
        let data = metadata.withLock { $0 }
        status.st_ino = ino_t(inodeNumber)
        status.st_mode = data.mode
        status.st_uid = data.owner.user
        status.st_gid = data.owner.group
        status.st_nlink = nlink_t(isRemoved ? 0 : linkCount)
        status.st_blksize = blksize_t(FileLimits.page)
        status.st_atim = timespec(data.accessed)
        status.st_mtim = timespec(isAlwaysCurrent ? .thisSecond : data.modified)
        status.st_ctim = timespec(data.changed)
        if self is Directory {
            status.st_mode |= S_IFDIR
        } else {
            status.st_mode |= S_IFREG
            status.st_size = off_t(truncatingIfNeeded: data.truncatedSize ?? rules.fileSize)
        }
        return status
    }
}

extension timespec {
    init(_ time: Timestamp) {
        self.init(tv_sec: time.seconds, tv_nsec: time.nanoseconds)
    }
}

extension Timestamp {
    init(_ time: timespec) {
        self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }
}
