// SPDX-License-Identifier: Apache-2.0
// Shows a host's tree at the kernel's own paths in a mount namespace of this process, also where the running kernel
// has no folder for them: sysfs takes no mkdir(2).

import Glibc

/// `/sys/kernel/config` and `/sys/kernel/debug` in a private mount namespace.
enum KernelPaths {
    private static let kernel = "/sys/kernel"
    /// Where configfs is mounted.
    static let config = "\(kernel)/config"
    /// Where debugfs is mounted.
    static let debug = "\(kernel)/debug"

    /// Takes this namespace apart from the one that it was copied from, gives it a /proc of its own processes, and
    /// makes the two folders, if the kernel has none.
    static func prepare() throws(RunError) {
        // Mounts from outside still come in; none goes out.
        try call("mount", "/", mount(nil, "/", nil, flags(MS_REC, MS_SLAVE), nil))
        // In a container with parts of /proc hidden a user may not; then /proc shows the processes outside as well.
        _ = mount("proc", "/proc", "proc", flags(MS_NOSUID, MS_NODEV, MS_NOEXEC), nil)
        guard isFolder(kernel) else { throw .noSysfs(path: kernel) }
        if !isFolder(config) || !isFolder(debug) { try standIn() }
    }

    /// Shows a mounted tree with the folders `config` and `debug` at the kernel's paths. The tree must be mounted at
    /// ``config``, and be answering; it ends up hidden there.
    static func show() throws(RunError) {
        try call("mount", debug, mount("\(config)/debug", debug, nil, flags(MS_BIND), nil))
        try call("mount", config, mount("\(config)/config", config, nil, flags(MS_BIND), nil))
    }

    /// Puts a tmpfs over /sys/kernel with everything that is there bound back into it, and room for two folders more.
    private static func standIn() throws(RunError) {
        let entries = SystemFiles.names(in: kernel)
        guard let names = entries else { throw .notArranged(path: kernel, call: "open", .current) }
        let old = open(kernel, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try call("open", kernel, old < 0 ? -1 : 0)
        defer { close(old) }
        let kept = flags(MS_NOSUID, MS_NODEV, MS_NOEXEC)
        try call("mount", kernel, mount("sysfs", kernel, "tmpfs", kept, "mode=755"))
        for name in names { bindBack(name, from: old) }
        for folder in [config, debug] where mkdir(folder, 0o755) != 0 && errno != EEXIST {
            throw .notArranged(path: folder, call: "mkdir", .current)
        }
        // As sysfs, it takes no new names.
        try call("mount", kernel, mount(nil, kernel, nil, kept | flags(MS_REMOUNT, MS_BIND, MS_RDONLY), nil))
    }

    /// Shows one entry of the folder `old` again. What cannot be shown is not there.
    private static func bindBack(_ name: String, from old: Int32) {
        let source = "/proc/self/fd/\(old)/\(name)"
        let target = "\(kernel)/\(name)"
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

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func call(_ name: String, _ path: String, _ result: Int32) throws(RunError) {
        if result != 0 { throw .notArranged(path: path, call: name, .current) }
    }

    private static func flags(_ flags: Int...) -> UInt { flags.reduce(0) { $0 | UInt($1) } }
}
