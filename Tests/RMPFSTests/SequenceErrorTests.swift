// SPDX-License-Identifier: Apache-2.0
// SequenceFile when a record fails: which read reports the error, and what later reads return.

import Testing

@testable import RMPFS

@Suite struct SequenceErrorTests {
    private let records = Records((0..<4).map { [UInt8](repeating: UInt8(0x61 + $0), count: 10) })
    private let opened: OpenFile

    init() throws {
        opened = try SequenceFile(owner: .root, source: records).open(.reading)
    }

    @Test func recordsBeforeTheErrorAreReadFirst() throws {
        records.fail([2: .ioError])
        #expect(try opened.text() == "aaaaaaaaaabbbbbbbbbb")
        #expect(refusal(of: { try opened.text(at: 20) }) == .ioError)
        #expect(refusal(of: { try opened.text(at: 20) }) == .ioError)
        records.fail([:])
        #expect(try opened.text(at: 20) == "ccccccccccdddddddddd")
    }

    @Test func theRestOfARecordComesBeforeTheError() throws {
        records.fail([1: .noSuchDevice])
        #expect(try opened.text(size: 4) == "aaaa")
        #expect(try opened.text(at: 4) == "aaaaaa")
        #expect(refusal(of: { try opened.text(at: 10) }) == .noSuchDevice)
    }

    @Test func anErrorOfTheFirstRecord() throws {
        records.fail([0: .noSuchDevice])
        #expect(refusal(of: { try opened.text() }) == .noSuchDevice)
        records.fail([:])
        #expect(try opened.text(size: 5) == "aaaaa")
    }

    @Test func anErrorOnTheWayToAnOffsetIsTold() throws {
        records.fail([1: .ioError])
        #expect(refusal(of: { try opened.text(at: 15, size: 3) }) == .ioError)
        #expect(refusal(of: { try opened.text(at: 35, size: 3) }) == .ioError)
        #expect(try opened.text(at: 5, size: 3) == "aaa")
    }

    @Test func afterAnErrorOnTheWayTheOffsetIsLookedForAgain() throws {
        records.fail([1: .ioError])
        #expect(refusal(of: { try opened.text(at: 25, size: 3) }) == .ioError)
        records.fail([:])
        #expect(try opened.text(at: 25, size: 7) == "cccccdd")
    }

    @Test func anErrorBehindEmptyRecordsIsNoEnd() throws {
        let records = Records([[], [], [0x61]])
        records.fail([2: .ioError])
        let opened = try SequenceFile(owner: .root, source: records).open(.reading)
        #expect(refusal(of: { try opened.text() }) == .ioError)
        records.fail([:])
        #expect(try opened.text() == "a")
    }

    @Test func anErrorIsNotToldInsteadOfWhatIsLeft() throws {
        let records = Records([Array("0123456789".utf8)])
        records.keepAtHand(true)
        let opened = try SequenceFile(owner: .root, source: records).open(.reading)
        #expect(try opened.text(size: 4) == "0123")
        records.fail([0: .noSuchDevice])
        #expect(try opened.text(at: 4) == "456789")
        #expect(try opened.text(at: 10).isEmpty, "behind the last record nothing is made that could fail")
        #expect(refusal(of: { try opened.text(at: 0) }) == .noSuchDevice)
    }
}
