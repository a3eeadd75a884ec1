// SPDX-License-Identifier: Apache-2.0
// Shows a host's trees at the kernel's own paths in a private mount namespace, even where the running kernel has no
// folder for them: sysfs does not support mkdir(2). Nothing in the namespace can change the machine's own sysfs.

import Glibc

/// The paths below `/sys` that a simulated host covers, in a private mount namespace.
///
/// The process that has the device calls ``prepare()``, mounts and calls ``leave()``; ``show()``, which reaches mounts
/// by their paths, is for a process that does not have it.
enum KernelPaths {
    private static let kernel = "/sys/kernel"
    private static let system = "/sys/devices/system"
    private static let modules = "/sys/module"
    /// Where configfs is mounted.
    static let config = "\(kernel)/config"
    /// Where debugfs is mounted.
    static let debug = "\(kernel)/debug"
    /// The folder of the CPUs. The whole tree of the hardware is first mounted here, and hidden here in the end.
    static let cpus = "\(system)/cpu"

    /// A tree, its mount point, and the source in /proc/mounts, by which scripts find it.
    struct Place {
        let tree: Directory
        let path: String
        let source: String
    }

    /// The places of a host's trees, in the order in which they are mounted.
    static func places(of trees: KernelTrees) -> [Place] {
        let places = [
            Place(tree: trees.config, path: config, source: "configfs"),
            Place(tree: trees.debug, path: debug, source: "debugfs"),
        ]
        return hasHardware ? places + [Place(tree: trees.hardware, path: cpus, source: "sysfs")] : places
    }

    /// The folders of the hardware tree and where they are shown; the last one covers the tree itself.
    private static let hardware: KeyValuePairs<String, String> = [
        KernelTrees.nodes: "\(system)/node",
        KernelTrees.moduleParameters: "\(modules)/kvm_amd/parameters",
        KernelTrees.cpus: cpus,
    ]

    private static var hasHardware: Bool { isFolder(cpus) }

    /// Detaches this namespace from the one that it was copied from, makes the folders that the kernel lacks, and makes
    /// the rest of sysfs read-only.
    static func prepare() throws(RunError) {
        // Mounts still propagate in, but not out.
        try call("mount", "/", mount(nil, "/", nil, flags(MS_REC, MS_SLAVE), nil))
        guard isFolder(kernel) else { throw .noSysfs(path: kernel) }
        try standIn(over: kernel, for: ["config", "debug"])
        if hasHardware {
            try standIn(over: system, for: ["node"])
            if isFolder(modules) { try standIn(over: modules, for: ["kvm_amd", "kvm_amd/parameters"]) }
        }
        try protectSysfs()
        try hideRegisters()
    }

    /// Moves this process to a copy of the namespace that does not have the mounts.
    ///
    /// Until then nothing may access the mounts, not even stat(2) their roots: nobody answers yet.
    static func leave(_ places: [Place]) throws(RunError) {
        try call("unshare", "/", PrivateNamespace.copyMounts())
        for place in places { try call("umount", place.path, umount2(place.path, Int32(MNT_DETACH))) }
    }

    /// Shows the parts of the hardware tree at their paths. The tree must already be answering.
    static func show() throws(RunError) {
        for (name, path) in hardware where isFolder("\(cpus)/\(name)") && isFolder(path) {
            try call("mount", path, mount("\(cpus)/\(name)", path, nil, flags(MS_BIND), nil))
        }
    }

    /// Mounts a /proc of this process namespace.
    /// - Returns: the error that prevents it, as in a container where parts of /proc are hidden from a user.
    static func showProcesses() -> Errno? {
        mount("proc", "/proc", "proc", flags(MS_NOSUID, MS_NODEV, MS_NOEXEC), nil) == 0 ? nil : .current
    }

    // MARK: What the kernel does not have

    /// Covers a folder that lacks some folders with a tmpfs, into which all existing entries are bound back.
    private static func standIn(over folder: String, for missing: [String]) throws(RunError) {
        if missing.allSatisfy({ isFolder("\(folder)/\($0)") }) { return }
        let entries = SystemFiles.names(in: folder)
        guard let names = entries else { throw .notArranged(path: folder, call: "open", .current) }
        let old = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try call("open", folder, old < 0 ? -1 : 0)
        defer { close(old) }
        let kept = flags(MS_NOSUID, MS_NODEV, MS_NOEXEC)
        try call("mount", folder, mount("sysfs", folder, "tmpfs", kept, "mode=755"))
        for name in names { bindBack(name, from: old, to: folder) }
        for name in missing where mkdir("\(folder)/\(name)", 0o755) != 0 && errno != EEXIST {
            // A bound entry is the kernel's own, in which mkdir(2) fails: the folder does not exist.
            if isReadOnly(errno) { continue }
            throw .notArranged(path: "\(folder)/\(name)", call: "mkdir", .current)
        }
        // Like sysfs, it accepts no new names.
        try call("mount", folder, mount(nil, folder, nil, kept | flags(MS_REMOUNT, MS_BIND, MS_RDONLY), nil))
    }

    private static func isReadOnly(_ error: Int32) -> Bool { [EPERM, EROFS, EACCES].contains(error) }

    /// Shows one entry of the folder `old` again. Entries that cannot be shown are left out.
    private static func bindBack(_ name: String, from old: Int32, to folder: String) {
        let source = "/proc/self/fd/\(old)/\(name)"
        let target = "\(folder)/\(name)"
        var status = stat()
        guard lstat(source, &status) == 0 else { return }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            guard mkdir(target, 0o755) == 0 else { return }
            if mount(source, target, nil, flags(MS_BIND, MS_REC), nil) != 0 { rmdir(target) }
        case S_IFLNK:
            var text = [CChar](repeating: 0, count: Int(PATH_MAX))
            if readlink(source, &text, text.count - 1) > 0 { symlink(text, target) }
        default:
            let file = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o444)
            guard file >= 0 else { return }
            close(file)
            if mount(source, target, nil, flags(MS_BIND), nil) != 0 { unlink(target) }
        }
    }

    // MARK: What is the machine's own

    /// Makes every sysfs of the namespace read-only, wherever it is: the CPUs, memory blocks and drivers that can be
    /// switched off there are the machine's, not the host's.
    private static func protectSysfs() throws(RunError) {
        let entries = MountTable.entries()
        for (index, entry) in entries.enumerated() where entry.type == "sysfs" {
            // A covered mount cannot be reached; what covers it is another entry.
            if entries[(index + 1)...].contains(where: { $0.mountPoint == entry.mountPoint }) { continue }
            var status = statvfs()
            // Nor can a mount below one that hides it.
            guard statvfs(entry.mountPoint, &status) == 0 else { continue }
            if status.f_flag & UInt(ST_RDONLY) != 0 { continue }
            // In a user namespace, mount flags can be added but not dropped.
            let result = mount(
                nil,
                entry.mountPoint,
                nil,
                keptFlags(status.f_flag) | flags(MS_REMOUNT, MS_BIND, MS_RDONLY),
                nil
            )
            // EINVAL: not a mount point, so it is hidden.
            if result != 0 && errno == EINVAL { continue }
            try call("mount", entry.mountPoint, result)
        }
    }

    /// The flags of a mount as statvfs(3) gives them, for mount(2).
    private static func keptFlags(_ found: UInt) -> UInt {
        let table: KeyValuePairs<UInt, UInt> = [
            2: flags(MS_NOSUID), 4: flags(MS_NODEV), 8: flags(MS_NOEXEC), 1024: flags(MS_NOATIME),
            2048: flags(MS_NODIRATIME), 4096: flags(MS_RELATIME),
        ]
        return table.reduce(0) { found & $1.key != 0 ? $0 | $1.value : $0 }
    }

    /// Hides the registers of the machine's processors, which msr(4) lets root write.
    private static func hideRegisters() throws(RunError) {
        let path = "/dev/cpu"
        guard isFolder(path) else { return }
        let kept = flags(MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_RDONLY)
        try call("mount", path, mount("none", path, "tmpfs", kept, "mode=755"))
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func call(_ name: String, _ path: String, _ result: Int32) throws(RunError) {
        if result != 0 { throw .notArranged(path: path, call: name, .current) }
    }

    private static func flags(_ flags: Int...) -> UInt { flags.reduce(0) { $0 | UInt($1) } }
}
