// SPDX-License-Identifier: Apache-2.0
// What every folder and file of a tree has in common: a number, stat(2) data, and whether it is still there.

import Synchronization

/// The numbers that stat(2) gives as st_ino; one counter for the process, so no two nodes share one.
private let nextInodeNumber = Atomic<UInt64>(2)

/// How a node comes and goes.
private enum Lifetime: UInt8, AtomicRepresentable {
    /// There from mount to unmount.
    case fixed
    /// There as long as something else is, such as a driver: its names are not remembered.
    case conditional
    /// The folder of an item that a client made and may remove.
    case item
    /// In the folder of such an item.
    case part
    /// An item that was removed, or part of one.
    case removed
}

/// A folder or a file.
///
/// Unchecked: a class with subclasses cannot be checked. All state here and in the subclasses, which have to say it
/// again, is constant or behind a `Lock` or `Atomic`.
public class Node: @unchecked Sendable {
    /// st_ino.
    let inodeNumber = nextInodeNumber.add(1, ordering: .relaxed).oldValue
    /// The rules of the kernel file system that this node imitates.
    let rules: FileSystemRules
    let metadata: Lock<Metadata>
    private let lifetime = Atomic<Lifetime>(.fixed)
    /// In a struct of its own: a closure that generic code holds is wrapped anew each time it is lent by reference, as
    /// a lock does, and each call then walks through all the wrappers.
    private struct Condition: Sendable {
        let isThere: Directory.Presence
    }

    /// Whether it is there, for one that is there only at times.
    private let condition = Lock<Condition?>(nil)
    /// Where the node is; nil for a root.
    let place = Lock<NodePlace?>(nil)

    init(rules: FileSystemRules, mode: UInt32, owner: Owner) {
        self.rules = rules
        metadata = Lock(Metadata(mode: mode, owner: owner))
    }

    /// Whether the item that this node belongs to was removed. Reads and writes then fail with ENOENT.
    var isRemoved: Bool { lifetime.load(ordering: .acquiring) == .removed }

    /// Whether the node goes with a folder above it or with something else, or has gone. Its name must not be
    /// remembered: an open file of an item that was removed would keep it alive.
    var comesAndGoes: Bool { [.conditional, .part, .removed].contains(lifetime.load(ordering: .acquiring)) }

    /// The number under which it is there now; always the same for one that is there for good, nil for one that is not.
    var incarnation: Int? {
        guard lifetime.load(ordering: .acquiring) == .conditional else { return 0 }
        guard let condition = condition.withLock({ $0 }) else { return 0 }
        return condition.isThere()
    }

    /// Marks the node as one that is there only at times.
    func markConditional(_ presence: @escaping Directory.Presence) {
        condition.withLock { $0 = Condition(isThere: presence) }
        lifetime.store(.conditional, ordering: .releasing)
    }

    /// Marks the node as an item's folder.
    func markItem() {
        lifetime.store(.item, ordering: .releasing)
    }

    /// Marks the node as part of an item.
    func markPartOfItem() {
        lifetime.store(.part, ordering: .releasing)
    }

    /// Marks the node as gone with its item.
    func markRemoved() {
        lifetime.store(.removed, ordering: .releasing)
    }

    /// Whether the text is made at each look, so that it is never older than that, and stat(2) says so: the time of the
    /// look is the modification time, whatever else was set.
    var isAlwaysCurrent: Bool { false }

    /// st_nlink as long as the node is there.
    var linkCount: UInt32 { 1 }

    /// Whether stat(2) of this node changes by calls on this very node alone, or with a removal of its item of which
    /// the kernel is told, so that the kernel may remember it.
    ///
    /// Not so while a size lasts until the last close.
    var isFixed: Bool {
        let lifetime = lifetime.load(ordering: .acquiring)
        guard lifetime != .conditional && lifetime != .removed else { return false }
        return !rules.makesFilesAnew || metadata.withLock { $0.truncatedSize == nil }
    }

    /// Moves the modification time to now.
    func touch() {
        metadata.withLock { data in
            data.modified = .now
            data.changed = data.modified
        }
    }

    /// Applies a setattr.
    ///
    /// Permissions were checked by the caller of the mount (`default_permissions`).
    /// - Throws: ``Errno/fileTooLarge`` for a size of 2^31 or more.
    func change(_ change: AttributeChange) throws(Errno) {
        if let size = change.size, size >= FileLimits.sizeEnd { throw .fileTooLarge }
        metadata.withLock { data in
            if let mode = change.mode { data.mode = mode & 0o7777 }
            if let user = change.user { data.owner.user = user }
            if let group = change.group { data.owner.group = group }
            if let accessed = change.accessed { data.accessed = accessed }
            if let modified = change.modified { data.modified = modified }
            if let size = change.size, !rules.makesFilesAnew || data.openCount > 0 { data.truncatedSize = size }
            if change.movesChangeTime { data.changed = .now }
        }
    }
}
