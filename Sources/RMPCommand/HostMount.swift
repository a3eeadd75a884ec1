// SPDX-License-Identifier: Apache-2.0
// A mount of rmpfs seen from outside: what the mount table, its server and its files say.

import Glibc
import RMPFS

/// One mount of rmpfs.
struct HostMount {
    /// Whether somebody serves it.
    enum State: String {
        case alive
        /// Its rmpfs has died.
        case dead
        /// Its rmpfs is stopped, or hangs.
        case hung

        /// Asks the server of a mount.
        init(_ path: String) {
            switch MountPoint.ask(path) {
            case nil: self = .hung
            case .some(ENOTCONN): self = .dead
            default: self = .alive
            }
        }
    }

    let path: String
    let source: String
    let state: State
    /// The version of the series; nil if this user may not see it.
    let series: String?
    /// Seconds since it was mounted.
    let age: UInt64?
    let user: UInt32?

    /// The user's name, or the number if there is no name.
    var owner: String? {
        user.map { user in getpwuid(user).map { String(systemName: $0.pointee.pw_name) } ?? "\(user)" }
    }

    /// The mounts of rmpfs in the order in which they were made, without those that another mount covers.
    static func all(under folder: String?) throws -> [HostMount] {
        try MountTable.ours(under: folder).map(HostMount.init)
    }

    private init(_ entry: MountTableEntry) {
        path = entry.mountPoint
        source = entry.source
        user = entry.user
        state = State(path)
        guard state == .alive else { (series, age) = (nil, nil); return }
        let lines =
            SystemFiles.contents(of: path + "/debug/rmpopt/series")
            .map { String(decoding: $0, as: UTF8.self).split(separator: "\n") } ?? []
        series = lines.first { $0.hasPrefix("series: ") }.map { String($0.dropFirst("series: ".count)) }
        // The tree's folders are as old as the mount.
        var status = stat()
        let isSeen = stat(path.systemName, &status) == 0
        age = isSeen ? UInt64(max(0, time(nil) - status.st_mtim.tv_sec)) : nil
    }
}
