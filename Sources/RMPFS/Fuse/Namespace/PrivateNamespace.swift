// SPDX-License-Identifier: Apache-2.0
// Private namespaces for a command and its host: nobody else sees the mounts there, and nothing outlives them.

import CFuse
import Glibc

/// Puts the process into a private mount namespace, and the processes that it starts later into a private process
/// namespace. Root does so directly; other users, and root where it may not, use a user namespace.
public enum PrivateNamespace {
    /// The user's identity in a user namespace.
    public enum Identity: Sendable, Hashable {
        /// The same ids.
        case same
        /// root, with root's rights over what the namespaces contain.
        case root
    }

    /// Enters the mount namespace. The process must have only one thread.
    public static func enter(as identity: Identity) throws(RunError) {
        let mounts = Int32(RMPFS_NEW_MOUNTS)
        let (user, group) = (geteuid(), getegid())
        if user == 0 {
            if rmpfs_unshare(mounts) == 0 { return }
            if errno != EPERM { throw .noNamespace(.current) }
        }
        if rmpfs_unshare(mounts | Int32(RMPFS_NEW_USERS)) != 0 { throw .noUserNamespace(.current, hint) }
        let inside: (user: UInt32, group: UInt32) = identity == .root ? (0, 0) : (user, group)
        // Kernels before 3.19 lack this file and do not need it.
        try? write("deny", to: "/proc/self/setgroups")
        do throws(Errno) {
            try write("\(inside.user) \(user) 1", to: "/proc/self/uid_map")
            try write("\(inside.group) \(group) 1", to: "/proc/self/gid_map")
            if inside.user != 0 && rmpfs_keep_mount_right(1) != 0 { throw .current }
        } catch {
            throw .noUserNamespace(error, hint)
        }
    }

    /// Makes the next child of this process the first of a new process namespace.
    public static func startProcesses() throws(RunError) {
        if rmpfs_unshare(Int32(RMPFS_NEW_PROCESSES)) != 0 { throw .noNamespace(.current) }
    }

    /// Moves this thread, and those that it starts, to a copy of its mount namespace.
    /// - Returns: 0, or -1 with errno set.
    static func copyMounts() -> Int32 { rmpfs_unshare(Int32(RMPFS_NEW_MOUNTS)) }

    /// Ends this process when the one that started it does.
    static func endWithParent() {
        _ = rmpfs_end_with_parent()
    }

    /// Takes the right to mount from the program that this thread executes next.
    static func giveUpMounting() {
        _ = rmpfs_keep_mount_right(0)
    }

    private static func write(_ text: String, to path: String) throws(Errno) {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw .current }
        defer { close(file) }
        let bytes = Array(text.utf8)
        if Glibc.write(file, bytes, bytes.count) != bytes.count { throw .current }
    }

    /// The switches by which systems deny users user namespaces, and the values that do.
    private static let switches: KeyValuePairs<String, (forbidden: @Sendable (Int) -> Bool, allowed: Int)> = [
        "kernel.unprivileged_userns_clone": ({ $0 == 0 }, 1),
        "user.max_user_namespaces": ({ $0 == 0 }, 10_000),
        "kernel.apparmor_restrict_unprivileged_userns": ({ $0 != 0 }, 0),
    ]

    /// The setting that forbids user namespaces here, as a command that changes it.
    private static var hint: String? {
        for (name, rule) in switches {
            let path = "/proc/sys/" + name.split(separator: ".").joined(separator: "/")
            guard let bytes = SystemFiles.contents(of: path),
                let value = Int(String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" })
            else { continue }
            if rule.forbidden(value) { return "sysctl -w \(name)=\(rule.allowed)" }
        }
        return nil
    }
}
