// SPDX-License-Identifier: Apache-2.0
// Unmounts: by umount2(2) as root, by fusermount3 as a user. Root cannot be led to another mount, whatever happens to
// the path in the meantime.

import Glibc

/// Unmounting.
public enum Unmount {
    /// Unmounts the rmpfs at `given`.
    /// - Parameter lazy: detach it at once; it ends when its last user is gone.
    public static func unmount(_ given: String, lazy: Bool = false) throws(MountError) {
        var place: Place?
        do {
            place = try MountPoint.find(given)
        } catch {
            if case .missing(let path) = error { throw .notMounted(path: path, type: nil) }
            throw error
        }
        let path = place?.path ?? given
        let entry = place?.mountedHere
        guard let entry, entry.isOurs else { throw .notMounted(path: path, type: entry?.type) }
        if geteuid() != 0, let user = entry.user, user != getuid() { throw .mountedByOther(path: path, user: user) }
        do {
            if lazy, let place { return try detach(place) }
            // Holding a mount makes it busy: from here on, hold only the folder that contains it.
            let name = try FolderEntry(of: entry)
            place = nil
            try umount(name.link, path, flags: UMOUNT_NOFOLLOW, helperFlags: ["-u"])
        } catch .busy {
            if MountUsers.onlyReadStreams(of: entry), let place = try? MountPoint.find(given),
                place.mount == entry.id, (try? detach(place)) != nil
            {
                return
            }
            guard let below = MountTable.mounts(on: entry).last else { throw .busy(path: path) }
            throw .mountedBelow(path: path, other: below.mountPoint, type: below.type)
        } catch .noSuchFile {
            throw .exchanged(path: path)
        } catch {
            throw .unmountFailed(path: path, reason: error.description)
        }
    }

    /// Detaches the mount whose root this is, even if it is in use.
    static func detach(_ place: Place) throws(Errno) {
        // Without UMOUNT_NOFOLLOW: the path is a link, of the kernel's own.
        try umount(place.link, place.path ?? place.link, flags: Int32(MNT_DETACH), helperFlags: ["-u", "-z"])
    }

    /// A mount identified by the folder that contains it and its name there: while it is mounted, no other entry can
    /// take that name (EBUSY of rename(2)), and the folder is held.
    private struct FolderEntry {
        private let folder: Place
        private let name: String

        var link: String { "\(folder.link)/\(name)" }

        init(of entry: MountTableEntry) throws(Errno) {
            let bytes = entry.mountPoint.systemBytes
            let slash = bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0
            let name = String(systemBytes: bytes[slash...].dropFirst())
            guard let folder = try? Place.find(String(systemBytes: bytes[...slash])),
                folder.child(name)?.mount == entry.id
            else { throw .noSuchFile }
            (self.folder, self.name) = (folder, name)
        }
    }

    private static let UMOUNT_NOFOLLOW: Int32 = 8

    /// - Parameter path: for the helper, which follows it with the calling user's rights.
    private static func umount(_ link: String, _ path: String, flags: Int32, helperFlags: [String]) throws(Errno) {
        if umount2(link.systemName, flags) == 0 { return }
        // Only users who may not unmount at all need the helper.
        guard geteuid() != 0, Errno.current == .notPermitted else { throw .current }
        guard let helper = Helper.path else { throw .notPermitted }
        let status = try run(helper, helperFlags + ["-q", "--", path])
        // The helper gives its reasons only as text; a mount that still exists after the call is in use.
        if status != 0 { throw MountTable.entry(at: path) == nil ? .notPermitted : .busy }
    }

    /// Runs a program to its end.
    /// - Returns: its exit status, or 128 plus the signal's number.
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
