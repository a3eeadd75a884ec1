// SPDX-License-Identifier: Apache-2.0
// SequenceFile: reads of the recorded tables return the same as on the real kernel; then its rules one by one.

import Testing

@testable import RMPFS

@Suite struct SequenceFileTests {
    /// A file whose records are made while they are read, or are all cached.
    private func open(_ records: [[UInt8]], _ atHand: Bool) throws -> OpenFile {
        let source = Records(records)
        source.keepAtHand(atHand)
        return try SequenceFile(owner: .root, source: source).open(.reading)
    }

    private func open(_ lengths: [Int], _ atHand: Bool) throws -> OpenFile {
        try open(
            lengths.enumerated().map { [UInt8](repeating: UInt8(0x61 + $0.offset % 26), count: $0.element) },
            atHand
        )
    }

    private func table(_ atHand: Bool) throws -> OpenFile {
        try open(try Recording.lines("rmpopt.rmpopt-table"), atHand)
    }

    private func single(_ name: String) throws -> OpenFile {
        let content = try Recording.content(name)
        return try SequenceFile(owner: .root, source: SingleRecord { text throws(Errno) in text.append(content) })
            .open(.reading)
    }

    @Test(arguments: [1, 4095, 4096, 1_048_576], [false, true])
    func readsOfTheTableAreAsRecorded(size: Int, atHand: Bool) throws {
        let call = try #require(try Recording.calls("read.table.\(size)").first { $0.operation == "readall" })
        let (lengths, bytes) = try table(atHand).readAll(size, limit: call.lengths.count)
        #expect(lengths == call.lengths)
        #expect(try bytes.elementsEqual(Recording.content("rmpopt.rmpopt-table").prefix(call.result ?? -1)))
    }

    @Test(arguments: [1, 2, 7, 4096, 4097, 1_048_576])
    func readsOfASingleRecordAreAsRecorded(size: Int) throws {
        let call = try #require(try Recording.calls("read.cpu0.\(size)").first { $0.operation == "readall" })
        let (lengths, bytes) = try single("rmpopt.cpu0").readAll(size, limit: call.lengths.count)
        #expect(lengths == call.lengths)
        #expect(try bytes.elementsEqual(Recording.content("rmpopt.cpu0").prefix(call.result ?? -1)))
    }

    @Test(arguments: [false, true]) func readsOf100AreFull(atHand: Bool) throws {
        let (lengths, bytes) = try table(atHand).readAll(100)
        #expect(lengths == [Int](repeating: 100, count: 1861) + [3, 0])
        #expect(try bytes == Recording.content("rmpopt.rmpopt-table"))
    }

    @Test func aSingleRecordIsReadInOneGo() throws {
        #expect(try single("rmpopt.cpu0").readAll(65536).lengths == [57164, 0])
    }

    @Test(arguments: ["table", "cpu0"], [false, true])
    func preadsAreAsRecorded(name: String, atHand: Bool) throws {
        let opened = try name == "table" ? table(atHand) : single("rmpopt.cpu0")
        let calls = try Recording.calls("pread.\(name)").filter { $0.operation == "pread" && $0.data != nil }
        #expect(calls.count > 5)
        for call in calls {
            let numbers = call.argument.split(separator: "@").compactMap { UInt64($0) }
            // Larger offsets never reach a file system.
            guard numbers.count == 2, numbers[1] < 1 << 62 else { continue }
            #expect(try opened.text(at: numbers[1], size: Int(numbers[0])) == call.data, "pread \(call.argument)")
        }
    }

    @Test(arguments: [false, true]) func onlyWholeRecordsBelowAPage(atHand: Bool) throws {
        #expect(try open([1000, 1000, 1000, 1000, 1000], atHand).readAll(65536).lengths == [4000, 1000, 0])
        #expect(try open([2048, 2047, 5], atHand).readAll(65536).lengths == [4095, 5, 0])
        // Together they would end at 4,096 bytes, which counts as full.
        #expect(try open([2048, 2048], atHand).readAll(65536).lengths == [2048, 2048, 0])
        #expect(try open([4095, 1], atHand).readAll(65536).lengths == [4095, 1, 0])
    }

    @Test(arguments: [false, true]) func aSmallReadMakesNoMoreRecordsThanItNeeds(atHand: Bool) throws {
        let opened = try open([10, 10, 10], atHand)
        #expect(try opened.readAll(10).lengths == [10, 10, 10, 0])
        #expect(try open([10, 10, 10], atHand).readAll(15).lengths == [15, 15, 0])
    }

    @Test(arguments: [false, true]) func aRecordLongerThanThePageDoublesTheBuffer(atHand: Bool) throws {
        // The read that ends just before such a record is short; after that the buffer keeps its new size.
        #expect(try open([10, 5000, 10, 3000, 10], atHand).readAll(100, limit: 3).lengths == [10, 100, 100])
        #expect(try open([10, 5000, 10, 3000, 10], atHand).readAll(65536).lengths == [10, 8020, 0])
        #expect(try open([4096], atHand).readAll(65536).lengths == [4096, 0])
        #expect(try open([8191, 1], atHand).readAll(65536).lengths == [8191, 1, 0])
        #expect(try open([100_000], atHand).readAll(65536).lengths == [65536, 34464, 0])
    }

    @Test(arguments: [false, true]) func whatIsLeftGoesFirstAndNewRecordsFollow(atHand: Bool) throws {
        #expect(try open([100, 4000, 4000], atHand).readAll(65536).lengths == [100, 4000, 4000, 0])
        let opened = try open([300, 300], atHand)
        #expect(try opened.text(size: 200).count == 200)
        #expect(
            try opened.text(at: 200, size: 200) == String(repeating: "a", count: 100)
                + String(repeating: "b", count: 100)
        )
    }

    @Test(arguments: [false, true]) func emptyRecordsAreSkipped(atHand: Bool) throws {
        #expect(try open([0, 0, 5, 0, 5, 0], atHand).readAll(100).lengths == [10, 0])
        #expect(try open([0, 0], atHand).readAll(100).lengths == [0])
        #expect(try open([Int](), atHand).readAll(100).lengths == [0])
        #expect(
            try open([0, 5000, 0, 5], atHand).readAll(65536).lengths == [5005, 0],
            "an empty record in front of a long one"
        )
    }

    @Test func goingBackMakesTheRecordsAgain() throws {
        let generation = Box("old")
        let source = SingleRecord { text throws(Errno) in text.append(Array((generation.value + " text").utf8)) }
        let opened = try SequenceFile(owner: .root, source: source).open(.reading)
        #expect(try opened.text(size: 3) == "old")
        generation.value = "new"
        #expect(try opened.text(at: 3, size: 2) == " t", "going on reads what was made")
        #expect(try opened.text(at: 0) == "new text")
        generation.value = "3rd"
        #expect(try opened.text(at: 8).isEmpty, "at the end there is no reason to look again")
        #expect(try opened.text(at: 1, size: 4) == "rd t", "a position where the last read did not end")
        #expect(try opened.text(at: 5) == "ext")
    }

    @Test func aWriteIsInvalidHoweverItWasOpened() throws {
        let file = SequenceFile(owner: .root, source: Records([[0x61]]))
        for request in [OpenRequest.reading, .writing, .both, .neither] {
            let opened = try file.open(request)
            #expect(refusal(of: { try opened.write("x") }) == .invalid)
        }
        #expect(refusal(of: { try file.open(OpenRequest(reads: true, direct: true)) }) == .invalid)
        #expect(refusal(of: { try file.seek(.data, from: 0) }) == .invalid)
        #expect(refusal(of: { try file.seek(.hole, from: 0) }) == .invalid)
        #expect(file.isSeekable)
    }
}
