// SPDX-License-Identifier: Apache-2.0
// Makes the kernel ask again for what it remembers, so that a fault can strike.

import CFuse

/// What the kernel remembers of a mount.
enum KernelMemory {
    /// Makes the kernel forget the stat(2) data of all nodes that a fault is for.
    ///
    /// Of names it forgets nothing: telling it to takes a lock of the folder that a client may hold which waits for a
    /// delayed answer, and a daemon that is killed while it waits there cannot end. Attributes take none.
    static func forgetAttributes(in tree: MountedTree, on session: SessionPointer) {
        guard let faults = tree.faults else { return }
        forget(tree.root, id: fuse_ino_t(FUSE_ROOT_ID), faults, session)
        var folders: [Directory] = [tree.root]
        while let folder = folders.popLast() {
            for entry in folder.entries() {
                if let child = entry.node as? Directory { folders.append(child) }
                // Others are asked for each time in any case.
                guard entry.node.isFixed else { continue }
                forget(entry.node, id: NodeReference.id(of: entry.node), faults, session)
            }
        }
    }

    private static func forget(_ node: Node, id: fuse_ino_t, _ faults: FaultTable, _ session: SessionPointer) {
        guard let path = node.path(of: nil), faults.concernsMemory(of: path) else { return }
        // A negative offset leaves data alone. A node that the kernel does not know is no error of ours.
        fuse_lowlevel_notify_inval_inode(session.pointer, id, -1, 0)
    }
}
