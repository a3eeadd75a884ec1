// SPDX-License-Identifier: Apache-2.0
// A sparse file answers as a file with holes does, and is found though it is not listed.

import RMPModel
import Testing

@testable import RMPFS

@Suite struct SparseFileTests {
    private let owner = Owner(user: 0, group: 0)

    /// Two pieces of data, the second in two that touch; every byte in them is its offset's lowest eight bits.
    private struct Pieces: SparseContent {
        let size: UInt64 = 0x1_0000_0000
        let pieces: [Range<UInt64>] = [0x1000..<0x3000, 0x8000_0000..<0x8000_1000, 0x8000_1000..<0x8000_2000]

        func nextData(from offset: UInt64) throws(Errno) -> Range<UInt64>? {
            pieces.first { $0.upperBound > offset }.map { max($0.lowerBound, offset)..<$0.upperBound }
        }

        func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(Errno) {
            guard offset % 16 == 0, bytes.count % 16 == 0 else { throw .invalid }
            for index in 0..<bytes.count {
                let at = offset + UInt64(index)
                bytes[index] = pieces.contains { $0.contains(at) } ? UInt8(truncatingIfNeeded: at) : 0
            }
        }
    }

    private var file: SparseFile { SparseFile(rules: .configfs, owner: owner, content: Pieces()) }

    @Test(
        arguments: [
            (SeekTarget.data, 0, 0x1000), (.data, 0x1000, 0x1000), (.data, 0x2fff, 0x2fff),
            (.data, 0x3000, 0x8000_0000),
            (.hole, 0, 0), (.hole, 0x1000, 0x3000), (.hole, 0x3000, 0x3000), (.hole, 0x8000_0800, 0x8000_2000),
            (.hole, 0xffff_ffff, 0xffff_ffff),
        ] as [(SeekTarget, Int64, Int64)]
    )
    func seeks(_ target: SeekTarget, _ from: Int64, _ to: Int64) throws {
        #expect(try file.seek(target, from: from) == to)
    }

    @Test(
        arguments: [
            (SeekTarget.data, 0x8000_2000, Errno.noSuchAddress), (.data, 0x1_0000_0000, .noSuchAddress),
            (.hole, 0x1_0000_0000, .noSuchAddress), (.data, -1, .noSuchAddress), (.other, 0, .invalid),
        ] as [(SeekTarget, Int64, Errno)]
    )
    func seeksInVain(_ target: SeekTarget, _ from: Int64, _ error: Errno) {
        #expect(throws: error) { try file.seek(target, from: from) }
    }

    @Test(arguments: [(0xfff, 3), (0x2ff0, 32), (0x2fff, 1), (0x1001, 4097), (0xffff_fffe, 10), (0x1_0000_0000, 10)])
    func reads(_ offset: UInt64, _ size: Int) throws {
        let opened = try file.open(OpenRequest(reads: true))
        defer { opened.close() }
        let content = Pieces()
        let end = min(offset + UInt64(size), content.size)
        let wanted = (min(offset, end)..<end).map { at in
            content.pieces.contains { $0.contains(at) } ? UInt8(truncatingIfNeeded: at) : 0
        }
        let bytes = try opened.read(at: offset, size: size).withBytes { Array($0) }
        #expect(bytes == wanted)
    }

    @Test func isReadOnlyAndTellsItsSize() throws {
        #expect(throws: Errno.accessDenied) { try file.open(OpenRequest(reads: true, writes: true)) }
        #expect(file.size == 0x1_0000_0000 && file.status.st_size == 0x1_0000_0000)
    }

    @Test func isFoundAndNotListed() throws {
        let folder = Directory(rules: .configfs, owner: owner)
        folder.add("seen", Directory(rules: .configfs, owner: owner))
        folder.addUnlisted("image", file)
        #expect(try folder.node(at: "image") is SparseFile)
        #expect(folder.entries().map(\.name) == [Array("seen".utf8)])
        #expect(throws: Errno.notPermitted) { try folder.unlink(Array("image".utf8)) }
        #expect(throws: Errno.notDirectory) { try folder.removeItem(named: Array("image".utf8)) }
    }

    /// The mount's own: registers beside it, entries as the machine has them.
    @Test func theMachinesImage() throws {
        let engine = SimulatedEngine(try MachineConfiguration(cpus: 2, memoryBytes: 2 << 30), pace: .factor(0))
        let root = HostTree(owner: owner).root(engine)
        let registers = try #require(try root.node(at: "rmpsim/memory/registers") as? File)
        let text = String(decoding: try registers.contents(), as: UTF8.self)
        #expect(
            text == "syscfg 0x3880000\nrmp_base 0x8700000\nrmp_end 0x0\nrmp_cfg 0x2501\nmemory_end 0x80000000\n"
        )
        let image = try #require(try root.node(at: "rmpsim/memory/image") as? SparseFile)
        #expect(image.size == 2 << 30)
        #expect(try image.seek(.data, from: 0) == 0x870_0000)
        let opened = try image.open(OpenRequest(reads: true))
        defer { opened.close() }
        // The entry of the page that the table's first entry lies in: firmware's.
        let entry = try opened.read(at: 0x880_0000 + 0x8800 * 16, size: 16).withBytes { Array($0) }
        #expect(RawRMPEntry(bytes: entry)?.entry == RMPEntry(assigned: true, immutable: true, locked: true))
    }
}
