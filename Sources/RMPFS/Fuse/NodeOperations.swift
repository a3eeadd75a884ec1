// SPDX-License-Identifier: Apache-2.0
// FUSE operations on a node as a whole: GETATTR, SETATTR, LISTXATTR, STATFS.

import CFuse
import Glibc

func getAttributes(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let request, let tree = MountedTree.of(request) else { return }
    let node = NodeReference.node(id, in: tree)
    if info != nil, KernelSize.matters, let file = node as? File {
        // lseek(2) with SEEK_END, which uses the size in this reply.
        do throws(Errno) {
            try HandleReference.load(OpenFile.self, from: info)?.check()
            if !file.hasEnd { throw .invalid }
        } catch {
            return Reply.error(request, error)
        }
        node.metadata.withLock { $0.standIn.forget() }
    }
    KernelSize.willTell(of: node, in: tree)
    Reply.attributes(request, of: node)
}

func setAttributes(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ status: UnsafeMutablePointer<stat>?,
    _ which: Int32,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request, let status, let tree = MountedTree.of(request) else { return }
    let node = NodeReference.node(id, in: tree)
    do {
        var change = AttributeChange(status.pointee, which: which)
        // ftruncate(2), which passes its open file, moves the modification time; truncate(2) does not.
        if change.size != nil && info != nil { change.modified = .now }
        try node.change(change)
        if let size = KernelSize.whileOpen(of: node) {
            Reply.attributes(request, of: node, size: size)
        } else {
            Reply.attributes(request, of: node)
        }
    } catch {
        Reply.error(request, error)
    }
}

extension AttributeChange {
    /// What a SETATTR asks for.
    fileprivate init(_ status: stat, which: Int32) {
        self.init()
        func wants(_ flag: Int32) -> Bool { which & flag != 0 }
        if wants(FUSE_SET_ATTR_MODE) { mode = status.st_mode }
        if wants(FUSE_SET_ATTR_UID) { user = status.st_uid }
        if wants(FUSE_SET_ATTR_GID) { group = status.st_gid }
        if wants(FUSE_SET_ATTR_SIZE) { size = UInt64(bitPattern: Int64(status.st_size)) }
        if wants(FUSE_SET_ATTR_ATIME) { accessed = Timestamp(status.st_atim) }
        if wants(FUSE_SET_ATTR_MTIME) { modified = Timestamp(status.st_mtim) }
        if wants(FUSE_SET_ATTR_ATIME_NOW) { accessed = .now }
        if wants(FUSE_SET_ATTR_MTIME_NOW) { modified = .now }
    }
}

/// A node has no extended attributes, so their list is empty.
func listAttributes(_ request: fuse_req_t?, _ id: fuse_ino_t, _ size: Int) {
    guard let request else { return }
    if size == 0 {
        fuse_reply_xattr(request, 0)
    } else {
        fuse_reply_buf(request, nil, 0)
    }
}

/// No extended attribute is supported, as in the kernel's trees. Only mounts with ``MountOptions/exact`` have this
/// operation; the others return ENOSYS once, and the kernel asks no more.
func getAttribute(_ request: fuse_req_t?, _ id: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ size: Int) {
    guard let request else { return }
    Reply.error(request, .notSupported)
}

/// simple_statfs(): nothing is counted.
func fileSystemStatus(_ request: fuse_req_t?, _ id: fuse_ino_t) {
    guard let request else { return }
    var status = statvfs()
    status.f_bsize = UInt(FileLimits.page)
    status.f_frsize = UInt(FileLimits.page)
    status.f_namemax = UInt(FileLimits.name)
    fuse_reply_statfs(request, &status)
}
