// SPDX-License-Identifier: Apache-2.0
// mount(8)'s -N: mounts in another mount namespace, for example a container's.

import CFuse
import Glibc

/// Mount namespaces of other processes.
public enum MountNamespace {
    /// Moves this process, which must have only one thread, into a mount namespace; its working folder becomes `/`.
    /// - Parameter given: a file such as /proc/1/ns/mnt, or a PID, as for mount(8)'s `-N`.
    public static func enter(_ given: String) throws(MountError) {
        let isNumber = !given.isEmpty && given.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let path = isNumber ? "/proc/\(given)/ns/mnt" : given
        let descriptor = open(path.systemName, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .noNamespace(path: path, .current) }
        defer { close(descriptor) }
        if rmpfs_enter_mounts(descriptor) != 0 { throw .noNamespace(path: path, .current) }
    }
}
