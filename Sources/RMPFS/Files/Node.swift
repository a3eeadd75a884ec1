// SPDX-License-Identifier: Apache-2.0
// What all folders and files of a tree have in common: a number, stat(2) data, and whether they still exist.

import Synchronization

/// The source of st_ino; one counter for the process, so no two nodes share a number.
private let nextInodeNumber = Atomic<UInt64>(2)

/// How long a node exists.
private enum Lifetime: UInt8, AtomicRepresentable {
    /// From mount to unmount.
    case fixed
    /// As long as something else, such as a driver: its names are not cached.
    case conditional
    /// The folder of an item that a client made and may remove.
    case item
    /// Something in the folder of such an item.
    case part
    /// An item that was removed, or a part of one.
    case removed
}

/// A folder or a file.
///
/// Unchecked: the compiler cannot check a class with subclasses, which must repeat the annotation. All state here and
/// in the subclasses is constant or behind a `Lock` or `Atomic`.
public class Node: @unchecked Sendable {
    /// st_ino.
    let inodeNumber = nextInodeNumber.add(1, ordering: .relaxed).oldValue
    /// The rules of the kernel file system that this node imitates.
    let rules: FileSystemRules
    let metadata: Lock<Metadata>
    private let lifetime = Atomic<Lifetime>(.fixed)
    /// Wrapped in a struct: a closure that generic code holds is wrapped again each time it is lent by reference, as a
    /// lock does, and each call then goes through all the wrappers.
    private struct Condition: Sendable {
        let isThere: Directory.Presence
    }

    /// Whether it exists, for nodes that come and go.
    private let condition = Lock<Condition?>(nil)
    /// The node's place in the tree; nil for a root.
    let place = Lock<NodePlace?>(nil)

    init(rules: FileSystemRules, mode: UInt32, owner: Owner) {
        self.rules = rules
        metadata = Lock(Metadata(mode: mode, owner: owner))
    }

    /// Whether the item that this node belongs to was removed. Reads and writes then fail with ENOENT.
    var isRemoved: Bool { lifetime.load(ordering: .acquiring) == .removed }

    /// Whether the node disappears with a folder above it or with something else, or has disappeared. Its name must not
    /// be cached: an open file of a removed item would keep it alive.
    var comesAndGoes: Bool { [.conditional, .part, .removed].contains(lifetime.load(ordering: .acquiring)) }

    /// The number of its present incarnation; constant for a permanent node, nil for one that does not exist now.
    var incarnation: Int? {
        guard lifetime.load(ordering: .acquiring) == .conditional else { return 0 }
        guard let condition = condition.withLock({ $0 }) else { return 0 }
        return condition.isThere()
    }

    /// Marks the node as one that comes and goes.
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

    /// Marks the node as removed with its item.
    func markRemoved() {
        lifetime.store(.removed, ordering: .releasing)
    }

    /// Whether the text is made at each read, so that it is always current. stat(2) then gives the time of the call as
    /// the modification time, whatever else was set.
    var isAlwaysCurrent: Bool { false }

    /// st_nlink while the node exists.
    var linkCount: UInt32 { 1 }

    /// Whether the kernel may cache stat(2) data of this node, because they change only by calls on this very node, or
    /// with the removal of its item, of which the kernel is notified.
    ///
    /// False while a size lasts only until the last close.
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
    /// The kernel has checked permissions (`default_permissions`).
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
