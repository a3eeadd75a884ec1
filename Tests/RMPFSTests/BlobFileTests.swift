// SPDX-License-Identifier: Apache-2.0
// BlobFile: constant bytes of debugfs, read as recorded.

import Testing

@testable import RMPFS

@Suite struct BlobFileTests {
    private let bytes = (0..<6000).map { UInt8($0 % 256) }
    private let file: BlobFile

    init() {
        file = BlobFile(owner: .root, bytes: bytes)
    }

    @Test(arguments: [7, 4096, 4097, 65536])
    func readsAreAsRecorded(size: Int) throws {
        let call = try #require(try Recording.calls("read.blob.\(size)").first { $0.operation == "readall" })
        let (lengths, read) = try file.open(.reading).readAll(size, limit: call.lengths.count)
        #expect(lengths == call.lengths)
        #expect(read.elementsEqual(bytes.prefix(call.result ?? -1)))
    }

    @Test func anyOffset() throws {
        let opened = try file.open(.reading)
        #expect(try opened.read(at: 5999, size: 100).array == [UInt8(5999 % 256)])
        #expect(try opened.read(at: 6000, size: 100).count == 0)
        #expect(try opened.read(at: 1 << 62, size: 100).count == 0)
        #expect(try opened.read(at: 300, size: 4).array == [44, 45, 46, 47])
    }

    @Test func empty() throws {
        #expect(try BlobFile(owner: .root, bytes: []).open(.reading).readAll(100).lengths == [0])
    }

    @Test func isReadOnlyAndHasNoData() throws {
        #expect(file.metadata.withLock { $0.mode } == 0o444)
        #expect(file.size == 0)
        let opened = try file.open(.writing)
        #expect(refusal(of: { try opened.write("1") }) == .invalid)
        #expect(refusal(of: { try file.seek(.data, from: 0) }) == .noSuchAddress)
        #expect(refusal(of: { try file.seek(.hole, from: 0) }) == .noSuchAddress)
        #expect(refusal(of: { try file.seek(.other, from: 0) }) == .invalid)
    }
}
