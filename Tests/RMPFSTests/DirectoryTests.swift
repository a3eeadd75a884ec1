// SPDX-License-Identifier: Apache-2.0
// Directory: order of listings, link counts, and who may make and remove what.

import Synchronization
import Testing

@testable import RMPFS

@Suite struct DirectoryTests {
    private static func file() -> Node { Attribute(owner: .root, show: { _ throws(Errno) in }, store: nil) }

    private static func plain(_ rules: FileSystemRules = .configfs) -> Directory {
        Directory(rules: rules, owner: .root)
    }

    /// A folder with a group `guests`, a file and a plain folder.
    private let root = DirectoryTests.plain()
    private let group: Directory

    init() {
        group = Directory(
            rules: .configfs,
            owner: .root,
            makeItem: { name throws(Errno) in
                if name == Array("refused".utf8) { throw .noMemory }
                let item = DirectoryTests.plain()
                item.add("value", DirectoryTests.file())
                return item
            }
        )
        root.add(["file": Self.file(), "folder": Self.plain(), "guests": group])
    }

    @Test func listsDotsAndThenTheNewestFirst() throws {
        try group.mkdir("a")
        try group.mkdir("b")
        try group.mkdir("c")
        try group.rmdir("b")
        try group.mkdir("b")
        let entries = OpenDirectory(group).entries(fromStart: true)
        #expect(entries.map { String(decoding: $0.name, as: UTF8.self) } == [".", "..", "b", "c", "a"])
        #expect(entries.map(\.isDot) == [true, true, false, false, false])
        #expect(root.names == ["guests", "folder", "file"])
    }

    @Test func aListingIsTakenAtItsStart() throws {
        try group.mkdir("a")
        let opened = OpenDirectory(group)
        #expect(opened.entries(fromStart: true).count == 3)
        try group.mkdir("b")
        #expect(opened.entries(fromStart: false).count == 3)
        #expect(opened.entries(fromStart: true).count == 4)
    }

    @Test func namesEndWithNUL() {
        let entry = Directory.Entry(name: Array("ab".utf8), node: root)
        #expect(entry.terminatedName == [0x61, 0x62, 0])
    }

    @Test func linksAreTwoAndOneForEachFolder() throws {
        #expect(root.status.st_nlink == 4)
        #expect(group.status.st_nlink == 2)
        try group.mkdir("a")
        try group.mkdir("b")
        #expect(group.status.st_nlink == 4)
        try group.rmdir("a")
        #expect(group.status.st_nlink == 3)
        #expect(try root.node(at: "file").status.st_nlink == 1)
    }

    @Test(arguments: [
        "...", "*", " ", "a b", "new\nline", "value", "\u{1f600}", "-rf", ".hidden", String(repeating: "x", count: 255),
    ])
    func anyNameWillDo(name: String) throws {
        let item = try group.mkdir(name)
        #expect(try group.child(named: Array(name.utf8)) === item)
        #expect(group.names == [name])
        #expect(refusal(of: { try group.mkdir(name) }) == .exists)
        try group.rmdir(name)
        #expect(group.names.isEmpty)
    }

    @Test func bytesThatAreNoUTF8() throws {
        let name: [UInt8] = [0xFF, 0xFE, 0x80]
        let item = try group.makeItem(named: name)
        #expect(try group.child(named: name) === item)
        #expect(refusal { try group.removeItem(named: [0xFF, 0xFE, 0x81]) } == .noSuchFile)
        try group.removeItem(named: name)
    }

    @Test func aNameOf256BytesIsTooLong() {
        let name = [UInt8](repeating: 0x78, count: 256)
        #expect(refusal(of: { try group.makeItem(named: name) }) == .nameTooLong)
        #expect(refusal(of: { try group.child(named: name) }) == .nameTooLong)
        #expect(
            refusal(of: { try root.makeItem(named: name) }) == .nameTooLong,
            "told before that nobody may mkdir here"
        )
        #expect(refusal(of: { try group.child(named: Array(name.dropLast())) }) == .noSuchFile)
    }

    @Test func mkdirWorksInGroupsOnly() throws {
        #expect(refusal(of: { try root.mkdir("x") }) == .notPermitted)
        #expect(refusal(of: { try root.folder("folder").mkdir("x") }) == .notPermitted)
        let item = try group.mkdir("item")
        #expect(refusal(of: { try item.mkdir("x") }) == .notPermitted)
        #expect(item.status.st_mode & 0o7777 == 0o755)
    }

    @Test func whatTheGroupRefusesIsPassedOn() {
        #expect(refusal(of: { try group.mkdir("refused") }) == .noMemory)
        #expect(group.names.isEmpty)
        #expect(group.status.st_nlink == 2)
        #expect(refusal(of: { try group.mkdir("refused") }) == .noMemory, "not EEXIST")
    }

    @Test func rmdir() throws {
        try group.mkdir("item")
        #expect(refusal { try root.rmdir("nothing") } == .noSuchFile)
        #expect(refusal { try root.rmdir("file") } == .notDirectory)
        #expect(refusal { try root.rmdir("folder") } == .notPermitted)
        #expect(refusal { try root.rmdir("guests") } == .notPermitted)
        #expect(refusal { try group.rmdir("other") } == .noSuchFile)
        #expect(refusal { try group.folder("item").rmdir("value") } == .notDirectory)
        #expect(refusal { try group.rmdir("item") } == nil)
        #expect(refusal { try group.rmdir("item") } == .noSuchFile)
    }

    @Test func unlink() throws {
        try group.mkdir("item")
        #expect(refusal { try root.unlink(Array("nothing".utf8)) } == .noSuchFile)
        #expect(refusal { try root.unlink(Array("file".utf8)) } == .notPermitted)
        #expect(refusal { try root.unlink(Array("folder".utf8)) } == .isDirectory)
        #expect(refusal { try group.unlink(Array("item".utf8)) } == .isDirectory)
        #expect(refusal { try group.folder("item").unlink(Array("value".utf8)) } == .notPermitted)
    }

    @Test func paths() throws {
        #expect(try root.node(at: "") === root)
        #expect(try root.node(at: "/guests/") === group)
        #expect(refusal(of: { try root.node(at: "guests/none") }) == .noSuchFile)
        #expect(refusal(of: { try root.node(at: "file/x") }) == .notDirectory)
    }

    @Test func mkdirAndRmdirMoveTheFoldersTime() throws {
        let before = group.metadata.withLock { $0.modified }
        try group.mkdir("a")
        let made = group.metadata.withLock { $0.modified }
        #expect((made.seconds, made.nanoseconds) > (before.seconds, before.nanoseconds))
        try group.rmdir("a")
        let removed = group.metadata.withLock { $0.modified }
        #expect((removed.seconds, removed.nanoseconds) > (made.seconds, made.nanoseconds))
    }

    @Test func whatTheKernelMayRemember() throws {
        let item = try group.mkdir("item")
        let value = try item.node(at: "value")
        for node in [group, item, value, try root.node(at: "file")] { #expect(node.isFixed) }
        #expect(!item.comesAndGoes, "rmdir(2) of an item ends its name")
        #expect(value.comesAndGoes, "but not the names in it")
        #expect(try group.removeItem(named: Array("item".utf8)).map { $0 === value } == [true])
        #expect(!item.isFixed)
        #expect(!value.isFixed)
        #expect(value.comesAndGoes)
    }

    @Test func oneThreadMakesAndOneRemoves() throws {
        let threads = 8
        let drops = Counter()
        let makes = Counter()
        let group = Directory(
            rules: .configfs,
            owner: .root,
            makeItem: { _ throws(Errno) in
                makes.next()
                return Directory(rules: .configfs, owner: .root, dropItem: { drops.next() })
            }
        )
        let rounds = 40
        for round in 1...rounds {
            let made = Box<[Errno?]>([])
            let removed = Box<[Errno?]>([])
            let (madeAnswers, removedAnswers) = (made, removed)
            let lock = Lock()
            inThreads(threads) { _ in
                let answer = refusal(of: { try group.mkdir("one") })
                lock.run { madeAnswers.value += [answer] }
            }
            inThreads(threads) { _ in
                let answer = refusal { try group.rmdir("one") }
                lock.run { removedAnswers.value += [answer] }
            }
            #expect(made.value.count { $0 == nil } == 1)
            #expect(made.value.count { $0 == .exists } == threads - 1)
            #expect(removed.value.count { $0 == nil } == 1)
            #expect(removed.value.count { $0 == .noSuchFile } == threads - 1)
            #expect(makes.value == round)
            #expect(drops.value == round)
        }
        #expect(group.status.st_nlink == 2)
    }

    @Test func makingAndRemovingAtOnceLeavesNothingBehind() {
        let alive = Counter()
        let dropped = Counter()
        let group = Directory(
            rules: .configfs,
            owner: .root,
            makeItem: { _ throws(Errno) in
                alive.next()
                return Directory(rules: .configfs, owner: .root, dropItem: { dropped.next() })
            }
        )
        inThreads(8) { number in
            for _ in 0..<200 {
                if number % 2 == 0 {
                    _ = refusal(of: { try group.mkdir("one") })
                } else {
                    _ = refusal { try group.rmdir("one") }
                }
                _ = group.names
            }
        }
        #expect(alive.value - dropped.value == group.names.count)
        #expect(group.status.st_nlink == UInt(2 + group.names.count))
    }

    /// Each call asks a conditional node whether it exists. No call may use more stack frames than the one before, as
    /// it would if the closure were wrapped again each time.
    @Test func isAskedForItsPresenceForEver() throws {
        let places = Places()
        let folder = Directory(rules: .debugfs, owner: .root)
        folder.add(
            "file",
            BlobFile(owner: .root, bytes: []),
            whileThere: {
                var local = 0
                withUnsafePointer(to: &local) { place in places.seen.withLock { $0.append(UInt(bitPattern: place)) } }
                return 7
            }
        )
        let file = try #require(try folder.node(at: "file") as? File)
        places.seen.withLock { $0 = [] }
        for _ in 0..<1_000 { #expect(file.incarnation == 7) }
        let seen = places.seen.withLock { $0 }
        #expect(seen.count == 1_000 && (seen.max() ?? 0) - (seen.min() ?? 0) < 4096)
    }
}

/// The stack addresses at which a closure was called.
private final class Places: Sendable {
    let seen = Mutex<[UInt]>([])
}
