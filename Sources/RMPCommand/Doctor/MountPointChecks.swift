// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for a mount point given on the command line.

import Glibc
import RMPFS

extension Check {
    static let mountPointChecks = [
        Check(
            "mount-point-answers",
            .mountPoint,
            "What is mounted there, if anything, answers.",
            hint: "Unmount it: umount -l, as a user fusermount3 -uz."
        ) { host in
            guard let given = host.mountPoint else { return .notApplicable("no mount point was given") }
            guard let path = host.resolvedMountPoint else {
                return .fail("\(given): \(Errno.current)", hint: "Make it: mkdir -p '\(given)'")
            }
            let type = host.mount(at: path)?.type
            switch MountPoint.ask(host.path(path)) {
            case nil:
                return .fail("\(path): no answer within 5 s", hint: "umount -l '\(path)', or fusermount3 -uz '\(path)'")
            case .some(ENOTCONN) where type == MountTableEntry.ownType:
                return .fail(
                    "\(path): a dead rmpfs is mounted there",
                    hint: "rmpfs unmount '\(path)', or mount again: rmpfs mount '\(path)'"
                )
            case .some(ENOTCONN):
                return .fail("\(path): a dead mount of type \(type ?? "unknown")", hint: "fusermount3 -uz '\(path)'")
            default: return .pass(type.map { "a mount of type \($0) answers" } ?? "nothing is mounted there")
            }
        },
        Check(
            "mount-point-free",
            .mountPoint,
            "No rmpfs is mounted there yet.",
            hint: "Use the mount that is there, or unmount it: rmpfs unmount.",
            needs: "mount-point-answers"
        ) { host in
            guard let path = host.resolvedMountPoint else { return .fail("it has gone meanwhile") }
            guard host.mount(at: path)?.isOurs == true else { return .pass("no rmpfs is mounted there") }
            return .fail("\(path): an rmpfs is mounted there", hint: "Use it, or: rmpfs unmount '\(path)'")
        },
        Check(
            "mount-point-folder",
            .mountPoint,
            "It is a folder, and one that this user may write to.",
            hint: "Take a folder of your own, or mount as root.",
            needs: "mount-point-free"
        ) { host in
            guard let path = host.resolvedMountPoint else { return .fail("it has gone meanwhile") }
            guard host.isFolder(path) else { return .fail("\(path) is not a folder", hint: "Take an empty folder.") }
            // mount(2) does not check root's permissions, so a read-only file system is fine.
            let mayUse = host.user == 0 || access(host.path(path).systemName, W_OK | X_OK) == 0
            return mayUse ? .pass("\(path) is a folder to mount on") : .fail("\(path): \(Errno.current)")
        },
        Check(
            "mount-point-empty",
            .mountPoint,
            "Nothing is in it.",
            hint: "Take an empty folder, or cover what is in it: -o nonempty.",
            needs: "mount-point-folder"
        ) { host in
            guard let path = host.resolvedMountPoint else { return .fail("it has gone meanwhile") }
            guard let names = SystemFiles.names(in: host.path(path), limit: 1) else {
                return .fail("\(path): \(Errno.current)")
            }
            return names.isEmpty ? .pass("\(path) is empty") : .fail("\(path) is not empty")
        },
    ]
}

extension Host {
    /// The mount point as an absolute path of the machine, without links; nil if it is not there.
    fileprivate var resolvedMountPoint: String? {
        guard let mountPoint else { return nil }
        if isLive { return MountPoint.resolve(mountPoint) }
        guard let base = MountPoint.resolve(root),
            let resolved = MountPoint.resolve(root + (mountPoint.hasPrefix("/") ? "" : "/") + mountPoint)
        else { return nil }
        // Compared by bytes: Swift treats canonically equivalent characters as equal, file systems do not.
        let (whole, start) = (resolved.systemBytes, (base + "/").systemBytes)
        return whole.starts(with: start) ? String(systemBytes: whole.dropFirst(start.count - 1)) : nil
    }

    /// The topmost mount at a path of the machine.
    fileprivate func mount(at path: String) -> MountTableEntry? {
        guard let table = SystemFiles.contents(of: self.path("/proc/self/mountinfo")) else { return nil }
        return MountTable.entries(in: table).last { $0.mountPoint.utf8.elementsEqual(path.utf8) }
    }
}
