// SPDX-License-Identifier: Apache-2.0
// What stat(2) shows of a node and setattr can change: mode, owner and times.

import Glibc

/// A point in time as the kernel keeps it.
public struct Timestamp: Sendable, Hashable {
    /// Seconds since 1970.
    public var seconds: Int
    /// Nanoseconds of that second, 0..<10^9.
    public var nanoseconds: Int

    /// Wraps a kernel time.
    public init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The wall clock's time.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// The present time, rounded down to the second. Two stats in a row then mostly agree: tar(1) reports a file whose
    /// times differ as changed while it was read.
    static var thisSecond: Timestamp { Timestamp(seconds: now.seconds, nanoseconds: 0) }
}

/// Who owns the nodes of a tree.
public struct Owner: Sendable, Hashable {
    /// The user id.
    public var user: UInt32
    /// The group id.
    public var group: UInt32

    /// A user and a group.
    public init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }

    /// root:root, who owns everything in the kernel's own trees.
    public static let root = Owner(user: 0, group: 0)
}

/// The part of stat(2) that chmod, chown, utimensat and truncate change.
struct Metadata: Sendable {
    /// Permission bits with setuid, setgid and sticky, without the file type.
    var mode: UInt32
    var owner: Owner
    var accessed: Timestamp
    var modified: Timestamp
    var changed: Timestamp
    /// A size set by truncate(2) or O_TRUNC; nil while the size is the file system's.
    var truncatedSize: UInt64?
    /// The number of open files, for sizes that last only while the inode is in use.
    var openCount = 0
    /// The size that the kernel was led to assume for a file whose st_size is 0 (`StandInSize`).
    var standIn = StandInSize()

    init(mode: UInt32, owner: Owner) {
        let now = Timestamp.now
        self.mode = mode
        self.owner = owner
        accessed = now
        modified = now
        changed = now
    }
}

/// The changes of one setattr; nil leaves a value alone.
public struct AttributeChange: Sendable {
    /// New permission bits.
    public var mode: UInt32?
    /// New owner.
    public var user: UInt32?
    /// New group.
    public var group: UInt32?
    /// New size in bytes (truncate, ftruncate).
    public var size: UInt64?
    /// New access time.
    public var accessed: Timestamp?
    /// New modification time.
    public var modified: Timestamp?

    /// No changes.
    public init() {}

    /// Whether the change time moves: it does not for truncate(2), which only sets the size.
    var movesChangeTime: Bool { mode != nil || user != nil || group != nil || accessed != nil || modified != nil }
}
