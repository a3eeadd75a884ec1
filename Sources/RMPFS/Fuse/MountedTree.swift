// SPDX-License-Identifier: Apache-2.0
// What a FUSE request needs to know about its mount, and the replies that all operations share.

import CFuse
import Glibc

/// A tree of nodes served by one mount; the userdata of its FUSE session.
final class MountedTree: Sendable {
    let root: Directory
    /// The faults that strike requests; nil if there are never any.
    let faults: FaultTable?
    /// Requests that faults delay.
    let delayed = DelayedRequests()
    /// Reads that wait for something to happen.
    let waiting = WaitingRequests()
    /// Tells those when the mount is detached.
    let detachWatch = DetachWatch()
    /// Files that were removed while they were in use.
    let pruning = Pruning()
    /// The session, while it exists.
    let session = Lock<SessionPointer?>(nil)
    /// Called once, when the kernel has sent INIT.
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

/// How long the kernel may cache names and attributes, in seconds.
struct Timeouts {
    /// Whether the kernel must ask each time, so that a fault can strike.
    private let areNone: Bool

    /// Those of the mount that a request came from.
    init(for request: fuse_req_t) {
        areNone = MountedTree.of(request)?.faults?.isForgetful == true
    }

    /// Names and attributes that change only by calls through the mount itself, which the kernel sees.
    private static let fixed = 3600.0
    /// Attributes of which only the time changes by itself: stat(2) is never further behind than this, and clients that
    /// open the file often need not ask each time.
    private static let current = 1.0
    /// Attributes that change by themselves.
    static let changing = 0.0

    /// The name's timeout of a node.
    ///
    /// The names in an item end with the item, even if files in it are open. Attributes are looked up each time, as in
    /// configfs: sendfile(2) (busybox cat, Python's copyfile) depends on the cached size, which O_TRUNC, a write or a
    /// short read through the page cache have changed, and only a lookup corrects it.
    func name(of node: Node) -> Double {
        areNone || node.comesAndGoes || node is File && node.rules.makesFilesAnew ? Self.changing : Self.fixed
    }
    /// The attribute timeout of a node.
    func attributes(of node: Node) -> Double {
        if areNone || !node.isFixed { return Self.changing }
        return node.isAlwaysCurrent ? Self.current : Self.fixed
    }
}

/// Replies. Each sends exactly one; it is not an error if the client is gone by then.
enum Reply {
    static func error(_ request: fuse_req_t, _ error: Errno) {
        fuse_reply_err(request, error.rawValue)
    }

    static func success(_ request: fuse_req_t) {
        fuse_reply_err(request, 0)
    }

    /// Runs an operation that replies only with success or an error.
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

    /// A reply with a size other than st_size, which the kernel must not show to anybody.
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
            status.st_size = off_t(truncatingIfNeeded: (self as? File)?.size ?? 0)
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
