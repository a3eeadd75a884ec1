// SPDX-License-Identifier: Apache-2.0
// Makes the kernel ask again for what it remembers, so that a fault can strike.

import CFuse

/// What the kernel remembers of a mount.
enum KernelMemory {
    /// Makes the kernel forget the stat(2) data of nodes that the tree holds, or whose entries were told to it.
    ///
    /// Takes no lock in the kernel that a client may hold, so any thread may call it, one that answers a request too.
    static func forgetAttributes(of nodes: some Sequence<Node>, in tree: MountedTree) {
        guard let session = tree.session.withLock({ $0 }) else { return }
        for node in nodes {
            let id = node === tree.root ? fuse_ino_t(FUSE_ROOT_ID) : NodeReference.id(of: node)
            // A negative offset leaves data alone. A node that the kernel does not know is no error of ours.
            fuse_lowlevel_notify_inval_inode(session.pointer, id, -1, 0)
        }
    }

    /// Makes the kernel forget the stat(2) data of all nodes that a fault is for.
    ///
    /// Of names it forgets nothing: telling it to takes a lock of the folder that a client may hold which waits for a
    /// delayed answer, and a daemon that is killed while it waits there cannot end.
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
