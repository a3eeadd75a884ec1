// SPDX-License-Identifier: Apache-2.0
// What remains of an item's files for clients that had them open when it was removed.

import Testing

@testable import RMPFS

@Suite struct RemovedItemTests {
    /// A group whose items have one attribute, `value`, which records what was stored.
    private let group: Directory
    private let drops = Counter()

    init() {
        let drops = drops
        group = Directory(
            rules: .configfs,
            owner: .root,
            makeItem: { name throws(Errno) in
                let text = Box(name)
                let item = Directory(rules: .configfs, owner: .root, dropItem: { drops.next() })
                item.add(
                    "value",
                    Attribute(
                        owner: .root,
                        show: { page throws(Errno) in page.append(text.value) },
                        store: { value throws(Errno) in
                            if value.equals("no") { throw .invalid }
                            text.value = Array(value.bytes)
                        }
                    )
                )
                return item
            }
        )
    }

    @Test func whatWasReadStaysReadable() throws {
        try group.mkdir("g0")
        let opened = try group.file("g0/value").open(.both)
        #expect(try opened.text() == "g0")
        try group.rmdir("g0")
        #expect(drops.value == 1)
        #expect(try opened.text() == "g0")
        #expect(try opened.text(at: 1) == "0")
        #expect(refusal(of: { try opened.write("x") }) == .noSuchFile)
        #expect(refusal(of: { try opened.text() }) == .noSuchFile, "a failed write drops the text")
    }

    @Test func whatWasNotReadIsGone() throws {
        try group.mkdir("g0")
        let opened = try group.file("g0/value").open(.both)
        try group.rmdir("g0")
        #expect(refusal(of: { try opened.text() }) == .noSuchFile)
        #expect(refusal(of: { try opened.text(at: 100) }) == .noSuchFile)
        #expect(refusal(of: { try opened.write("no") }) == .noSuchFile, "the store is not asked any more")
    }

    @Test func nothingOpensAnyMore() throws {
        let folder = try group.mkdir("g0")
        let file = try folder.file("value")
        try group.rmdir("g0")
        for request in [OpenRequest.reading, .writing, .both, .neither] {
            #expect(refusal(of: { try file.open(request) }) == .noSuchFile)
        }
        #expect(folder.isRemoved)
        #expect(refusal(of: { try folder.mkdir("x") }) == .noSuchFile)
        #expect(file.status.st_nlink == 0)
        #expect(folder.status.st_nlink == 0)
    }

    @Test func aNewItemOfTheSameNameIsAnotherOne() throws {
        try group.mkdir("g0")
        let old = try group.file("g0/value")
        let opened = try old.open(.both)
        #expect(try opened.text() == "g0")
        try group.rmdir("g0")
        try group.mkdir("g0")
        try group.file("g0/value").store("new")
        #expect(try opened.text() == "g0")
        #expect(try group.file("g0/value").content() == "new")
        #expect(try group.file("g0/value").inodeNumber != old.inodeNumber)
        #expect(refusal(of: { try opened.write("x") }) == .noSuchFile)
        #expect(try group.file("g0/value").content() == "new")
    }
}
