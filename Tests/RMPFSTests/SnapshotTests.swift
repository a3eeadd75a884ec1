// SPDX-License-Identifier: Apache-2.0
// A reply that is still on its way keeps its bytes, whatever its open file does in the meantime.

import Testing

@testable import RMPFS

@Suite struct SnapshotTests {
    @Test func ofAnAttribute() throws {
        let shows = Counter()
        let attribute = Attribute(
            owner: .root,
            show: { text throws(Errno) in text.append(decimal: UInt64(shows.next()), width: 50) },
            store: { _ throws(Errno) in }
        )
        let opened = try attribute.open(.both)
        var held: [TextSlice] = []
        for _ in 0..<5 {
            held.append(try opened.read(at: 40, size: 100))
            try opened.write("x")
        }
        #expect(held.map(\.string) == (0..<5).map { String(repeating: " ", count: 9) + "\($0)" })
    }

    @Test func ofASequence() throws {
        let records = (0..<400).map { Array("record number \($0)\n".utf8) }
        let opened = try SequenceFile(owner: .root, source: Records(records)).open(.reading)
        var held: [TextSlice] = []
        var offset: UInt64 = 0
        while true {
            let slice = try opened.read(at: offset, size: 100)
            if slice.count == 0 { break }
            held.append(slice)
            offset += UInt64(slice.count)
        }
        _ = try opened.read(at: 7, size: 4096)
        _ = try opened.read(at: 0, size: 4096)
        #expect(held.flatMap(\.array) == records.flatMap { $0 })
    }

    @Test func ofANumber() throws {
        let reads = Counter()
        let opened = try NumberFile(owner: .root) { () throws(Errno) in UInt64(reads.next()) }.open(.reading)
        let held = try (0..<3).map { _ in try opened.read(at: 0, size: 10) }
        #expect(held.map(\.string) == ["0\n", "1\n", "2\n"])
    }

    @Test func outlivesItsOpenFile() throws {
        let attribute = Attribute(owner: .root, show: { text throws(Errno) in text.append("text") }, store: nil)
        func read() throws -> TextSlice {
            let opened = try attribute.open(.reading)
            defer { opened.close() }
            return try opened.read(at: 1, size: 10)
        }
        #expect(try read().string == "ext")
    }

    @Test func memoryIsUsedAgainWhenNobodyHoldsIt() throws {
        let opened = try NumberFile(owner: .root) { () throws(Errno) in 1 }.open(.reading)
        func place() throws -> ObjectIdentifier? {
            try opened.read(at: 0, size: 1).snapshot.map { ObjectIdentifier($0) }
        }
        #expect(try place() == place())
    }

    @Test(
        arguments: [
            (0, 10, "abcdef"), (2, 3, "cde"), (5, 1, "f"), (6, 1, ""), (7, 1, ""), (UInt64.max, 1, ""),
            (UInt64(1) << 63, 4096, ""), (0, 0, ""),
        ] as [(UInt64, Int, String)]
    )
    func slices(offset: UInt64, size: Int, expected: String) {
        let snapshot = Snapshot()
        snapshot.text.append("abcdef")
        #expect(TextSlice(of: snapshot, offset: offset, size: size).string == expected)
    }

    @Test func anEmptySliceHasNoBytes() {
        #expect(TextSlice.empty.withBytes { $0.count } == 0)
    }
}
