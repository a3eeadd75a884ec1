// SPDX-License-Identifier: Apache-2.0
// What stat(2) reports for a file: its size after truncate and O_TRUNC, which configfs and debugfs treat differently,
// and the effects of chmod, chown and utimensat.

import Glibc
import Testing

@testable import RMPFS

@Suite struct NodeSizeTests {
    private static func attribute() -> File {
        Attribute(owner: .root, show: { text throws(Errno) in text.append("1\n") }, store: { _ throws(Errno) in })
    }

    private static func debugFiles() -> [File] {
        [
            SequenceFile(owner: .root, source: Records([Array("1\n".utf8)])),
            NumberFile(owner: .root) { () throws(Errno) in 1 },
            BlobFile(owner: .root, bytes: Array("1\n".utf8)),
        ]
    }

    private func truncate(_ file: File, to size: UInt64) throws {
        var change = AttributeChange()
        change.size = size
        try file.change(change)
    }

    @Test func fresh() {
        #expect(Self.attribute().status.st_size == 4096)
        #expect(Self.attribute().size == 4096)
        for file in Self.debugFiles() {
            #expect(file.status.st_size == 0)
            #expect(file.size == 0)
        }
    }

    @Test func status() {
        for file in Self.debugFiles() + [Self.attribute()] {
            let status = file.status
            #expect(status.st_mode & S_IFMT == S_IFREG)
            #expect(status.st_nlink == 1)
            #expect(status.st_blocks == 0)
            #expect(status.st_blksize == 4096)
        }
        let folder = Directory(rules: .debugfs, owner: Owner(user: 5, group: 6), mode: 0o700)
        #expect(folder.status.st_mode == S_IFDIR | 0o700)
        #expect(folder.status.st_size == 0)
        #expect(folder.status.st_uid == 5)
        #expect(folder.status.st_gid == 6)
    }

    @Test func ofAnAttributeTheSizeLastsOnlyWhileItIsOpen() throws {
        let file = Self.attribute()
        try truncate(file, to: 10)
        #expect(file.size == 4096, "nobody has the inode in use")
        let first = try file.open(.both)
        let second = try file.open(.reading)
        try truncate(file, to: 10)
        #expect(file.size == 10)
        #expect(!file.isFixed, "the kernel must ask again")
        first.close()
        #expect(file.size == 10, "the other one is still open")
        second.close()
        #expect(file.size == 4096)
        #expect(file.isFixed)
    }

    @Test func openWithTruncation() throws {
        let file = Self.attribute()
        let opened = try file.open(OpenRequest(reads: false, writes: true, truncates: true))
        #expect(file.size == 0)
        #expect(file.status.st_size == 0)
        opened.close()
        #expect(file.size == 4096)
    }

    @Test func anOpenThatIsRefusedChangesNoSize() throws {
        let file = Attribute(owner: .root, show: { _ throws(Errno) in }, store: nil)
        #expect(
            refusal(of: { try file.open(OpenRequest(reads: false, writes: true, truncates: true)) }) == .accessDenied
        )
        let direct = OpenRequest(reads: true, direct: true, truncates: true)
        #expect(refusal(of: { try file.open(direct) }) == .invalid)
        #expect(file.size == 4096)
        try truncate(file, to: 1)
        #expect(file.size == 4096, "opens that failed are not counted as open")
    }

    @Test func inDebugfsTheSizeStays() throws {
        for file in Self.debugFiles() {
            try truncate(file, to: 3)
            #expect(file.size == 3)
            #expect(file.isFixed)
            let opened = try file.open(.reading)
            #expect(try opened.text() == "1\n", "reads do not look at it")
            opened.close()
            #expect(file.size == 3)
            try file.open(OpenRequest(reads: true, truncates: true)).close()
            #expect(file.size == 0)
            try truncate(file, to: 5)
            #expect(file.status.st_size == 5)
        }
    }

    @Test func from2GigabytesOnASizeIsTooLarge() throws {
        for file in Self.debugFiles() + [Self.attribute()] {
            let before = file.size
            for size in [1 << 31, 1 << 40, UInt64.max] {
                #expect(refusal { try truncate(file, to: size) } == .fileTooLarge)
                #expect(file.size == before)
            }
            #expect(refusal { try truncate(file, to: (1 << 31) - 1) } == nil)
        }
    }

    @Test func whatIsRefusedChangesNothingElse() throws {
        let file = Self.attribute()
        var change = AttributeChange()
        change.mode = 0o600
        change.size = 1 << 31
        #expect(refusal { try file.change(change) } == .fileTooLarge)
        #expect(file.status.st_mode & 0o7777 == 0o644)
    }

    @Test func modeOwnerAndTimesLast() throws {
        let file = Self.attribute()
        var change = AttributeChange()
        change.mode = S_IFREG | 0o4751
        try file.change(change)
        change = AttributeChange()
        change.user = 12
        try file.change(change)
        change = AttributeChange()
        change.group = 13
        change.accessed = Timestamp(seconds: 1, nanoseconds: 2)
        change.modified = Timestamp(seconds: 3, nanoseconds: 4)
        try file.change(change)
        let status = file.status
        #expect(status.st_mode == S_IFREG | 0o4751)
        #expect((status.st_uid, status.st_gid) == (12, 13))
        #expect((status.st_atim.tv_sec, status.st_atim.tv_nsec) == (1, 2))
        #expect((status.st_mtim.tv_sec, status.st_mtim.tv_nsec) == (3, 4))
        #expect(status.st_ctim.tv_sec > 1_000_000)
    }

    @Test func readsAndWritesMoveNoTime() throws {
        let file = Self.attribute()
        let before = file.status
        let opened = try file.open(.both)
        _ = try opened.text()
        try opened.write("1")
        opened.close()
        let after = file.status
        #expect(before.st_atim.tv_nsec == after.st_atim.tv_nsec)
        #expect(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
        #expect(before.st_ctim.tv_nsec == after.st_ctim.tv_nsec)
    }

    @Test func noTwoNodesShareANumber() {
        let numbers = (0..<1000).map { _ in Self.attribute().inodeNumber }
        #expect(Set(numbers).count == numbers.count)
        #expect(numbers.allSatisfy { $0 > 1 }, "1 is the root of a FUSE mount")
    }

    @Test func folderSyncIsARowOfTheRules() {
        #expect(FileSystemRules.configfs.directorySync == .invalid)
        #expect(FileSystemRules.debugfs.directorySync == nil)
    }
}
