// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for the running kernel's own configfs, debugfs and RMPOPT files.

import Glibc
import RMPFS

extension Check {
    static let kernelInterfaceChecks = [
        Check(
            "configfs",
            .kernelInterface,
            "The kernel's configfs is mounted at /sys/kernel/config.",
            hint: "As root: mount -t configfs configfs /sys/kernel/config"
        ) { host in fileSystem("configfs", at: "/sys/kernel/config", of: host) },
        Check(
            "debugfs",
            .kernelInterface,
            "The kernel's debugfs is mounted at /sys/kernel/debug.",
            hint: "As root: mount -t debugfs debugfs /sys/kernel/debug"
        ) { host in fileSystem("debugfs", at: "/sys/kernel/debug", of: host) },
        Check(
            "kernel-rmpopt",
            .kernelInterface,
            "The running kernel has the files of the RMPOPT series, and this user may read the table.",
            hint: "Read it as root: series v6 to v8 make it 0400, and debugfs itself is root's."
        ) { host in
            if let folder = rmpoptFolders.first(where: host.isFolder) {
                let table = folder + "/rmpopt-table"
                if let error = host.errorOpening(table, O_RDONLY) { return .fail("\(table): \(error)") }
                // Its folder is that of v1.
                let module = "/sys/kernel/debug/\(ModuleFiles.cpus)"
                if host.errorOpening(module, O_RDONLY) == nil { return .pass("\(table) is there: the module rmpopt") }
                return .pass("\(table) is there: this kernel has the series, v1 to v8")
            }
            if host.isFolder("/sys/kernel/config/rmpopt") {
                return .fail(
                    "/sys/kernel/config/rmpopt is there, but no rmpopt-table that can be seen",
                    hint: "Mount debugfs, and look as root: mount -t debugfs debugfs /sys/kernel/debug"
                )
            }
            return .notApplicable("this kernel has no RMPOPT files, or debugfs is closed to this user")
        },
        Check(
            "kernel-rmpopt-driver",
            .kernelInterface,
            "Which form of the RMPOPT driver the running kernel has, by the names of its functions.",
            hint: "It cannot fail: a kernel without the driver is as good."
        ) { host in
            guard let symbols = SystemFiles.contents(of: host.path(KernelSymbols.path)) else {
                return .notApplicable("\(KernelSymbols.path) cannot be read")
            }
            let found = KernelSymbols.series(in: symbols)
            guard let first = found.first else { return .notApplicable("this kernel has no RMPOPT driver") }
            let words = KernelSymbols.words(found)
            let files =
                found.contains { $0.debugfsTable != nil } ? "" : "; it shows no files, but the module rmpopt does"
            return .pass("\(first.entryPoint)() is there: the driver of \(words)\(files)")
        },
    ]

    /// Where the series put `rmpopt-table`: v1, and v2 to v8.
    private static let rmpoptFolders = ["/sys/kernel/debug/rmpopt", "/sys/kernel/debug/x86/rmpopt"]

    /// A simulated host needs neither; a kernel that supports one should have it mounted.
    private static func fileSystem(_ type: String, at path: String, of host: Host) -> Finding {
        let table = SystemFiles.contents(of: host.path("/proc/self/mountinfo")).map(MountTable.entries(in:)) ?? []
        if table.contains(where: { $0.type == type && $0.mountPoint == path }) { return .pass("mounted at \(path)") }
        let known = host.lines("/proc/filesystems")?.contains { $0.split { " \t".contains($0) }.last == type[...] }
        guard known == true else { return .notApplicable("this kernel has no \(type); a simulated host needs none") }
        return .notApplicable("not mounted; only a real host's files need it")
    }
}
