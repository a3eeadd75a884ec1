// SPDX-License-Identifier: Apache-2.0
// Files as memory: holes are skipped, both ways of access give the same bytes, a file that ends early is an error.

import Glibc
import RMPModel
import Testing

@testable import RMPImage

@Suite struct FileMemoryTests {
    /// A sparse file of 1 GB with a contiguous RMP for 2 GB at 1 MB, in which a guest owns one chunk of region 1.
    private func withFile(_ body: (Int32, RMPLayout) throws -> Void) throws {
        var name = Array("/tmp/rmpfs-image-test.XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        try #require(descriptor >= 0)
        unlink(name)
        defer { close(descriptor) }
        #expect(ftruncate(descriptor, 1 << 30) == 0)
        let end: UInt64 = 0x10_0000 + RMPLayout.bookkeepingBytes + 2 * RMPLayout.bytesPerRegion - 1
        let layout = try RMPLayout.contiguous(base: 0x10_0000, end: end)
        let entry = try #require(layout.entryAddress(of: PFN(1 << 18 + 512)))
        var low = RMPEntry(assigned: true, pageSize: .size2M, asid: 7).rawLow()
        #expect(pwrite(descriptor, &low, 8, off_t(entry.rawValue)) == 8)
        for page in 1..<512 as Range<UInt64> {
            var shadow: UInt64 = 1
            #expect(pwrite(descriptor, &shadow, 8, off_t(entry.rawValue + page * 16)) == 8)
        }
        try body(descriptor, layout)
    }

    @Test(arguments: [FileMemory.Access.mapped, .read], ScanDepth.allCases)
    func sparse(_ access: FileMemory.Access, _ depth: ScanDepth) throws {
        try withFile { descriptor, layout in
            for isLive in [false, true] {
                let memory = FileMemory(descriptor: descriptor, access: access, isLive: isLive)
                let found = try ScannedRMP(layout).scan(0..<2, in: memory, depth: depth, threads: 2)
                #expect(found.regions[0].isOptimizable && !found.regions[1].isOptimizable)
                #expect(found.regions[1].pages(of: .guest(asid: 7)) == 512)
                // The first region's 4 MB are a hole and are not read.
                #expect(found.bytesRead <= RMPLayout.bytesPerRegion)
            }
            #expect(FileMemory(descriptor: descriptor, mappedIfPossibleAt: 0, isLive: false).showsItself)
        }
    }

    @Test(arguments: [FileMemory.Access.mapped, .read])
    func endsEarly(_ access: FileMemory.Access) throws {
        try withFile { descriptor, layout in
            #expect(ftruncate(descriptor, 0x50_8000) == 0)
            var byte: UInt8 = 1
            // Data in the table just before the file ends, so that the scan reads there instead of skipping a hole.
            #expect(pwrite(descriptor, &byte, 1, 0x50_7000) == 1)
            let memory = FileMemory(descriptor: descriptor, access: access, isLive: false)
            #expect(throws: MemoryError(.end, address: 0x50_8000)) {
                _ = try ScannedRMP(layout).scan(1..<2, in: memory)
            }
            // The end is that of the file, not the address that was asked for.
            #expect(throws: MemoryError(.end, address: 0x50_8000)) { _ = try memory.word(at: 0x60_0000) }
        }
    }

    /// Past the end of the file is an error, not zeros.
    @Test func hasEndedBefore() throws {
        try withFile { descriptor, layout in
            #expect(ftruncate(descriptor, 0x20_0000) == 0)
            let memory = FileMemory(descriptor: descriptor, access: .mapped, isLive: false)
            #expect(throws: MemoryError(.end, address: 0x20_0000)) {
                _ = try ScannedRMP(layout).scan(1..<2, in: memory)
            }
            #expect(memory.nextData(from: 0) == 0x20_0000 && memory.nextData(from: 0x30_0000) == 0x30_0000)
        }
    }

    /// Another process truncates the file under the reader: an error, not death by SIGBUS.
    @Test func isCutShort() throws {
        try withFile { descriptor, layout in
            let memory = FileMemory(descriptor: descriptor, access: .mapped, isLive: false)
            let table = layout.segments[0].table
            let buffer = ScanBuffer(count: 8)
            let middle = table.lowerBound + 0x10_0000
            #expect(throws: MemoryError(.end, address: middle)) {
                try memory.withBytes(of: table.lowerBound..<middle + 0x2000, buffer: buffer) { bytes in
                    #expect(ftruncate(descriptor, off_t(middle)) == 0)
                    #expect(bytes.allSatisfy { $0 == 0 })
                }
            }
            // The next access is guarded as well.
            #expect(throws: MemoryError(.end, address: middle - 0x2000)) {
                try memory.withBytes(of: table.lowerBound..<middle, buffer: buffer) { bytes in
                    #expect(ftruncate(descriptor, off_t(middle - 0x2000)) == 0)
                    #expect(bytes.last == 0)
                }
            }
        }
    }

    /// The last copy of a memory closes the descriptor that it owns: the other end of a pipe shows it.
    @Test func closes() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        defer { close(ends[0]) }
        /// What reading the other end returns: 0 once nobody holds this end.
        func told() -> Int {
            var byte: UInt8 = 0
            return read(ends[0], &byte, 1)
        }
        var memory: FileMemory? = FileMemory(descriptor: ends[1], isOwned: true, access: .read, isLive: false)
        var copies = [memory, memory]
        memory = nil
        #expect(told() == -1)
        copies.removeAll()
        #expect(told() == 0)
    }

    @Test func noFile() throws {
        let memory = FileMemory(descriptor: -1, access: .read, isLive: false)
        #expect(throws: MemoryError(.read, address: 8, number: EBADF)) { _ = try memory.word(at: 8) }
    }
}
