// SPDX-License-Identifier: Apache-2.0
// Makes the kernel let go of files whose item was removed while they were open: it would remember their names, which
// nobody can look up any more, until it is short of memory, and the daemon would keep them for it.

import CFuse
import Glibc

/// The files of removed items that the kernel may still remember.
///
/// A name that the kernel has no use for goes when its folder does. One in use at that moment stays in the kernel's
/// cache when its last user is done (retain_dentry() in fs/dcache.c), and with it the node's reference. Linux 6.18 can
/// be told to drop such names, and takes no lock for it that a client may hold. Older kernels can not be told without
/// one: there a name goes when memory is short or at the unmount.
final class Pruning: Sendable {
    /// As many as are dropped at once. A file is told of only when as many others came after it: RELEASE is sent
    /// before the kernel has let go of the name.
    private static let batch = 64

    private struct State: Sendable {
        /// Oldest first. They are kept until the kernel is told, so that no id in it is that of another node.
        var nodes: [Node] = []
        /// Whether the kernel has not yet refused.
        var isKnown = true
    }

    private let state = Lock(State())

    /// Takes note of files that have been removed and are not open, or no longer open, as far as a caller knows.
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
