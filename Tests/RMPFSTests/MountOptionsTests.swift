// SPDX-License-Identifier: Apache-2.0
// The words of -o: what each accepted one does, and that the message for each refused one names it.

import Testing

@testable import RMPFS

@Suite struct MountOptionsTests {
    private func options(_ list: String) throws -> MountOptions {
        var options = MountOptions()
        try options.add(list: list)
        return options
    }

    private func refused(_ list: String) -> MountOptions.Refusal? {
        do {
            _ = try options(list)
            return nil
        } catch {
            return error as? MountOptions.Refusal
        }
    }

    private static let ownWords: [(String, @Sendable (inout MountOptions) -> Void)] = [
        ("uid=0", { $0.user = 0 }), ("uid=65534", { $0.user = 65534 }), ("uid=4294967294", { $0.user = 4_294_967_294 }),
        ("gid=100", { $0.group = 100 }), ("mode=755", { $0.mode = 0o755 }), ("mode=0755", { $0.mode = 0o755 }),
        ("mode=0", { $0.mode = 0 }), ("mode=1777", { $0.mode = 0o777 }), ("fsname=host", { $0.source = "host" }),
        ("fsname=a=b", { $0.source = "a=b" }), ("allow_other", { $0.allowOther = true }),
        ("exact", { $0.exact = true }),
        ("nonempty", { $0.nonEmpty = true }),
    ]

    @Test func wordsForTheSecurityModule() throws {
        var options = MountOptions()
        let quoted = #"context="system_u:object_r:tmp_t:s0:c1,c2""#
        try options.add(list: "ro,\(quoted),rootcontext=a:b:c,fscontext=a:b:c,defcontext=d,noexec")
        #expect(options.securityWords == [quoted, "rootcontext=a:b:c", "fscontext=a:b:c", "defcontext=d"])
        #expect(options.kernelWords == ["ro", "noexec"])
        #expect(throws: MountOptions.Refusal.self) { try options.add(list: "context") }
        #expect(throws: MountOptions.Refusal.self) { try options.add(list: "context=") }
    }

    @Test(arguments: ownWords.indices)
    func ownWord(index: Int) throws {
        var expected = MountOptions()
        Self.ownWords[index].1(&expected)
        #expect(try options(Self.ownWords[index].0) == expected)
    }

    @Test func everyOwnWordHasARow() {
        for word in MountOptions.ownWords {
            #expect(Self.ownWords.contains { $0.0.hasPrefix(word) }, "\(word)")
        }
    }

    @Test(arguments: ["ro", "rw", "exec", "noexec", "atime", "noatime", "sync", "async", "dirsync"])
    func wordsForTheKernel(word: String) throws {
        var expected = MountOptions()
        expected.kernelWords = [word]
        #expect(try options(word) == expected)
    }

    @Test(arguments: [
        "nosuid", "nodev", "default_permissions", "defaults", "auto", "noauto", "nofail", "_netdev", "user", "users",
        "nouser", "owner", "group", "relatime", "norelatime", "nodiratime", "diratime", "x-systemd.automount",
        "x-gvfs-hide", "X-mount.mkdir=0755", "comment=anything", "user=someone", "strictatime", "nostrictatime",
        "lazytime", "nolazytime", "iversion", "noiversion", "mand", "nomand", "silent", "loud", "symfollow",
        "nosymfollow", "", ",", ",,",
    ])
    func wordsThatNobodyNeeds(word: String) throws {
        #expect(try options(word) == MountOptions())
    }

    @Test(arguments: [
        "suid", "dev", "allow_root", "auto_unmount", "modes", "nonsense", "uid", "uid=", "gid", "mode", "mode=",
        "fsname",
        "fsname=", "uid=x", "uid=-1", "uid=+1", "uid= 1", "uid=0x1", "uid=4294967295", "uid=4294967296", "gid=root",
        "mode=8", "mode=rwx", "mode=0o755", "mode=-1", "mode=10000", "mode=+755", "allow_other=1", "exact=",
        "nonempty=yes",
        "ro=1", "nofail=1", "defaults=", "=", "=1", "Ro", " ro", "max_read=4096", "fd=3", "rootmode=40000",
    ])
    func refusals(word: String) throws {
        let refusal = try #require(refused(word))
        #expect(refusal.word == word)
        #expect(refusal.description.hasPrefix("mount option '\(word)': "))
        #expect(refusal.description.count > "mount option '\(word)': ".count)
    }

    @Test func aListIsTakenWordByWord() throws {
        let list = try options("ro,,uid=1,allow_other,uid=2,noexec,x-a,mode=700")
        var expected = MountOptions()
        expected.user = 2
        expected.mode = 0o700
        expected.allowOther = true
        expected.kernelWords = ["ro", "noexec"]
        #expect(list == expected)
        #expect(refused("ro,uid=1,wrong,nofail")?.word == "wrong")
    }
}
