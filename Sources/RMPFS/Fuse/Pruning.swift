// SPDX-License-Identifier: Apache-2.0
// Makes the kernel drop files whose item was removed while they were open: otherwise it would keep their names, which
// nobody can look up any more, until memory is short, and the daemon would have to keep the files.

import CFuse
import Glibc

/// The files of removed items that the kernel may still have cached.
///
/// When a folder goes, so do unused names in it. A name in use at that moment stays in the kernel's cache after its
/// last user is done (retain_dentry() in fs/dcache.c), and with it the node's reference. Linux 6.18 can be told to drop
/// such names without taking a lock that a client may hold. Older kernels cannot: there the name stays until memory is
/// short or until the unmount.
final class Pruning: Sendable {
    /// How many are dropped at once. A file is dropped only after as many others came after it: RELEASE is sent before
    /// the kernel has released the name.
    private static let batch = 64

    private struct State: Sendable {
        /// Oldest first. They are kept until the kernel is told, so that no id in it can belong to another node.
        var nodes: [Node] = []
        /// Whether the kernel supports this, as far as we know.
        var isKnown = true
    }

    private let state = Lock(State())

    /// Registers files that have been removed and are not open, or no longer open, as far as a caller knows.
    func add(_ nodes: [Node], _ session: SessionPointer?) {
        guard let session else { return }
        let due = state.withLock { state -> [Node] in
            guard state.isKnown else { return [] }
            state.nodes += nodes
            guard state.nodes.count >= 2 * Self.batch else { return [] }
            defer { state.nodes.removeFirst(Self.batch) }
            return Array(state.nodes.prefix(Self.batch))
        }
        if due.isEmpty || rmpfs_prune(session.pointer, due.map(NodeReference.id), UInt32(due.count)) == 0 { return }
        state.withLock { $0 = State(isKnown: false) }
    }
}
