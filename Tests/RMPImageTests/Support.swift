// SPDX-License-Identifier: Apache-2.0
// What the tests share: memory made of words, a machine as memory, and reproducible random numbers.

import RMPImage
import RMPModel
import RMPModelTestSupport
import Synchronization

/// The seed of random tests: fixed, unless RMPFS_TEST_SEED says otherwise.
let testSeed = Random.seed(otherwise: 20_260_217)

/// How many random tables a test reads, and how many random machines: reading one takes seconds without optimization.
#if DEBUG
    let tableCount: UInt64 = 3
    let machineCount = 3
#else
    let tableCount: UInt64 = 24
    let machineCount = 24
#endif

/// The generator of all tests.
typealias Random = RMPModelTestSupport.Random

/// Memory made of words by address, kept in pieces of 8 KB; missing words are 0. `before` is called before each read of
/// a single word.
final class WordMemory: PhysicalMemory, @unchecked Sendable {
    private static let pieceBytes: UInt64 = 8192
    /// Changed by tests only while no scan runs, or by `before`, in the one thread of a live scan.
    private var pieces: [UInt64: [UInt64]] = [:]
    let isLive: Bool
    let showsItself = false
    var before: (WordMemory, UInt64) -> Void = { _, _ in }

    init(_ words: [UInt64: UInt64] = [:], isLive: Bool = false) {
        self.isLive = isLive
        for (address, word) in words { self[address] = word }
    }

    subscript(address: UInt64) -> UInt64 {
        get { pieces[address / Self.pieceBytes]?[Int(address % Self.pieceBytes / 8)] ?? 0 }
        set {
            let empty = [UInt64](repeating: 0, count: Int(Self.pieceBytes / 8))
            pieces[address / Self.pieceBytes, default: empty][Int(address % Self.pieceBytes / 8)] = newValue
        }
    }

    func nextData(from address: UInt64) -> UInt64? { address }

    func withBytes(
        of range: Range<UInt64>,
        buffer: ScanBuffer,
        _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
    ) throws(MemoryError) {
        let count = Int(range.upperBound - range.lowerBound)
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
        room.initializeMemory(as: UInt8.self, repeating: 0)
        for (number, words) in pieces {
            let place = number * Self.pieceBytes..<(number + 1) * Self.pieceBytes
            let common = place.clamped(to: range)
            if common.isEmpty { continue }
            words.withUnsafeBytes { bytes in
                let part = bytes[Int(common.lowerBound - place.lowerBound)..<Int(common.upperBound - place.lowerBound)]
                let from = Int(common.lowerBound - range.lowerBound)
                UnsafeMutableRawBufferPointer(rebasing: room[from..<from + part.count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
            }
        }
        try body(UnsafeRawBufferPointer(room))
    }

    func word(at address: UInt64) throws(MemoryError) -> UInt64 {
        before(self, address)
        return self[address]
    }

    /// Writes the raw entry of a page.
    func write(_ low: UInt64, high: UInt64 = 0, page: UInt64, _ layout: RMPLayout) {
        guard let at = layout.entryAddress(of: PFN(page))?.rawValue else { return }
        self[at] = low
        self[at + 8] = high
    }

    /// Writes the RST of a layout.
    func writeTable(of layout: RMPLayout) {
        guard let rst = layout.rst else { return }
        for entry in layout.entries { self[rst.lowerBound + UInt64(entry.index) * 8] = entry.rawValue }
    }
}

/// A machine's RMP as memory.
struct MachineMemory: PhysicalMemory {
    let machine: Machine
    let isLive = false
    let showsItself = true

    func nextData(from address: UInt64) -> UInt64? { machine.nextRMPData(from: address)?.lowerBound }

    func withBytes(
        of range: Range<UInt64>,
        buffer: ScanBuffer,
        _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
    ) throws(MemoryError) {
        let room = UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[..<Int(range.upperBound - range.lowerBound)]
        )
        machine.writeRMPMemory(at: range.lowerBound, into: room)
        try body(UnsafeRawBufferPointer(room))
    }

    func word(at address: UInt64) throws(MemoryError) -> UInt64 {
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { machine.writeRMPMemory(at: address & ~15, into: $0) }
        return address & 8 == 0 ? words.0 : words.1
    }
}

extension RMPUpdateInput {
    /// The two words that RMPREAD stores for this entry, with the status of the 2 MB region.
    func words(status: Bool) -> [UInt64] {
        var bytes = bytes
        if status { bytes[9] |= 2 }
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }
}
