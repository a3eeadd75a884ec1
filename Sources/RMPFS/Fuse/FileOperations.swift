// SPDX-License-Identifier: Apache-2.0
// FUSE operations on open files: OPEN, READ, WRITE, LSEEK, FSYNC, RELEASE.

import CFuse
import Glibc

func open(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let request, let info, let tree = MountedTree.of(request) else { return }
    guard let file = NodeReference.node(id, in: tree) as? File else { return Reply.error(request, .isDirectory) }
    do {
        let wanted = OpenRequest(flags: info.pointee.flags)
        let opened = try file.open(wanted)
        KernelSize.willOpen(file, wanted, in: tree)
        HandleReference.store(opened, in: info)
        if opened is OpenStream { tree.detachWatch.watch(for: tree.waiting) }
        // Sizes do not reflect contents, and nothing needs to wait for a close.
        info.pointee.direct_io = 1
        info.pointee.noflush = 1
        info.pointee.nonseekable = file.isSeekable ? 0 : 1
        if fuse_reply_open(request, info) != 0 { HandleReference.take(OpenFile.self, from: info)?.close() }
    } catch {
        Reply.error(request, error)
    }
}

extension OpenRequest {
    /// The flags of open(2). Access mode 3 means neither reading nor writing.
    fileprivate init(flags: Int32) {
        let mode = flags & O_ACCMODE
        self.init(
            reads: mode == O_RDONLY || mode == O_RDWR,
            writes: mode == O_WRONLY || mode == O_RDWR,
            direct: flags & Int32(RMPFS_O_DIRECT) != 0,
            truncates: flags & O_TRUNC != 0
        )
    }
}

func read(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request else { return }
    guard let opened = HandleReference.load(OpenFile.self, from: info) else {
        return Reply.error(request, .badDescriptor)
    }
    // Neither configfs nor debugfs files have a splice_read or an mmap method.
    if KernelSize.isForPageCache(info) { return Reply.error(request, .invalid) }
    do {
        try opened.check()
        try opened.read(at: UInt64(bitPattern: Int64(offset)), size: size).withBytes { bytes in
            _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
    } catch {
        if error == .tryAgain, let stream = opened as? OpenStream, let tree = MountedTree.of(request), let info {
            let mayWait = info.pointee.flags & O_NONBLOCK == 0
            return tree.waiting.answer(request, stream, size: size, mayWait: mayWait)
        }
        Reply.error(request, error)
    }
}

func write(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ bytes: UnsafePointer<CChar>?,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request else { return }
    guard let opened = HandleReference.load(OpenFile.self, from: info) else {
        return Reply.error(request, .badDescriptor)
    }
    do {
        try opened.check()
        let written = UnsafeRawBufferPointer(start: bytes, count: size)
        fuse_reply_write(request, try opened.write(written, at: UInt64(bitPattern: Int64(offset))))
    } catch {
        Reply.error(request, error)
    }
}

/// The kernel asks only for SEEK_DATA and SEEK_HOLE; it computes the other offsets itself.
func seek(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ offset: off_t,
    _ whence: Int32,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request, let tree = MountedTree.of(request) else { return }
    guard let file = NodeReference.node(id, in: tree) as? File else { return Reply.error(request, .invalid) }
    do {
        try HandleReference.load(OpenFile.self, from: info)?.check()
        let position = try file.seek(SeekTarget(whence: whence), from: Int64(offset))
        fuse_reply_lseek(request, off_t(position))
    } catch {
        Reply.error(request, error)
    }
}

extension SeekTarget {
    /// The whence of lseek(2), as in <linux/fs.h>.
    fileprivate init(whence: Int32) {
        switch whence {
        case 3: self = .data
        case 4: self = .hole
        default: self = .other
        }
    }
}

/// Neither configfs nor debugfs files have an fsync method.
func synchronize(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ dataOnly: Int32,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let request else { return }
    Reply.error(request, .invalid)
}

/// Requests are answered in order, so a stat(2) after the close(2) finds the file released.
func release(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let request else { return }
    let opened = HandleReference.take(OpenFile.self, from: info)
    opened?.close()
    if let stream = opened as? OpenStream { MountedTree.of(request)?.waiting.forget(stream) }
    if let tree = MountedTree.of(request) {
        let node = NodeReference.node(id, in: tree)
        if node.isRemoved { tree.pruning.add([node], tree.session.withLock { $0 }) }
    }
    Reply.success(request)
}
