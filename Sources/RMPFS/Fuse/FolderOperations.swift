// SPDX-License-Identifier: Apache-2.0
// FUSE operations on open folders: OPENDIR, READDIR, READDIRPLUS, FSYNCDIR, RELEASEDIR.

import CFuse
import Glibc

func openFolder(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let request, let info, let tree = MountedTree.of(request) else { return }
    guard let folder = NodeReference.node(id, in: tree) as? Directory else {
        return Reply.error(request, .notDirectory)
    }
    if folder.isRemoved { return Reply.error(request, .noSuchFile) }
    HandleReference.store(OpenDirectory(folder), in: info)
    if fuse_reply_open(request, info) != 0 { _ = HandleReference.take(OpenDirectory.self, from: info) }
}

func readFolder(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    list(request, size, offset, info) { request, room, entry, next in
        var status = stat()
        status.st_ino = ino_t(entry.inodeNumber)
        status.st_mode = entry.node is Directory ? S_IFDIR : S_IFREG
        return fuse_add_direntry(request, room.baseAddress, room.count, entry.terminatedName, &status, next)
    }
}

func readFolderPlus(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    list(request, size, offset, info) { request, room, entry, next in
        if entry.isDot || entry.node.isRemoved {
            // Without an id the kernel takes neither a reference nor attributes from the entry, and caches no name: an
            // item that was removed since the listing was made must not come back.
            var name = fuse_entry_param()
            name.attr.st_ino = ino_t(entry.inodeNumber)
            name.attr.st_mode = entry.node is Directory ? S_IFDIR : S_IFREG
            return fuse_add_direntry_plus(request, room.baseAddress, room.count, entry.terminatedName, &name, next)
        }
        if let tree = MountedTree.of(request) { KernelSize.willTell(of: entry.node, in: tree) }
        var parameters = Reply.parameters(for: entry.node, Timeouts(for: request))
        let needed = fuse_add_direntry_plus(
            request,
            room.baseAddress,
            room.count,
            entry.terminatedName,
            &parameters,
            next
        )
        if needed > room.count { NodeReference.release(parameters.ino, count: 1) }
        return needed
    }
}

/// Adds one entry to the reply; the entry after it has offset `next`.
///
/// Returns the bytes it needs; if that is more than the room left, it was not added.
private typealias AddEntry = (
    _ request: fuse_req_t, _ room: UnsafeMutableBufferPointer<CChar>, _ entry: Directory.Entry, _ next: off_t
) -> Int

/// Lists entries from offset `offset` on until the reply is full: `.` at 0, `..` at 1, then the children, newest first.
private func list(
    _ request: fuse_req_t?,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?,
    _ add: AddEntry
) {
    guard let request else { return }
    guard let opened = HandleReference.load(OpenDirectory.self, from: info) else {
        return Reply.error(request, .badDescriptor)
    }
    let entries = opened.entries(fromStart: offset == 0)
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: max(size, 1)) { buffer in
        var used = 0
        var index = max(0, Int(offset))
        while index < entries.count {
            let room = UnsafeMutableBufferPointer(rebasing: buffer[used..<size])
            let needed = add(request, room, entries[index], off_t(index + 1))
            if needed > room.count { break }
            used += needed
            index += 1
        }
        fuse_reply_buf(request, buffer.baseAddress, used)
    }
}

func synchronizeFolder(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ dataOnly: Int32,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request, let tree = MountedTree.of(request) else { return }
    Reply.result(request) { () throws(Errno) in
        if let refusal = NodeReference.node(id, in: tree).rules.directorySync { throw refusal }
    }
}

func releaseFolder(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let request else { return }
    _ = HandleReference.take(OpenDirectory.self, from: info)
    Reply.success(request)
}
