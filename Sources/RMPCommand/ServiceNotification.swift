// SPDX-License-Identifier: Apache-2.0
// Tells the service manager that the mount answers, by the protocol of sd_notify(3): one datagram, no library.

import Glibc
import RMPFS

enum ServiceNotification {
    /// Sends lines such as `READY=1` to the socket that NOTIFY_SOCKET names; does nothing without it.
    static func send(_ text: String) {
        guard let name = getenv("NOTIFY_SOCKET").map({ String(systemName: $0) }) else { return }
        var path = name.systemBytes
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard let first = path.first, path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // An abstract name begins with NUL, and has none at its end.
        if first == UInt8(ascii: "@") { path[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path).map { $0 + path.count } ?? 0
        let bytes = Array(text.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, socklen_t(length))
            }
        }
    }
}
