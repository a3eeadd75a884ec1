// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for FUSE: the kernel's side, the device, the right to mount, libfuse.

import Glibc
import RMPFS

extension Check {
    static let fuseChecks = [
        Check(
            "fuse-module",
            .fuse,
            "The kernel has FUSE.",
            hint: "Load the module: modprobe fuse. In a container, load it on the host."
        ) { host in
            guard let lines = host.lines("/proc/filesystems") else { return .fail("/proc/filesystems cannot be read") }
            let names = lines.compactMap { $0.split { " \t".contains($0) }.last }
            return names.contains("fuse") ? .pass("the kernel has it") : .fail("the kernel does not have it")
        },
        Check(
            "fuse-device",
            .fuse,
            "/dev/fuse can be opened for reading and writing.",
            hint: "Load the module (modprobe fuse); in a container, pass the device: --device /dev/fuse."
        ) { host in
            switch host.errorOpening("/dev/fuse") {
            case nil: .pass("/dev/fuse can be opened")
            case .some(.accessDenied):
                .fail(
                    "/dev/fuse: \(Errno.accessDenied)",
                    hint: "Let users open it, as most systems do: chmod 666 /dev/fuse. Or mount as root."
                )
            case .some(let error): .fail("/dev/fuse: \(error)")
            }
        },
        Check(
            "mount-privilege",
            .fuse,
            "This user may mount: CAP_SYS_ADMIN, or a setuid fusermount3.",
            hint: "Install fusermount3 (apt-get install fuse3), or mount as root."
        ) { host in
            if host.mayMount { return .pass("this process has CAP_SYS_ADMIN") }
            if host.user == 0 {
                return .fail("root without CAP_SYS_ADMIN", hint: "Start the container with --cap-add SYS_ADMIN.")
            }
            guard let helper = helperPaths.first(where: { access(host.path($0).systemName, X_OK) == 0 }) else {
                return .fail("not root, and there is no fusermount3")
            }
            var status = stat()
            guard stat(host.path(helper).systemName, &status) == 0, status.st_uid == host.rootOwner,
                status.st_mode & S_ISUID != 0
            else {
                return .fail(
                    "\(helper) is not setuid root",
                    hint: "As root: chown root \(helper); chmod 4755 \(helper)"
                )
            }
            if host.field("NoNewPrivs", in: "/proc/self/status")?.first == "1" {
                return .fail(
                    "no_new_privs is set, which keeps \(helper) from helping",
                    hint: "Mount as root, or start the container without no-new-privileges."
                )
            }
            return .pass("\(helper) is setuid root")
        },
        Check(
            "libfuse",
            .fuse,
            "libfuse is 3.12 or newer.",
            hint: "Install libfuse 3.12 or newer: apt-get install libfuse3-3."
        ) { _ in
            let loaded = "libfuse \(LibraryVersion.text)"
            return LibraryVersion.number >= 312 ? .pass(loaded) : .fail("\(loaded) is too old")
        },
        Check(
            "allow-other",
            .fuse,
            "Users may let others into their mounts: user_allow_other in /etc/fuse.conf.",
            hint: "As root, add a line user_allow_other to /etc/fuse.conf."
        ) { host in
            if host.user == 0 { return .notApplicable("root's mounts let others in as far as the modes do") }
            let isSet = host.lines("/etc/fuse.conf")?.contains { line in
                line.prefix { $0 != "#" }.split { " \t".contains($0) } == ["user_allow_other"]
            }
            guard isSet == true else {
                return .notApplicable("not set: mount without -o allow_other, for yourself alone")
            }
            return .pass("user_allow_other is set")
        },
    ]

    private static let helperPaths = ["/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"]
}
