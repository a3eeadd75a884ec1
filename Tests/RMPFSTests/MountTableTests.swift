// SPDX-License-Identifier: Apache-2.0
// Lines of /proc/self/mountinfo, with the escapes that the kernel writes.

import Testing

@testable import RMPFS

@Suite struct MountTableTests {
    private func entry(_ line: String) -> MountTableEntry? { MountTable.parse(Array(line.utf8)[...]) }

    @Test(arguments: [
        ("36 35 98:0 / /mnt rw,noatime - ext3 /dev/root rw,errors=continue", "/mnt", "ext3"),
        ("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2", "ext3"),
        (
            "36 35 98:0 / /mnt rw shared:7 master:1 propagate_from:2 - fuse.rmpfs rmpfs rw,user_id=0", "/mnt",
            "fuse.rmpfs"
        ),
        ("36 35 0:44 / / rw - tmpfs none rw", "/", "tmpfs"),
        ("36 35 0:44 / /with\\040space rw - tmpfs none rw", "/with space", "tmpfs"),
        ("36 35 0:44 / /t\\011n\\012b\\134 rw - tmpfs none rw", "/t\tn\nb\\", "tmpfs"),
        ("36 35 0:44 / /a\\134040b rw - tmpfs none rw", "/a\\040b", "tmpfs"),
        ("36 35 0:44 / /- rw - tmpfs - rw", "/-", "tmpfs"),
        ("36 35 0:44 /- - rw shared:1 - tmpfs none rw", "-", "tmpfs"),
        ("36 35 0:44 / /caf\u{e9} rw - tmpfs none rw", "/caf\u{e9}", "tmpfs"),
        // The kernel does not write this, but it must not fail.
        ("36 35 0:44 / /a\\04 rw - tmpfs none rw", "/a\\04", "tmpfs"),
        ("36 35 0:44 / /a\\999b\\777 rw - tmpfs none rw", "/a\\999b\\777", "tmpfs"),
        ("36 35 0:44 / /end\\ rw - tmpfs none rw", "/end\\", "tmpfs"),
    ])
    func lines(line: String, mountPoint: String, type: String) {
        #expect(entry(line)?.mountPoint == mountPoint)
        #expect(entry(line)?.type == type)
        #expect(entry(line)?.isOurs == (type == "fuse.rmpfs"))
    }

    @Test(arguments: [
        "", " ", "36 35 0:44 / /mnt rw", "36 35 0:44 / /mnt rw shared:1 tmpfs none rw", "36 35 0:44 / /mnt rw -",
    ])
    func linesThatAreNone(line: String) {
        #expect(entry(line) == nil)
    }

    @Test(
        arguments: [
            ("rw,user_id=0,group_id=0,default_permissions", 0), ("rw,user_id=65534", 65534),
            ("rw,user_id=4294967295", .max),
            ("rw", nil), ("rw,user_id=", nil), ("rw,user_id=-1", nil), ("rw,xuser_id=5", nil),
        ] as [(String, UInt32?)]
    )
    func users(options: String, user: UInt32?) {
        #expect(entry("36 35 0:44 / /mnt rw - fuse.rmpfs rmpfs " + options)?.user == user)
    }

    @Test func thisSystemHasMounts() {
        let entries = MountTable.entries()
        #expect(entries.contains { $0.mountPoint == "/proc" && $0.type == "proc" })
        #expect(MountTable.entry(at: "/proc")?.isOurs == false)
        #expect(MountTable.entry(at: "/proc/nothing/of/that/name") == nil)
    }

    @Test func wholeFiles() {
        #expect(SystemFiles.contents(of: "/dev/null") == [])
        #expect(SystemFiles.contents(of: "/nonexistent") == nil)
        #expect(SystemFiles.contents(of: "/proc") == nil)
        #expect((SystemFiles.contents(of: "/proc/self/mountinfo")?.count ?? 0) > 100)
    }
}
