// SPDX-License-Identifier: Apache-2.0
// How a mount begins and ends: in the background, by signals, by unmount, by kill -9 and the recovery from it.

import Foundation
import Glibc
import Testing

@Suite(.enabled(if: Mounting.isPossible, Mounting.reason), .serialized)
struct LifecycleTests {
    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func aSignalUnmounts(number: Int32) throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        mount.program.signal(number)
        let ending = mount.program.wait(seconds: 10)
        #expect(ending.status == 0)
        #expect(!folder.isMounted)
        #expect(ending.output.isEmpty)
        #expect(ending.errors.contains("mounted at \(folder.path)"))
        #expect(ending.errors.contains("unmounted \(folder.path)"))
    }

    @Test func aSignalEndsAMountInUse() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        let held = try Descriptor(mount.path("rmpopt/action"), O_RDONLY)
        mount.program.signal(SIGTERM)
        #expect(mount.program.wait(seconds: 10).status == 0)
        #expect(!folder.isMounted)
        #expect([ENOTCONN, ECONNABORTED, EIO].contains(Self.number { try held.read(10) }))
    }

    private static func number(_ call: () throws -> String) -> Int32 { RMPCommandTests.number(of: call) }

    @Test func signalsThatTheParentBlockedDoNotKeepItAlive() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let all = (1...31).filter { $0 != SIGKILL && $0 != SIGSTOP }.map { Int32($0) }
        let mount = try TestMount(in: folder, blocking: all)
        let held = try Descriptor(mount.path("rmpopt/action"), O_RDONLY)
        mount.program.signal(SIGTERM)
        #expect(mount.program.wait(seconds: 5).status == 0)
        #expect(Self.number { try held.read(10) } != 0)
    }

    @Test func manySignalsAreOne() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        for _ in 0..<20 {
            mount.program.signal(SIGTERM)
            mount.program.signal(SIGINT)
        }
        #expect(mount.program.wait(seconds: 10).status == 0)
    }

    @Test func aSignalAtAnyMomentLeavesNoMount() throws {
        for delay in [0, 1, 3, 6, 10, 15, 20, 30] {
            let folder = try MountFolder()
            defer { folder.clean() }
            let program = try Program(["mount", "-f", folder.path])
            usleep(UInt32(delay * 1000))
            program.signal(SIGTERM)
            _ = program.wait(seconds: 10)
            #expect(!folder.isMounted, "SIGTERM after \(delay) ms")
        }
    }

    @Test func umountEndsTheProgram() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        #expect(umount2(folder.path, 0) == 0)
        #expect(mount.program.wait(seconds: 10).status == 0)
    }

    @Test func mountInTheBackground() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let ending = try Program.run(["mount", "--cpus", "2", "--memory", "4G", folder.path])
        #expect(ending.status == 0)
        #expect(ending.output.isEmpty)
        #expect(ending.errors.isEmpty, "nothing to say: \(ending.errors)")
        // It answers at once.
        #expect(try slurp(folder.path + "/rmpopt/reenable") == "0\n")
        let server = try #require(folder.servers.first)
        #expect(folder.servers.count == 1)
        #expect(getsid(server) == server, "a session of its own")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server)/cwd") == "/")
        for descriptor in 0...2 {
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server)/fd/\(descriptor)")
            #expect(target == "/dev/null")
        }
        let unmounted = try Program.run(["unmount", folder.path])
        #expect(unmounted.status == 0)
        #expect(unmounted.errors.isEmpty)
        #expect(!folder.isMounted)
        #expect(eventually(within: 10) { folder.servers.isEmpty }, "the server ends with its mount")
    }

    @Test func aRelativePath() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let name = URL(filePath: folder.path).lastPathComponent
        let above = URL(filePath: folder.path).deletingLastPathComponent().path
        #expect(try Program.run(["mount", "./" + name + "/"], folder: above).status == 0)
        #expect(folder.isMounted)
        #expect(try Program.run(["unmount", name], folder: above).status == 0)
        #expect(!folder.isMounted)
    }

    @Test func aPathBehindTwoDashes() throws {
        let folder = try MountFolder("--dashes")
        defer { folder.clean() }
        let ending = try Program.run(["mount", "--", folder.path])
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(folder.isMounted)
    }

    @Test func namesWithSpacesAndBackslashes() throws {
        let folder = try MountFolder("a b\\c")
        defer { folder.clean() }
        let ending = try Program.run(["mount", folder.path])
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(try slurp(folder.path + "/rmpopt/reenable") == "0\n")
        #expect(try Program.run(["unmount", folder.path]).status == 0)
        #expect(!folder.isMounted)
    }

    @Test func theNextMountRecoversFromAKill() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let first = try TestMount(in: folder)
        first.program.signal(SIGKILL)
        #expect(first.program.wait(seconds: 10).status == nil)
        #expect(folder.isMounted)
        #expect(RMPCommandTests.number { try Descriptor(first.path("rmpopt/action"), O_RDONLY) } == ENOTCONN)

        let second = try TestMount(in: folder)
        #expect(second.program.said.contains("cleared away the mount of an rmpfs that died"))
        #expect(folder.mounts == 1)
        #expect(try slurp(second.path("rmpopt/reenable")) == "0\n")
        second.program.signal(SIGTERM)
        #expect(second.program.wait(seconds: 10).status == 0)
        #expect(!folder.isMounted)
    }

    @Test func alsoWhenNobodyHasLookedAtTheDeadMount() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let first = try TestMount(in: folder)
        first.program.signal(SIGKILL)
        _ = first.program.wait(seconds: 10)
        let ending = try Program.run(["mount", folder.path])
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(folder.mounts == 1)
        #expect(try slurp(folder.path + "/rmpopt/reenable") == "0\n")
    }

    @Test func alsoWhenTheKernelRemembersIt() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let first = try TestMount(in: folder)
        // Names and attributes that the kernel may answer from its caches.
        for name in ["", "rmpopt", "rmpopt/action", "debug"] { _ = try status(first.path(name)) }
        first.program.signal(SIGKILL)
        _ = first.program.wait(seconds: 10)
        let ending = try Program.run(["mount", folder.path])
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(folder.mounts == 1)
        #expect(try slurp(folder.path + "/rmpopt/reenable") == "0\n")
    }

    @Test func unmountTakesADeadMountAway() throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let mount = try TestMount(in: folder)
        mount.program.signal(SIGKILL)
        _ = mount.program.wait(seconds: 10)
        let ending = try Program.run(["unmount", folder.path])
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(!folder.isMounted)
    }

    @Test func twoMountsAtOnce() throws {
        try withMount(["--cpus", "2", "--memory", "4G", "--pace", "0"]) { first in
            try withMount(["--cpus", "3", "--memory", "6G", "--pace", "0"]) { second in
                mkdir(first.path("rmpsim/guests/a"), 0o755)
                try put("1", second.path("rmpopt/action"))
                #expect(try slurp(first.path("rmpopt/reenable")) == "0\n")
                #expect(try slurp(second.path("rmpopt/reenable")) == "1\n")
                #expect(access(first.path("rmpsim/guests/a"), F_OK) == 0)
                #expect(access(second.path("rmpsim/guests/a"), F_OK) != 0)
                #expect(try slurp(first.path("debug/rmpopt/cpu1")).split(separator: "\n").count == 4)
                #expect(try slurp(second.path("debug/rmpopt/cpu1")).split(separator: "\n").count == 6)
            }
            #expect(try slurp(first.path("rmpopt/reenable")) == "0\n", "the other one has gone, this one stays")
        }
    }
}
