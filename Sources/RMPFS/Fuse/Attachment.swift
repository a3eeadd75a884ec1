// SPDX-License-Identifier: Apache-2.0
// Mounts a session's tree on a folder: with mount(2) on exactly the folder that was checked, or with fusermount3, as
// libfuse does, for users who may not mount.

import CFuse
import Glibc

enum Attachment {
    /// Mounts, and returns the number of the file system, `major:minor`.
    /// - Parameter before: the mounts that existed before.
    /// - Throws: ``MountError/exchanged(path:)`` if the mount ended up somewhere else; then call
    ///   ``detachStray(since:)``.
    static func attach(
        _ session: OpaquePointer,
        to point: MountPoint,
        options: MountOptions,
        before: Set<Int>
    ) throws(MountError) -> String? {
        let path = point.path
        let place: Place
        if let taken = point.takePlace() { place = taken } else { place = try MountPoint.find(path) }
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard device >= 0 else { throw .noDevice(.current) }
        var words = ["fd=\(device)", "rootmode=40000", "user_id=\(getuid())", "group_id=\(getgid())"]
        words += ["default_permissions"]
        if options.letsOthersIn { words.append("allow_other") }
        words += options.securityWords
        let source = (options.source ?? "rmpfs").systemName
        let data = words.joined(separator: ",").systemName
        if mount(source, place.link, MountTableEntry.ownType, options.flags, data) == 0 {
            // Since libfuse 3.3 this means a device that is already mounted.
            if fuse_session_mount(session, "/dev/fd/\(device)") != 0 { throw Mount.refusal(path) }
            return entry(at: place, before)?.device
        }
        let error = Errno.current
        close(device)
        guard error == .notPermitted, geteuid() != 0 else { throw refusal(path, error, options) }
        if fuse_session_mount(session, path.systemName) != 0 { throw Mount.refusal(path) }
        if let entry = entry(at: place, before) { return entry.device }
        throw .exchanged(path: path)
    }

    private static func refusal(_ path: String, _ error: Errno, _ options: MountOptions) -> MountError {
        guard error == .invalid, let word = options.securityWords.first, access("/sys/fs/selinux/enforce", F_OK) != 0
        else { return .refused(path: path, reason: error.description) }
        return .refused(
            path: path,
            reason: "\(error). The word \(word) is for SELinux, which is not here. Leave it out"
        )
    }

    /// Detaches what the helper mounted on another folder because it followed the path. Without its session the mount
    /// is dead, which distinguishes it from others.
    static func detachStray(since before: Set<Int>) {
        for entry in MountTable.entries() where entry.isOurs && entry.user == getuid() && !before.contains(entry.id) {
            guard let stray = try? Place.find(entry.mountPoint), stray.mount == entry.id,
                MountPoint.ask(stray.link) == ENOTCONN
            else { continue }
            try? Unmount.detach(stray)
        }
    }

    /// The new mount on a folder. Its path in the table and that of the folder are read at different times.
    private static func entry(at place: Place, _ before: Set<Int>) -> MountTableEntry? {
        guard let parent = place.mount else { return nil }
        for _ in 0..<64 {
            let table = MountTable.entries()
            guard let path = place.path else { return nil }
            let new = table.filter { $0.isOurs && !before.contains($0.id) }
            let found = new.last { $0.parent == parent && $0.mountPoint.utf8.elementsEqual(path.utf8) }
            if let found { return found }
            // Somebody else may have mounted over it in the meantime.
            if let over = new.last(where: { $0.mountPoint.utf8.elementsEqual(path.utf8) }) { return over }
            if new.isEmpty { return nil }
        }
        return nil
    }
}
