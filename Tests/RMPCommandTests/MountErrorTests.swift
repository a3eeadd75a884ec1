// SPDX-License-Identifier: Apache-2.0
// Failing mounts and unmounts: exit status 1, and a message that names the problem and the remedy.

import Foundation
import Glibc
import Testing

@Suite(.enabled(if: Mounting.isPossible, Mounting.reason), .serialized)
struct MountErrorTests {
    private func expectFailure(_ words: [String], _ parts: String...) throws {
        let ending = try Program.run(words)
        #expect(ending.status == 1)
        #expect(ending.output.isEmpty)
        #expect(ending.errors.hasPrefix("rmpfs: "))
        #expect(ending.errors.split(separator: "\n").count == 1, "one line, told once: \(ending.errors)")
        for part in parts { #expect(ending.errors.contains(part), "\(ending.errors)") }
    }

    @Test(arguments: [[], ["-f"]])
    func mountPoints(flags: [String]) throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let file = folder.path + "/file"
        try expectFailure(["mount"] + flags + [folder.path + "/none"], "no such folder", "mkdir -p")
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        defer { unlink(file) }
        try expectFailure(["mount"] + flags + [file], "not a folder")
        try expectFailure(["mount"] + flags + [folder.path], "not empty", "nonempty")
        #expect(!folder.isMounted)
    }

    @Test func nonemptyCoversWhatIsThere() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let file = folder.path + "/file"
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        let mount = try TestMount(["-o", "nonempty"], in: folder)
        #expect(access(file, F_OK) != 0)
        #expect(access(mount.path("rmpopt"), F_OK) == 0)
        mount.program.signal(SIGTERM)
        #expect(mount.program.wait().status == 0)
        #expect(access(file, F_OK) == 0)
        unlink(file)
    }

    @Test func aSecondMountAtOnePlace() throws {
        try withMount { mount in
            try expectFailure(["mount", mount.folder.path], "mounted here already", "rmpfs unmount")
            #expect(mount.folder.mounts == 1)
        }
    }

    @Test func unmountOfWhatIsNotOurs() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        try expectFailure(["unmount", folder.path], "nothing is mounted here", "findmnt")
        try expectFailure(["unmount", folder.path + "/none"], "nothing is mounted here")
        try expectFailure(["unmount", "/proc"], "a mount of type proc", "umount")
    }

    @Test func unmountOfWhatIsInUse() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        let held = try Descriptor(mount.path("rmpopt/action"), O_RDONLY)
        try expectFailure(["unmount", folder.path], "in use", "--lazy")
        #expect(folder.isMounted)
        #expect(try held.read(100) == "RMP optimization in progress: No\n", "nothing was torn down")
        let lazy = try Program.run(["unmount", "--lazy", folder.path])
        #expect(lazy.status == 0)
        #expect(!folder.isMounted)
        #expect(try held.pread(100, 4) == "optimization in progress: No\n", "its last user still has it")
        #expect(!mount.program.hasEnded(within: 0.2))
        mount.program.signal(SIGTERM)
        #expect(mount.program.wait().status == 0)
    }
}
