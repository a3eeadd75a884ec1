// SPDX-License-Identifier: Apache-2.0
// A mount from end to end, by plain system calls: what reads return, what writes do, and the exact errno of everything
// refused.

import Glibc
import Testing

@Suite(.enabled(if: Mounting.isPossible, Mounting.reason), .serialized)
struct MountTests {
    @Test func readsAndWrites() throws {
        try withMount(["--cpus", "4", "--memory", "8G", "--pace", "0"]) { mount in
            #expect(try slurp(mount.path("rmpopt/action")) == "RMP optimization in progress: No\n")
            #expect(try slurp(mount.path("rmpopt/action"), size: 1) == "RMP optimization in progress: No\n")
            let table = try slurp(mount.path("debug/rmpopt/rmpopt-table"))
            #expect(table.split(separator: "\n").count == 9)
            #expect(table.hasSuffix("Memory @  8GB: CPU(s): none\n"))

            try put("1\n", mount.path("rmpopt/reenable"))
            #expect(try slurp(mount.path("rmpopt/reenable")) == "1\n")
            try put("+1s", mount.path("rmpsim/clock"))
            #expect(try slurp(mount.path("rmpopt/reenable")) == "0\n")
        }
    }

    @Test func aGuestFromMkdirToRmdir() throws {
        try withMount(["--cpus", "4", "--memory", "8G", "--pace", "instant"]) { mount in
            let guest = mount.path("rmpsim/guests/vm0")
            let table = mount.path("debug/rmpopt/rmpopt-table")
            let before = try slurp(table)
            #expect(number { try check(Int(mkdir(guest, 0o000))) } == 0)
            let mode = try status(guest).st_mode
            #expect(mode == S_IFDIR | 0o755, "the mode is ignored")
            #expect(number { try check(Int(mkdir(guest, 0o755))) } == EEXIST)
            #expect(number { try put("running", guest + "/state") } == EINVAL, "it has no memory")
            try put("3G\n", guest + "/memory")
            #expect(try slurp(guest + "/memory") == "3221225472\n")
            try put("running\n", guest + "/state")
            #expect(number { try put("1G", guest + "/memory") } == EBUSY)
            #expect(try slurp(table) != before)
            let held = try Descriptor(guest + "/state", O_RDWR)
            #expect(number { try check(Int(rmdir(guest))) } == 0)
            #expect(number { try check(Int(rmdir(guest))) } == ENOENT)
            #expect(number { try held.read(100) } == ENOENT)
            #expect(number { try held.write("stopped") } == ENOENT)
            let links = try held.status().st_nlink
            #expect(links == 0)
            try put("1", mount.path("rmpopt/action"))
            #expect(try slurp(table) == before)
        }
    }

    @Test func opensThatAreRefused() throws {
        try withMount(["--pace", "0"]) { mount in
            func opening(_ name: String, _ flags: Int32) -> Int32 {
                number { try Descriptor(mount.path(name), flags) }
            }
            let direct: Int32 = 0o40000
            #expect(opening("rmpopt/description", O_WRONLY) == EACCES)
            #expect(opening("rmpopt/description", O_RDWR) == EACCES)
            #expect(opening("rmpopt/description", 3) == 0)
            #expect(opening("rmpopt/action", O_RDONLY | direct) == EINVAL)
            #expect(opening("rmpopt/description", O_WRONLY | direct) == EACCES)
            #expect(opening("rmpopt/action", O_RDWR | O_APPEND | O_TRUNC | O_CREAT) == 0)
            #expect(opening("rmpopt/new", O_WRONLY | O_CREAT) == EACCES)
            #expect(opening("rmpopt/none", O_RDONLY) == ENOENT)
            #expect(opening("rmpopt/action/x", O_RDONLY) == ENOTDIR)
            #expect(opening("rmpopt", O_WRONLY) == EISDIR)
            #expect(opening("debug/rmpopt/rmpopt-table", O_RDWR) == 0, "root opens anything in debugfs")
            #expect(opening("rmpopt/" + String(repeating: "x", count: 256), O_RDONLY) == ENAMETOOLONG)
            #expect(number { try check(Int(chmod(mount.path("rmpopt/action"), 0))) } == 0)
            #expect(opening("rmpopt/action", O_RDONLY) == EACCES, "configfs asks for an r bit, also of root")
            let mode = try status(mount.path("rmpopt/action")).st_mode
            #expect(mode == S_IFREG)
        }
    }

    @Test func readsAndWritesThatAreRefused() throws {
        try withMount(["--pace", "0"]) { mount in
            let action = try Descriptor(mount.path("rmpopt/action"), O_RDWR)
            #expect(try action.pread(5, 4) == "optim")
            #expect(try action.pread(5, 100) == "")
            for (text, expected) in [
                ("1", 0), ("1\n", 0), ("+1", 0), ("01", 0), ("1\0x", 0), ("0", EINVAL), ("2", EINVAL), (" 1", EINVAL),
                ("1 ", EINVAL), ("-1", EINVAL), ("\n", EINVAL), ("0x1", EINVAL), ("4294967295", EINVAL),
                ("4294967296", ERANGE), ("18446744073709551616", ERANGE),
            ] {
                #expect(number { try action.write(text) } == expected, "\(text.debugDescription)")
            }
            #expect(try action.pwrite("1", 1 << 40) == 1, "the offset is ignored")
            #expect(try action.write(String(repeating: "0", count: 4094) + "1" + "garbage") == 4095, "a short write")
            #expect(try action.pread(100, 30) == "Yes\n")

            let table = try Descriptor(mount.path("debug/rmpopt/rmpopt-table"), O_RDWR)
            #expect(number { try table.write("x") } == EINVAL)
            #expect(number { try Descriptor(mount.path("rmpopt/description"), O_RDONLY).write("x") } == EBADF)
            #expect(number { try check(Int(fsync(action.number))) } == EINVAL)
            #expect(number { try check(Int(fsync(table.number))) } == EINVAL)
            #expect(number { try check(Int(truncate(mount.path("rmpopt/action"), 1 << 31))) } == EFBIG)
        }
    }

    @Test func namesThatAreRefused() throws {
        try withMount(["--pace", "0"]) { mount in
            func make(_ name: String) -> Int32 { number { try check(Int(mkdir(mount.path(name), 0o755))) } }
            func remove(_ name: String) -> Int32 { number { try check(Int(rmdir(mount.path(name)))) } }
            for folder in ["", "rmpopt", "rmpsim", "debug", "debug/rmpopt"] { #expect(make(folder + "/x") == EPERM) }
            #expect(make("rmpsim/guests/" + String(repeating: "x", count: 256)) == ENAMETOOLONG)
            #expect(make("rmpsim/guests/" + String(repeating: "x", count: 255)) == 0)
            #expect(make("rmpsim/guests/\u{fc} \n*") == 0)
            #expect(remove("rmpsim/guests/\u{fc} \n*") == 0)
            #expect(remove("rmpsim/guests") == EPERM)
            #expect(remove("rmpopt") == EPERM)
            #expect(remove("rmpopt/action") == ENOTDIR)
            let action = mount.path("rmpopt/action")
            #expect(number { try check(Int(unlink(action))) } == EPERM)
            #expect(number { try check(Int(unlink(mount.path("rmpopt")))) } == EISDIR)
            #expect(number { try check(Int(symlink("x", mount.path("rmpopt/l")))) } == EPERM)
            #expect(number { try check(Int(link(action, mount.path("rmpopt/l")))) } == EPERM)
            #expect(number { try check(Int(rename(action, mount.path("rmpopt/l")))) } == EPERM)
            #expect(number { try check(Int(mkfifo(mount.path("rmpopt/f"), 0o600))) } == EPERM)
            #expect(number { try check(Int(mknod(mount.path("rmpopt/f"), S_IFREG | 0o600, 0))) } == EACCES)
        }
    }

    @Test func listings() throws {
        try withMount(["--cpus", "3", "--pace", "0"]) { mount in
            func list(_ name: String) throws -> [String] {
                let folder = try #require(opendir(mount.path(name)))
                defer { closedir(folder) }
                var names: [String] = []
                while let entry = readdir(folder) {
                    names.append(
                        withUnsafePointer(to: &entry.pointee.d_name) {
                            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                        }
                    )
                }
                return names
            }
            let ours = ["series", "events", "metrics", "log", "schedule", "passes", "blockers", "cpu2", "cpu1", "cpu0"]
            #expect(try list("debug/rmpopt") == [".", ".."] + ours + ["rmpopt-table"])
            for name in ["a", "b", "c"] { mkdir(mount.path("rmpsim/guests/" + name), 0o755) }
            #expect(try list("rmpsim/guests") == [".", "..", "c", "b", "a"])
            let links = try status(mount.path("rmpsim/guests")).st_nlink
            #expect(links == 5)
        }
    }

    @Test func sizesAndSeeks() throws {
        try withMount(["--pace", "0"]) { mount in
            let path = mount.path("rmpopt/action")
            let before = try status(path).st_size
            #expect(before == 4096)
            do {
                let opened = try Descriptor(path, O_WRONLY | O_TRUNC)
                let truncated = try opened.status().st_size
                #expect(truncated == 0)
                #expect(try slurp(path) == "RMP optimization in progress: No\n", "nothing was stored")
            }
            // RELEASE comes a moment after close(2).
            let isBack = eventually(within: 5) { (try? status(path).st_size) == 4096 }
            #expect(isBack)
            let sequence = try status(mount.path("debug/rmpopt/cpu0")).st_size
            #expect(sequence == 0)
            let action = try Descriptor(path, O_RDONLY)
            let (data, hole): (Int32, Int32) = (3, 4)
            #expect(try action.seek(5, data) == 5)
            #expect(number { try action.seek(4096, data) } == ENXIO)
            #expect(number { try Descriptor(mount.path("debug/rmpopt/cpu0"), O_RDONLY).seek(0, hole) } == EINVAL)
        }
    }

    @Test func mountOptionsHaveTheirEffect() throws {
        try withMount(["-o", "uid=7,gid=8,mode=751,fsname=host", "-o", "noexec"]) { mount in
            let debug = try status(mount.path("debug"))
            #expect((debug.st_uid, debug.st_gid, debug.st_mode) == (7, 8, S_IFDIR | 0o751))
            let user = try status(mount.path("rmpopt/action")).st_uid
            #expect(user == 7)
            let line = try mount.line()
            #expect(line.contains(" - fuse.rmpfs host "))
            for word in ["noexec", "nosuid", "nodev", "default_permissions", "allow_other"] {
                #expect(line.contains(word))
            }
        }
        try withMount(["-o", "ro"]) { mount in
            #expect(number { try put("1", mount.path("rmpopt/action")) } == EROFS)
            #expect(number { try check(Int(mkdir(mount.path("rmpsim/guests/a"), 0o755))) } == EROFS)
        }
    }

    @Test(arguments: ["plain", "a b", "back\\slash", "back\\", "comma\\,x", "quote\"", "-o"])
    func noSourceNameTurnsAnotherOptionOff(name: String) throws {
        // libfuse gets a single list of options, in which commas and backslashes are special.
        guard let mount = try? TestMount(["-o", "fsname=" + name]) else {
            return  // A refused name turns nothing off.
        }
        defer { mount.end() }
        let fields = try mount.line().split(separator: " ")
        let (flags, options) = (fields[5].split(separator: ","), fields[fields.count - 1].split(separator: ","))
        #expect(flags.contains("nosuid"))
        #expect(flags.contains("nodev"))
        #expect(options.contains("default_permissions"), "without it anybody may write: \(fields)")
        #expect(options.contains("allow_other"))
    }

    @Test func otherUsersComeInAsFarAsTheModesLetThem() throws {
        try withMount { mount in
            // The folder above must not be the one that keeps them out.
            let commands = [
                ("cat $0/rmpopt/action", true), ("echo 1 > $0/rmpopt/action", false),
                ("mkdir $0/rmpsim/guests/x", false), ("ls $0/debug", false), ("ls $0/rmpopt", true),
            ]
            for (command, works) in commands {
                let words = ["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", command]
                let ending = try Program.run(words + [mount.folder.path], program: "/usr/bin/setpriv")
                #expect((ending.status == 0) == works, "\(command): \(ending.errors)")
            }
        }
    }
}
