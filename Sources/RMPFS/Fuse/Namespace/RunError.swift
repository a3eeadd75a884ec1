// SPDX-License-Identifier: Apache-2.0
// Every reason why a command cannot run on a simulated host, each with its text and its remedy.

/// Why a command was not run.
public enum RunError: Error, Hashable, Sendable {
    /// Root could not create namespaces.
    case noNamespace(Errno)
    /// The user could not create a user namespace; with a command that would allow it, if known.
    case noUserNamespace(Errno, String?)
    /// There is no sysfs in which to show the host.
    case noSysfs(path: String)
    /// A call that sets up the kernel's paths failed.
    case notArranged(path: String, call: String, Errno)
    /// The host's tree could not be mounted.
    case notMounted(MountError)
    /// The command could not be started.
    case notStarted(command: String, Errno)
    /// Somebody else started a process that only we start.
    case byHand
    /// A process of ours could not be started.
    case noProcess(call: String, Errno)

    /// The exit status, as for env(1) and timeout(1): 127 for a command that does not exist, 126 for one that cannot be
    /// executed, 125 for everything else; 64 for incorrect usage.
    public var exitStatus: Int32 {
        switch self {
        case .notStarted(_, .noSuchFile): 127
        case .notStarted: 126
        case .byHand: 64
        default: 125
        }
    }
}

extension RunError: CustomStringConvertible {
    /// What is wrong, and how to fix it.
    public var description: String {
        switch self {
        case .noNamespace(let error):
            "cannot make a mount namespace: \(error). The kernel needs namespaces (CONFIG_NAMESPACES) and a free one "
                + "(sysctl user.max_mnt_namespaces)"
        case .noUserNamespace(let error, let hint):
            "cannot make a user namespace: \(error). Run this as root"
                + (hint.map { ", or let users have user namespaces: \($0)" } ?? "; a container needs CAP_SYS_ADMIN")
        case .noSysfs(let path):
            "\(path): no such folder. Mount sysfs first: mount -t sysfs sysfs /sys"
        case .notArranged(let path, let call, let error):
            "\(path): \(call): \(error). The host cannot be shown there; use rmpfs mount and its folder instead"
        case .notMounted(let error):
            error.description
        case .notStarted(let command, let error):
            "\(command): \(error)"
        case .byHand:
            "this option is for a process that rmpfs run starts by itself. Leave it out: rmpfs run -- COMMAND"
        case .noProcess(let call, let error):
            "cannot start a process: \(call): \(error)"
        }
    }
}
