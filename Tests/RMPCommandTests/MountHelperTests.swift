// SPDX-License-Identifier: Apache-2.0
// Calls as mount(8) makes them, translated into arguments of `rmpfs mount`.

import Testing

@testable import RMPCommand

@Suite struct MountHelperTests {
    private static let commands: Set<String> = ["mount", "unmount", "umount", "map", "help"]

    private func translate(_ words: String..., program: String = "rmpfs") throws -> [String]? {
        try MountHelper.translate(program: program, words: words, commands: Self.commands)
    }

    @Test func theCallOfMountFuse3() throws {
        #expect(
            try translate("host1", "/mnt/h", "-o", "rw,dev,suid,cpus=8,memory=2T,mode=755,x-systemd.automount")
                == [
                    "mount", "--cpus=8", "--memory=2T", "-o", "rw,mode=755,x-systemd.automount,fsname=host1", "--",
                    "/mnt/h",
                ]
        )
    }

    @Test func theCallAsMountRmpfs() throws {
        #expect(
            try translate("my host", "/mnt/h", "-n", "-o", "ro", "-t", "rmpfs", program: "/sbin/mount.rmpfs")
                == ["mount", "-o", "ro,fsname=my host", "--", "/mnt/h"]
        )
        #expect(
            try translate("none", "/mnt/h", program: "mount.fuse.rmpfs") == [
                "mount", "-o", "fsname=none", "--", "/mnt/h",
            ]
        )
        #expect(
            try translate("a", "-r", "/m", "-opace=0", program: "mount.rmpfs")
                == ["mount", "--pace=0", "-o", "ro,fsname=a", "--", "/m"]
        )
    }

    /// `[-sfnv] [-N namespace]`, mount(8).
    @Test func everyFlagOfMount() throws {
        let call = { (flags: [String]) in
            try MountHelper.translate(
                program: "mount.rmpfs",
                words: ["a", "/m"] + flags,
                commands: Self.commands
            )
        }
        let plain = ["-o", "fsname=a", "--", "/m"]
        for idle in [["-s"], ["-n", "-v"], ["-snv"]] { #expect(try call(idle) == ["mount"] + plain) }
        for dry in [["-f"], ["-sfnv"], ["-v", "-f"]] { #expect(try call(dry) == ["mount", "--dry-run"] + plain) }
        for inside in [["-N", "/proc/1/ns/mnt"], ["-N/proc/1/ns/mnt"], ["-n", "-N", "/proc/1/ns/mnt", "-s"]] {
            #expect(try call(inside) == ["mount", "--mount-namespace=/proc/1/ns/mnt"] + plain)
        }
        let both = try call(["-rf", "-o", "cpus=4"])
        #expect(both == ["mount", "--dry-run", "--cpus=4", "-o", "ro,fsname=a", "--", "/m"])
        for wrong in [["-N"], ["-fx"], ["-"], ["--f"]] { #expect(throws: MountHelper.Refusal.self) { try call(wrong) } }
    }

    @Test func aSourceOfItsOwnWords() throws {
        #expect(try translate("a", "/m", "-o", "fsname=b") == ["mount", "-o", "fsname=b", "--", "/m"])
        #expect(try translate("", "/m", "-o", "pace=0") == ["mount", "--pace=0", "--", "/m"])
    }

    @Test(arguments: MountHelper.machineWords) func everyMachineWord(word: String) throws {
        #expect(
            try translate("a", "/m", "-o", "\(word)=x=y") == ["mount", "--\(word)=x=y", "-o", "fsname=a", "--", "/m"]
        )
        #expect(throws: MountHelper.Refusal.self) { try translate("a", "/m", "-o", word) }
        #expect(throws: MountHelper.Refusal.self) { try translate("a", "/m", "-o", "\(word)=") }
    }

    @Test func aContextKeepsItsCommas() throws {
        let words = #"context="a:b:c:s0:c1,c2",cpus=4,rootcontext=d:e:f"#
        #expect(
            try translate("a", "/m", "-o", words)
                == ["mount", "--cpus=4", "-o", #"context="a:b:c:s0:c1,c2",rootcontext=d:e:f,fsname=a"#, "--", "/m"]
        )
    }

    @Test func theFlagThatIsAWord() throws {
        #expect(
            try translate("a", "/m", "-o", "engine=kernel,allow-reenable")
                == ["mount", "--engine=kernel", "--allow-reenable", "-o", "fsname=a", "--", "/m"]
        )
        #expect(throws: MountHelper.Refusal.self) { try translate("a", "/m", "-o", "allow-reenable=1") }
    }

    @Test func anUnknownWordIsToldWhatIsKnown() {
        for word in ["cpu=4", "wrong", "sizes=1"] {
            do {
                _ = try translate("a", "/m", "-o", "cpus=4,\(word)")
                Issue.record("\(word) was taken")
            } catch {
                let text = "\(error)"
                #expect(text.hasPrefix("mount option '\(word)': unknown; rmpfs knows "))
                for known in ["cpus=", "series=", "allow_other", "mode="] { #expect(text.contains(known)) }
            }
        }
    }

    /// Arguments that people type are left alone, even wrong ones.
    @Test(arguments: [
        ["mount", "/m", "-o", "ro"], ["mout", "/m"], ["/m"], [], ["--help"], ["umount", "/m", "x", "-o"],
        ["help", "mount"],
        ["a", "-o", "ro", "/m"], ["-o", "ro", "a", "/m"],
    ])
    func noCallOfMount(words: [String]) throws {
        #expect(try MountHelper.translate(program: "rmpfs", words: words, commands: Self.commands) == nil)
    }

    @Test(arguments: [
        ["a"], ["a", "/m", "-o"], ["a", "/m", "-x"], ["a", "/m", "/n"], ["a,b", "/m"], ["a", "/m", "-N"], [],
    ])
    func refused(words: [String]) {
        #expect(throws: MountHelper.Refusal.self) {
            try MountHelper.translate(program: "mount.rmpfs", words: words, commands: Self.commands)
        }
    }
}
