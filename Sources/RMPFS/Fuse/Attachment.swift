// SPDX-License-Identifier: Apache-2.0
// Puts a session's tree over a folder: by mount(2) over just the folder that was looked at, and by fusermount3 for who
// may not mount, as libfuse does.

import CFuse
import Glibc

enum Attachment {
    /// Mounts, and says under which number: `major:minor` of the file system.
    /// - Parameter before: the mounts that there were.
    /// - Throws: ``MountError/exchanged(path:)`` if it became a mount somewhere else, for ``detachStray(since:)``.
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
            // From libfuse 3.3 on this is a device that is mounted already.
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

    /// Takes away what the helper mounted on another folder, to which it followed the path. Without its session it is
    /// dead, which tells it from others.
    static func detachStray(since before: Set<Int>) {
        for entry in MountTable.entries() where entry.isOurs && entry.user == getuid() && !before.contains(entry.id) {
            guard let stray = try? Place.find(entry.mountPoint), stray.mount == entry.id,
                MountPoint.ask(stray.link) == ENOTCONN
            else { continue }
            try? Unmount.detach(stray)
        }
    }

    /// The new mount over a folder. Its path in the table and that of the folder are read at two times.
    private static func entry(at place: Place, _ before: Set<Int>) -> MountTableEntry? {
        guard let parent = place.mount else { return nil }
        for _ in 0..<64 {
            let table = MountTable.entries()
            guard let path = place.path else { return nil }
            let new = table.filter { $0.isOurs && !before.contains($0.id) }
            let found = new.last { $0.parent == parent && $0.mountPoint.utf8.elementsEqual(path.utf8) }
            if let found { return found }
            // Over what somebody else has mounted there meanwhile.
            if let over = new.last(where: { $0.mountPoint.utf8.elementsEqual(path.utf8) }) { return over }
            if new.isEmpty { return nil }
        }
        return nil
    }
}
