// SPDX-License-Identifier: Apache-2.0
// NumberFile: a number of debugfs, sampled at each read at position 0.

import Testing

@testable import RMPFS

@Suite struct NumberFileTests {
    private let value = Box<Result<UInt64, Errno>>(.success(41))
    private let file: NumberFile

    init() {
        let value = value
        file = NumberFile(owner: .root) { () throws(Errno) in try value.value.get() }
    }

    @Test func readsTheNumberAndANewline() throws {
        #expect(try file.open(.reading).readAll(4096).lengths == [3, 0])
        #expect(try file.content() == "41\n")
        value.value = .success(.max)
        #expect(try file.content() == "18446744073709551615\n")
    }

    @Test func isFreshAtPositionZeroOnly() throws {
        let opened = try file.open(.reading)
        #expect(try opened.text(size: 1) == "4")
        value.value = .success(99)
        #expect(try opened.text(at: 1) == "1\n", "a read that goes on gets the rest of the old number")
        #expect(try opened.text(at: 0) == "99\n")
        #expect(try opened.text(at: 3).isEmpty)
    }

    @Test func errorsAreNotRemembered() throws {
        let opened = try file.open(.reading)
        value.value = .failure(.noSuchDevice)
        #expect(refusal(of: { try opened.text() }) == .noSuchDevice)
        value.value = .success(7)
        #expect(try opened.text() == "7\n")
    }

    @Test func isReadOnlyAndNotSeekable() throws {
        #expect(!file.isSeekable)
        #expect(file.metadata.withLock { $0.mode } == 0o444)
        let opened = try file.open(.both)
        #expect(refusal(of: { try opened.write("1") }) == .accessDenied)
        #expect(refusal(of: { try file.open(OpenRequest(reads: true, direct: true)) }) == .invalid)
    }
}
