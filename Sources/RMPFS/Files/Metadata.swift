// SPDX-License-Identifier: Apache-2.0
// What stat(2) tells of a node and setattr can change: mode, owner and times.

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

    /// The second that has begun. Two looks that follow each other mostly agree: tar(1) takes a file whose times differ
    /// for one that has changed under its hands.
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

/// The part of a node's stat(2) that chmod, chown, utimensat and truncate change.
struct Metadata: Sendable {
    /// Permission bits with setuid, setgid and sticky, without the type.
    var mode: UInt32
    var owner: Owner
    var accessed: Timestamp
    var modified: Timestamp
    var changed: Timestamp
    /// A size that truncate(2) or O_TRUNC left; nil while the size is the one its file system gives.
    var truncatedSize: UInt64?
    /// How many open files there are, for sizes that last only while the inode is in use.
    var openCount = 0
    /// What the kernel was made to take for the size of a file that tells 0 (`StandInSize`).
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

/// What one setattr asks to change; nil leaves a value alone.
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

    /// A change of nothing.
    public init() {}

    /// Whether the change time moves: not by truncate(2), which sets the size alone.
    var movesChangeTime: Bool { mode != nil || user != nil || group != nil || accessed != nil || modified != nil }
}
