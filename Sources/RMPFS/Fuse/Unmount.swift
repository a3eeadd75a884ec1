// SPDX-License-Identifier: Apache-2.0
// Takes mounts away: by umount2(2) as root, by fusermount3 as a user.

import Glibc

/// Unmounting.
public enum Unmount {
    /// Unmounts the rmpfs at `given`.
    /// - Parameter lazy: detach it at once and let it end when its last user has gone.
    public static func unmount(_ given: String, lazy: Bool = false) throws(MountError) {
        guard let path = MountPoint.resolve(given) else {
            let error = Errno.current
            throw error == .noSuchFile ? .notMounted(path: given, type: nil) : .noPermission(path: given, error)
        }
        let entry = MountTable.entry(at: path)
        guard let entry, entry.isOurs else { throw .notMounted(path: path, type: entry?.type) }
        if geteuid() != 0, let user = entry.user, user != getuid() { throw .mountedByOther(path: path, user: user) }
        do {
            if lazy { try detach(path) } else { try umount(path, flags: UMOUNT_NOFOLLOW, helperFlags: ["-u"]) }
        } catch .busy {
            throw .busy(path: path)
        } catch {
            throw .unmountFailed(path: path, reason: error.description)
        }
    }

    /// Detaches whatever is mounted at `path`, in use or not.
    static func detach(_ path: String) throws(Errno) {
        try umount(path, flags: UMOUNT_NOFOLLOW | Int32(MNT_DETACH), helperFlags: ["-u", "-z"])
    }

    private static let UMOUNT_NOFOLLOW: Int32 = 8

    private static func umount(_ path: String, flags: Int32, helperFlags: [String]) throws(Errno) {
        if geteuid() == 0 {
            if umount2(path.systemName, flags) != 0 { throw .current }
            return
        }
        guard let helper = Helper.path else { throw .noSuchFile }
        let status = try run(helper, helperFlags + ["-q", "--", path])
        // The helper says why only in words; a mount that is still there after it was asked is in use.
        if status != 0 { throw MountTable.entry(at: path) == nil ? .notPermitted : .busy }
    }

    /// Runs a program to its end.
    /// - Returns: its exit status, or 128 and the signal's number.
    private static func run(_ program: String, _ arguments: [String]) throws(Errno) -> Int32 {
        var vector: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0.systemName) }
        vector.append(nil)
        defer { for argument in vector { free(argument) } }
        // The helper must not inherit blocked signals.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process = pid_t()
        let failure = posix_spawn(&process, program, nil, &attributes, vector, environ)
        if failure != 0 { throw Errno(rawValue: failure) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            if errno != EINTR { throw .current }
        }
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
