// SPDX-License-Identifier: Apache-2.0
// Small files and folders of the running system, such as those of /proc, read whole.

import Glibc

/// Reads the running system's own files.
public enum SystemFiles {
    /// All bytes of a file; nil if it cannot be read, or has more bytes than `limit`.
    public static func contents(of path: String, limit: Int = .max) -> [UInt8]? {
        let descriptor = open(path.systemName, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > limit {
                errno = EFBIG
                return nil
            }
        }
    }

    /// The working directory; nil if it cannot be told.
    public static var workingFolder: String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(systemName: path)
    }

    /// The names in a folder without `.` and `..`, at most `limit` of them; nil if it cannot be read.
    public static func names(in path: String, limit: Int = .max) -> [String]? {
        guard let folder = opendir(path.systemName) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(systemName: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
