// SPDX-License-Identifier: Apache-2.0
// FUSE operations on names: LOOKUP, FORGET, MKDIR, RMDIR, and all that configfs and debugfs refuse.

import CFuse
import Glibc

/// The bytes of a name as the kernel sent it.
func bytes(of name: UnsafePointer<CChar>?) -> [UInt8] {
    guard let name else { return [] }
    return Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
}

private func folder(_ id: fuse_ino_t, _ request: fuse_req_t) throws(Errno) -> Directory {
    guard let tree = MountedTree.of(request) else { throw .ioError }
    guard let folder = NodeReference.node(id, in: tree) as? Directory else { throw .notDirectory }
    return folder
}

func lookup(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let request else { return }
    do {
        Reply.entry(request, try folder(parent, request).child(named: bytes(of: name)))
    } catch {
        Reply.error(request, error)
    }
}

func forget(_ request: fuse_req_t?, _ id: fuse_ino_t, _ count: UInt64) {
    NodeReference.release(id, count: count)
    fuse_reply_none(request)
}

func forgetMany(_ request: fuse_req_t?, _ count: Int, _ forgets: UnsafeMutablePointer<fuse_forget_data>?) {
    for entry in UnsafeBufferPointer(start: forgets, count: count) {
        NodeReference.release(entry.ino, count: entry.nlookup)
    }
    fuse_reply_none(request)
}

/// The mode is ignored, as configfs ignores it: an item's folder is always 0755.
func makeFolder(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t) {
    guard let request else { return }
    do {
        Reply.entry(request, try folder(parent, request).makeItem(named: bytes(of: name)))
    } catch {
        Reply.error(request, error)
    }
}

func removeFolder(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let request else { return }
    Reply.result(request) { () throws(Errno) in
        let parts = try folder(parent, request).removeItem(named: bytes(of: name))
        // The kernel knows that the folder is gone, but not that the files in it, which may be open, have no link.
        guard let tree = MountedTree.of(request) else { return }
        KernelMemory.forgetAttributes(of: parts, in: tree)
        // A client may be on its way to one of them.
        tree.pruning.add(parts, tree.session.withLock { $0 })
    }
}

func unlink(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let request else { return }
    Reply.result(request) { () throws(Errno) in try folder(parent, request).unlink(bytes(of: name)) }
}

/// A folder without a create method: EACCES for regular files (vfs_create), EPERM for other kinds (vfs_mknod).
func makeNode(
    _ request: fuse_req_t?,
    _ parent: fuse_ino_t,
    _ name: UnsafePointer<CChar>?,
    _ mode: mode_t,
    _ device: dev_t
) {
    guard let request else { return }
    let kind = mode & S_IFMT
    Reply.error(request, kind == S_IFREG || kind == 0 ? .accessDenied : .notPermitted)
}

func create(
    _ request: fuse_req_t?,
    _ parent: fuse_ino_t,
    _ name: UnsafePointer<CChar>?,
    _ mode: mode_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request else { return }
    Reply.error(request, .accessDenied)
}

func symlink(
    _ request: fuse_req_t?,
    _ target: UnsafePointer<CChar>?,
    _ parent: fuse_ino_t,
    _ name: UnsafePointer<CChar>?
) {
    guard let request else { return }
    Reply.error(request, .notPermitted)
}

func link(_ request: fuse_req_t?, _ id: fuse_ino_t, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let request else { return }
    Reply.error(request, .notPermitted)
}

func rename(
    _ request: fuse_req_t?,
    _ parent: fuse_ino_t,
    _ name: UnsafePointer<CChar>?,
    _ newParent: fuse_ino_t,
    _ newName: UnsafePointer<CChar>?,
    _ flags: UInt32
) {
    guard let request else { return }
    Reply.error(request, .notPermitted)
}
