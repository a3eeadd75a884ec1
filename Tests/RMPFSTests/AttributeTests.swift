// SPDX-License-Identifier: Apache-2.0
// Attribute: when a text is made and dropped, and what one write hands to the store.

import Testing

@testable import RMPFS

@Suite struct AttributeTests {
    /// An attribute whose text is a number that grows with each show, and which accepts any text but `no`.
    private final class Sample: Sendable {
        let shows = Counter()
        let stored = Box<[[UInt8]]>([])
        let attribute: Attribute

        init() {
            let shows = shows
            let stored = stored
            attribute = Attribute(
                owner: .root,
                show: { text throws(Errno) in
                    text.append("show ")
                    text.append(decimal: UInt64(shows.next()))
                    text.append(0x0A)
                },
                store: { value throws(Errno) in
                    if value.equals("no") { throw .busy }
                    stored.value += [Array(value.bytes)]
                }
            )
        }
    }

    @Test func showsOnceForEachOpen() throws {
        let sample = Sample()
        let first = try sample.attribute.open(.reading)
        #expect(sample.shows.value == 0, "the text is made at the first read, not at open")
        #expect(try first.text() == "show 0\n")
        #expect(try first.text() == "show 0\n", "a read at offset 0 again gives the old text")
        #expect(try first.text(at: 5) == "0\n")
        #expect(try first.text(at: 7).isEmpty)
        #expect(try first.text(at: .max).isEmpty)
        #expect(try sample.attribute.open(.reading).text() == "show 1\n")
        #expect(try first.text(at: 1, size: 3) == "how")
        #expect(sample.shows.value == 2)
    }

    @Test func theFirstReadMakesTheTextWhereverItIs() throws {
        let sample = Sample()
        let opened = try sample.attribute.open(.reading)
        #expect(try opened.text(at: 1000).isEmpty)
        #expect(sample.shows.value == 1)
        #expect(try opened.text() == "show 0\n")
    }

    @Test func aWriteMakesTheNextReadLookAgain() throws {
        let sample = Sample()
        let opened = try sample.attribute.open(.both)
        #expect(try opened.text() == "show 0\n")
        #expect(try opened.write("yes") == 3)
        #expect(try opened.text() == "show 1\n")
        #expect(refusal(of: { try opened.write("no") }) == .busy)
        #expect(try opened.text() == "show 2\n", "a write that was refused drops the text too")
        #expect(try opened.text() == "show 2\n")
    }

    @Test func aWriteElsewhereChangesNothingHere() throws {
        let sample = Sample()
        let here = try sample.attribute.open(.reading)
        #expect(try here.text() == "show 0\n")
        try sample.attribute.store("yes")
        #expect(try here.text() == "show 0\n")
    }

    @Test(arguments: [1, 4094, 4095, 4096, 4097, 5000, 131_072])
    func oneWriteIsOneStoreOfAtMost4095Bytes(count: Int) throws {
        let sample = Sample()
        let opened = try sample.attribute.open(.writing)
        let bytes = (0..<count).map { UInt8($0 % 255 + 1) }
        let expected = min(count, 4095)
        #expect(try opened.write(bytes) == expected)
        #expect(sample.stored.value == [Array(bytes[..<expected])])
    }

    @Test(arguments: [0, 1, 4096, 1 << 40, UInt64(Int64.max)])
    func theOffsetOfAWriteIsIgnored(offset: UInt64) throws {
        let sample = Sample()
        let opened = try sample.attribute.open(.writing)
        #expect(try opened.write("a", at: offset) == 1)
        #expect(try opened.write("b", at: offset) == 1)
        #expect(sample.stored.value == [Array("a".utf8), Array("b".utf8)], "writes are never put together")
    }

    @Test func aNULEndsTheText() throws {
        let sample = Sample()
        #expect(try sample.attribute.open(.writing).write("ab\0cd") == 5)
        #expect(sample.stored.value == [Array("ab".utf8)])
    }

    @Test func aTextOfAPageIsTheLongest() throws {
        let length = Box(4096)
        let attribute = Attribute(
            owner: .root,
            show: { text throws(Errno) in text.append([UInt8](repeating: 0x78, count: length.value)) },
            store: nil
        )
        #expect(try attribute.open(.reading).read(at: 0, size: 10_000).count == 4096)
        length.value = 4097
        let opened = try attribute.open(.reading)
        #expect(refusal(of: { try opened.text() }) == .ioError)
        #expect(refusal(of: { try opened.text() }) == .ioError)
        length.value = 5
        #expect(try opened.text() == "xxxxx", "a text that failed is not remembered")
    }

    @Test func anErrorOfShowIsNotRemembered() throws {
        let error = Box<Errno?>(.noSuchDevice)
        let attribute = Attribute(
            owner: .root,
            show: { text throws(Errno) in
                text.append("half")
                if let error = error.value { throw error }
            },
            store: nil
        )
        let opened = try attribute.open(.reading)
        #expect(refusal(of: { try opened.text() }) == .noSuchDevice)
        error.value = nil
        #expect(try opened.text() == "half")
        error.value = .noSuchDevice
        #expect(try opened.text() == "half")
    }

    @Test func seeksInOnePageOfData() throws {
        let attribute = Sample().attribute
        for (offset, data) in [0: 0, 1: 1, 4095: 4095] as [Int64: Int64] {
            #expect(try attribute.seek(.data, from: offset) == data)
            #expect(try attribute.seek(.hole, from: offset) == 4096)
        }
        for offset in [4096, 5000, -1] as [Int64] {
            #expect(refusal(of: { try attribute.seek(.data, from: offset) }) == .noSuchAddress)
            #expect(refusal(of: { try attribute.seek(.hole, from: offset) }) == .noSuchAddress)
        }
        #expect(refusal(of: { try attribute.seek(.other, from: 0) }) == .invalid)
    }

    @Test func isSeekable() {
        #expect(Sample().attribute.isSeekable)
    }
}
