// SPDX-License-Identifier: Apache-2.0
// Logs the requests that the kernel sends, one line each, for tests and for people who count them. Off by default.

import CFuse
import Glibc

/// A file that gets a line for each request, in order: its name in the protocol, and the node id.
///
/// The environment variable `RMPFS_REQUESTS` names it when a mount begins. Without it a request costs a comparison.
struct RequestLog: Sendable {
    private let descriptor: Int32

    /// The log that the environment asks for; nil if it asks for none, or the file cannot be opened.
    init?() {
        guard let path = getenv("RMPFS_REQUESTS") else { return nil }
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor < 0 { return nil }
    }

    /// Closes the file.
    func close() {
        Glibc.close(descriptor)
    }

    /// Logs a request as it came from the kernel: `struct fuse_in_header` and what follows it. A BATCH_FORGET is logged
    /// as the FORGETs in it.
    func note(_ buffer: fuse_buf) {
        guard let header = buffer.mem, buffer.size >= 24 else { return }
        let opcode = header.load(fromByteOffset: 4, as: UInt32.self)
        let id = header.load(fromByteOffset: 16, as: UInt64.self)
        var text = "\(Self.name(opcode)) \(id)\n"
        if opcode == 42, buffer.size >= 48 {
            // `struct fuse_batch_forget_in`, then a `struct fuse_forget_one` for each.
            let count = min(Int(header.load(fromByteOffset: 40, as: UInt32.self)), (buffer.size - 48) / 16)
            text = (0..<count).map { "FORGET \(header.load(fromByteOffset: 48 + 16 * $0, as: UInt64.self))\n" }.joined()
        }
        let line = Array(text.utf8)
        // One write(2) at the end of the file: lines of different threads do not mix.
        _ = write(descriptor, line, line.count)
    }

    private static func name(_ opcode: UInt32) -> String { names[opcode] ?? "\(opcode)" }

    /// `enum fuse_opcode` of <linux/fuse.h>.
    private static let names: [UInt32: String] = [
        1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 4: "SETATTR", 5: "READLINK", 6: "SYMLINK", 8: "MKNOD", 9: "MKDIR",
        10: "UNLINK", 11: "RMDIR", 12: "RENAME", 13: "LINK", 14: "OPEN", 15: "READ", 16: "WRITE", 17: "STATFS",
        18: "RELEASE", 20: "FSYNC", 21: "SETXATTR", 22: "GETXATTR", 23: "LISTXATTR", 24: "REMOVEXATTR", 25: "FLUSH",
        26: "INIT", 27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 30: "FSYNCDIR", 31: "GETLK", 32: "SETLK",
        33: "SETLKW", 34: "ACCESS", 35: "CREATE", 36: "INTERRUPT", 37: "BMAP", 38: "DESTROY", 39: "IOCTL", 40: "POLL",
        41: "NOTIFY_REPLY", 42: "BATCH_FORGET", 43: "FALLOCATE", 44: "READDIRPLUS", 45: "RENAME2", 46: "LSEEK",
        47: "COPY_FILE_RANGE", 51: "TMPFILE", 52: "STATX",
    ]
}
