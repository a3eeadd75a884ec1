// SPDX-License-Identifier: Apache-2.0
// Every reason why a tree cannot be mounted or unmounted, each with its text and its remedy.

/// Why a mount or an unmount failed.
public enum MountError: Error, Hashable, Sendable {
    /// The mount point does not exist.
    case missing(path: String)
    /// The path to the mount point contains another user's symbolic link.
    case linkOfOther(path: String, link: String, user: UInt32)
    /// The mount point is not a folder.
    case notDirectory(path: String)
    /// This user may not look at or write to the mount point.
    case noPermission(path: String, Errno)
    /// The mount point is not empty.
    case notEmpty(path: String)
    /// A live rmpfs is already mounted there.
    case alreadyMounted(path: String)
    /// The mount there neither answers nor is dead.
    case notAnswering(path: String)
    /// Another file system, which does not answer, is mounted there.
    case deadForeignMount(path: String, type: String)
    /// A dead rmpfs mount could not be unmounted.
    case notRecovered(path: String, reason: String)
    /// /dev/fuse does not exist or cannot be opened.
    case noDevice(Errno)
    /// /dev/fuse is not the FUSE device.
    case otherDevice
    /// Not root, and no setuid fusermount3 to help.
    case noHelper
    /// A user who may not asked for allow_other.
    case allowOtherForbidden
    /// The mount namespace that mount(8)'s -N names cannot be entered.
    case noNamespace(path: String, Errno)
    /// libfuse or the kernel refused.
    case refused(path: String, reason: String)
    /// No rmpfs is mounted there.
    case notMounted(path: String, type: String?)
    /// Another user mounted it.
    case mountedByOther(path: String, user: UInt32)
    /// The mount is in use.
    case busy(path: String)
    /// Something is mounted on the mount.
    case mountedBelow(path: String, other: String, type: String)
    /// Somebody keeps exchanging parts of the path.
    case exchanged(path: String)
    /// The unmount call failed.
    case unmountFailed(path: String, reason: String)
    /// Reading requests failed while the tree was mounted.
    case deviceFailed(Errno)
    /// The calling process, with which the mount is to end, has ended or cannot be watched.
    case noParent(Errno)
    /// A thread could not be created.
    case noThread(Errno)
}

extension MountError: CustomStringConvertible {
    /// What is wrong, and how to fix it.
    public var description: String {
        switch self {
        case .missing(let path):
            "\(path): no such folder. Make it first: mkdir -p '\(path)'"
        case .linkOfOther(let path, let link, let user):
            "\(path): \(link) is a symbolic link of the user with id \(user), who can make it lead anywhere. Give the "
                + "path without it"
        case .notDirectory(let path):
            "\(path): not a folder. Give an empty folder as the mount point"
        case .noPermission(let path, let error):
            "\(path): \(error). The mount point must be a folder that you can write to; choose another, or mount as "
                + "root"
        case .notEmpty(let path):
            "\(path): the folder is not empty. Give an empty folder, or cover what is in it with -o nonempty"
        case .alreadyMounted(let path):
            "\(path): an rmpfs is mounted here already. Unmount it first: rmpfs unmount '\(path)'"
        case .notAnswering(let path):
            "\(path): what is mounted here does not answer. Unmount it first: umount -l '\(path)', "
                + "or fusermount3 -uz '\(path)'"
        case .deadForeignMount(let path, let type):
            "\(path): a dead mount of type \(type) is here. Unmount it first: fusermount3 -uz '\(path)'"
        case .notRecovered(let path, let reason):
            "\(path): a dead rmpfs mount is here and could not be removed (\(reason)). "
                + "Unmount it as the user who mounted it: fusermount3 -uz '\(path)'"
        case .noDevice(.accessDenied):
            "/dev/fuse: \(Errno.accessDenied). Let users open it (chmod 666 /dev/fuse, as distributions do), "
                + "or mount as root"
        case .noDevice(let error):
            "/dev/fuse: \(error). Load the fuse module (modprobe fuse); in a container, pass the device "
                + "(--device /dev/fuse)"
        case .otherDevice:
            "/dev/fuse: not the FUSE device. Make it anew: rm /dev/fuse && mknod -m 666 /dev/fuse c 10 229; in a "
                + "container, pass the device (--device /dev/fuse)"
        case .noHelper:
            "fusermount3: not found, or not setuid root. Install it (apt-get install fuse3), or mount as root"
        case .allowOtherForbidden:
            "mount option 'allow_other': only for root, unless /etc/fuse.conf has a line user_allow_other. "
                + "Add that line, or leave the option out"
        case .noNamespace(let path, let error):
            "\(path): \(error). -N takes the number of a process, or its /proc/PID/ns/mnt, and root"
        case .refused(let path, let reason):
            "\(path): the mount was refused: \(reason)"
        case .notMounted(let path, .some(let type)):
            "\(path): a mount of type \(type) is here, not an rmpfs. Unmount it with umount(8)"
        case .notMounted(let path, nil):
            "\(path): nothing is mounted here. See 'findmnt -t \(MountTableEntry.ownType)' for the mounts of rmpfs"
        case .mountedByOther(let path, let user):
            "\(path): the user with id \(user) mounted it. Unmount it as that user or as root"
        case .busy(let path):
            "\(path): in use: a process has a file open there, or its working directory. "
                + "Find it with 'fuser -vm \(path)', or detach the mount at once: rmpfs unmount --lazy '\(path)'"
        case .mountedBelow(let path, let other, let type):
            "\(path): a mount of type \(type) is on it, at \(other). Unmount that first: umount '\(other)', "
                + "or detach both at once: rmpfs unmount --lazy '\(path)'"
        case .exchanged(let path):
            "\(path): someone keeps renaming what is on this path, so nothing was done. Try again, or choose a folder "
                + "nobody else can write to"
        case .unmountFailed(let path, let reason):
            "\(path): cannot unmount: \(reason)"
        case .deviceFailed(let error):
            "/dev/fuse: \(error) while serving: the mount has ended. Mount again"
        case .noParent(let error):
            "--die-with-parent: the process that called: \(error). It has to wait for the mount, on Linux 5.3 or newer"
        case .noThread(let error):
            "cannot start a thread: \(error)"
        }
    }
}
