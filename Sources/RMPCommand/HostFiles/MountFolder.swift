// SPDX-License-Identifier: Apache-2.0
// Reads whole files below a mount point. A missing file is not an error; everything else is.

import Glibc
import RMPFS

/// A tree with the files of a host, wherever it is.
protocol HostFolder: Sendable {
    /// What messages call it.
    var path: String { get }
    /// Reads a file to its end, however short the reads are.
    func read(_ file: String) throws(HostFileError) -> MountFolder.Reading
    /// The names of the files in ``MountFolder/ours``, in any order.
    func names() -> [String]
}

extension HostFolder {
    /// Where a file is, for messages.
    func name(_ file: String) -> String { path + "/" + file }

    /// A file's text; nil if it is missing or closed to this user.
    func text(_ file: String) throws(HostFileError) -> [UInt8]? {
        guard case .text(let bytes) = try read(file) else { return nil }
        return bytes
    }

    /// The numbers N of the files `debug/rmpopt/cpuN`, in order.
    func cpus() -> [Int] {
        names().compactMap { file in
            guard file.hasPrefix("cpu"), let number = Int(file.dropFirst(3)), number >= 0 else { return nil }
            return number
        }.sorted()
    }
}

/// A folder that an rmpfs is mounted on, or any tree with the same files.
struct MountFolder: HostFolder {
    let path: String

    /// The folder of our own files.
    static let ours = "debug/rmpopt"
    /// Where the series put its table: v1, and v2 to v8.
    static let tables = ["debug/rmpopt/rmpopt-table", "debug/x86/rmpopt/rmpopt-table"]

    /// - Throws: ``HostFileError`` if there is no such folder or it has none of the files.
    init(_ given: String) throws(HostFileError) {
        var path = given
        while path.utf8.count > 1 && path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
        self.path = path
        guard SystemFiles.names(in: path, limit: 1) != nil else {
            let error = Errno.current
            if error.rawValue == ENOTCONN {
                throw HostFileError(
                    path,
                    "the rmpfs that was mounted here has died. Mount again: rmpfs mount '\(path)'"
                )
            }
            throw HostFileError(path, "\(error). Give the folder that an rmpfs is mounted on")
        }
        guard access((path + "/" + Self.ours).systemName, R_OK | X_OK) == 0 else {
            let error = Errno.current
            if error == .accessDenied {
                throw HostFileError(
                    path + "/" + Self.ours,
                    "\(error). Look as the user who mounted it, or mount with -o allow_other,mode=755"
                )
            }
            throw HostFileError(
                path,
                "there is no \(Self.ours) in it. Give the folder that an rmpfs is mounted on: findmnt -t fuse.rmpfs"
            )
        }
    }

    /// The result of reading a file.
    enum Reading {
        case text([UInt8])
        case missing
        /// ENODEV: the CPU is offline.
        case offline
        /// EACCES or EPERM.
        case closed
    }

    func read(_ file: String) throws(HostFileError) -> Reading {
        let descriptor = open(name(file).systemName, O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { defer { close(descriptor) }; return try read(file, from: descriptor) }
        return try outcome(of: .current, file)
    }

    private func read(_ file: String, from descriptor: Int32) throws(HostFileError) -> Reading {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                let error = Errno.current
                if error.rawValue == EINTR { continue }
                return try outcome(of: error, file)
            }
            if count == 0 { return .text(bytes) }
            bytes += chunk[..<count]
        }
    }

    private func outcome(of error: Errno, _ file: String) throws(HostFileError) -> Reading {
        switch error {
        case .noSuchFile, .notDirectory: return .missing
        case .noSuchDevice: return .offline
        case .accessDenied, .notPermitted: return .closed
        default: throw HostFileError(name(file), "cannot be read: \(error)")
        }
    }

    func names() -> [String] { SystemFiles.names(in: name(Self.ours)) ?? [] }
}
