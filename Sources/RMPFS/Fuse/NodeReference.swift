// SPDX-License-Identifier: Apache-2.0
// Node ids and file handles of the FUSE protocol: pointers to nodes and open files, counted as the protocol counts
// them.

import CFuse

/// Turns nodes into node ids and back.
///
/// A node id is the node's address. Each entry that is sent to the kernel (LOOKUP, MKDIR, READDIRPLUS) takes one
/// reference, and FORGET returns them: so a node lives exactly as long as the kernel may name it or the tree holds it,
/// and finding it needs neither a lock nor a table. Id 1 is the root, which is never counted. The kernel never sends an
/// id that it was not given, and sends none after the last FORGET.
enum NodeReference {
    /// The id for an entry sent to the kernel; takes a reference.
    static func retain(_ node: Node) -> fuse_ino_t {
        fuse_ino_t(UInt(bitPattern: Unmanaged.passRetained(node).toOpaque()))
    }

    /// The id for anything but an entry; takes no reference.
    static func id(of node: Node) -> fuse_ino_t {
        fuse_ino_t(UInt(bitPattern: Unmanaged.passUnretained(node).toOpaque()))
    }

    /// Returns `count` references taken by entries.
    static func release(_ id: fuse_ino_t, count: UInt64) {
        guard id != fuse_ino_t(FUSE_ROOT_ID), let reference = reference(id) else { return }
        for _ in 0..<count { reference.release() }
    }

    /// The node behind an id.
    static func node(_ id: fuse_ino_t, in tree: MountedTree) -> Node {
        guard id != fuse_ino_t(FUSE_ROOT_ID), let reference = reference(id) else { return tree.root }
        return reference.takeUnretainedValue()
    }

    private static func reference(_ id: fuse_ino_t) -> Unmanaged<Node>? {
        guard let pointer = UnsafeRawPointer(bitPattern: UInt(id)) else { return nil }
        return Unmanaged<Node>.fromOpaque(pointer)
    }
}

/// Keeps an object alive in the `fh` of an open file, from OPEN to RELEASE.
enum HandleReference {
    /// Puts `object` into the open file's handle; takes a reference.
    static func store<Object: AnyObject>(_ object: Object, in info: UnsafeMutablePointer<fuse_file_info>) {
        info.pointee.fh = UInt64(UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()))
    }

    /// The object in the handle.
    static func load<Object: AnyObject>(
        _ type: Object.Type,
        from info: UnsafeMutablePointer<fuse_file_info>?
    ) -> Object? {
        guard let info, let pointer = UnsafeRawPointer(bitPattern: UInt(info.pointee.fh)) else { return nil }
        return Unmanaged<Object>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Takes the object out of the handle and passes its reference to the caller.
    static func take<Object: AnyObject>(
        _ type: Object.Type,
        from info: UnsafeMutablePointer<fuse_file_info>?
    ) -> Object? {
        guard let info, let pointer = UnsafeRawPointer(bitPattern: UInt(info.pointee.fh)) else { return nil }
        info.pointee.fh = 0
        return Unmanaged<Object>.fromOpaque(pointer).takeRetainedValue()
    }
}
