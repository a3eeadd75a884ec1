// SPDX-License-Identifier: Apache-2.0
// Drops what the kernel has cached, so that it asks again and a fault can strike.

import CFuse

/// The kernel's caches of a mount.
enum KernelMemory {
    /// Makes the kernel forget the stat(2) data of nodes that the tree holds, or that the kernel has looked up.
    ///
    /// Takes no kernel lock that a client may hold, so any thread may call it, even one that answers a request.
    static func forgetAttributes(of nodes: some Sequence<Node>, in tree: MountedTree) {
        guard let session = tree.session.withLock({ $0 }) else { return }
        for node in nodes {
            let id = node === tree.root ? fuse_ino_t(FUSE_ROOT_ID) : NodeReference.id(of: node)
            // A negative offset leaves data alone. A node unknown to the kernel is not an error.
            fuse_lowlevel_notify_inval_inode(session.pointer, id, -1, 0)
        }
    }

    /// Makes the kernel forget the stat(2) data of all nodes that a fault applies to.
    ///
    /// Cached names stay: dropping them takes a lock of the folder that a client waiting for a delayed answer may hold,
    /// and a daemon that is killed while it waits for that lock cannot exit.
    static func forgetWhatFaultsConcern(in tree: MountedTree) {
        guard let faults = tree.faults else { return }
        var folders: [Directory] = [tree.root]
        while let folder = folders.popLast() {
            let nodes = [folder] + folder.entries().map(\.node)
            folders += nodes.dropFirst().compactMap { $0 as? Directory }
            forgetAttributes(
                of: nodes.filter { node in node.path(of: nil).map { faults.concernsMemory(of: $0) } == true },
                in: tree
            )
        }
    }
}
