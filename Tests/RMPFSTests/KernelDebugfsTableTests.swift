// SPDX-License-Identifier: Apache-2.0
// The kernel's table: what the parser returns, what it refuses, and that no text does harm.

import RMPModel
import Testing

@testable import RMPFS

@Suite struct KernelDebugfsTableTests {
    private static let online = CPUSet(all: 1024)

    private static func table(_ text: String) throws(KernelDebugfsTableError) -> KernelDebugfsTable {
        try KernelDebugfsTable(Array(text.utf8), online: online)
    }

    /// The text that the kernel prints for rows of CPUs.
    private static func text(_ rows: [CPUSet], from first: Int = 0) -> [UInt8] {
        var text = TextBuffer()
        for (index, row) in rows.enumerated() {
            DebugfsTableText.line(region: first + index, cpus: row, into: &text)
        }
        return Array(text.bytes)
    }

    private static func row(_ random: inout Random) -> CPUSet {
        var set = CPUSet(limit: 1024)
        switch random.next() % 4 {
        case 0: break
        case 1: return CPUSet(all: 1024)
        default: for _ in 0..<random.next() % 9 { set.insert(Int(random.next() % 1024)) }
        }
        return set
    }

    @Test func readsTheSampleOfTheSeries() throws {
        let table = try Self.table(
            """
            Memory @  0GB: CPU(s): none
            Memory @  1GB: CPU(s): 0-1023
            Memory @  2GB: CPU(s): 0-3,8,12-15

            """
        )
        #expect(table.firstRegion == 0)
        #expect(table.rows == [0, 1, 2])
        #expect(table.cpus(ofLine: 0).isEmpty)
        #expect(table.cpus(ofLine: 1) == Self.online)
        #expect(CPUList.format(table.cpus(ofLine: 2)) == Array("0-3,8,12-15".utf8))
        #expect(Array(table.text(ofLine: 1)) == Array("Memory @  1GB: CPU(s): 0-1023\n".utf8))
    }

    @Test(arguments: 0..<50) func readsWhatIsWritten(seed: UInt64) throws {
        var random = Random(seed: seed)
        let rows = (0..<1 + random.next() % 1200).map { _ in Self.row(&random) }
        let first = Int(random.next() % 3000)
        let table = try KernelDebugfsTable(Self.text(rows, from: first), online: Self.online)
        #expect(table.firstRegion == first)
        #expect(table.rows.indices.map { table.cpus(ofLine: $0) } == rows)
    }

    /// A text with one change is refused, or is another table that prints as exactly that text.
    @Test(arguments: 0..<400) func neverGuesses(seed: UInt64) {
        var random = Random(seed: seed)
        var text = Self.text((0..<1 + random.next() % 30).map { _ in Self.row(&random) }, from: 95)
        for _ in 0...random.next() % 3 {
            let place = Int(random.next() % UInt64(max(text.count, 1)))
            switch random.next() % 5 {
            case 0: text.removeSubrange(place...)
            case 1: if !text.isEmpty { text.remove(at: place) }
            case 2: text.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            case 3: text.insert(contentsOf: Array("0-,9 \n".utf8).shuffled(using: &random).prefix(2), at: place)
            default: if !text.isEmpty { text[place] = UInt8(truncatingIfNeeded: random.next()) }
            }
        }
        guard let table = try? KernelDebugfsTable(text, online: Self.online) else { return }
        let rows = table.rows.indices.map { table.cpus(ofLine: $0) }
        #expect(Self.text(rows, from: table.firstRegion) == text)
    }

    @Test(arguments: 0..<200) func noTextDoesHarm(seed: UInt64) {
        var random = Random(seed: seed)
        let letters = Array("Memory @GB: CPU(s): none0123456789-,\n".utf8)
        let text = (0..<random.next() % 200).map { _ in letters[Int(random.next() % UInt64(letters.count))] }
        #expect(throws: KernelDebugfsTableError.self) { try KernelDebugfsTable(text, online: Self.online) }
    }

    @Test(arguments: [
        ("", 1, KernelDebugfsTableError.Reason.empty), ("M", 1, .cut), ("Memory @  0GB: CPU(s): none", 1, .cut),
        ("Memory @  0GB: CPU(s): none\nMemory @", 2, .cut), ("memory @  0GB: CPU(s): none\n", 1, .unknown),
        ("Memory @ 0GB: CPU(s): none\n", 1, .unknown), ("Memory @   0GB: CPU(s): none\n", 1, .unknown),
        ("Memory @ 1000GB: CPU(s): none\n", 1, .unknown), ("Memory @000GB: CPU(s): none\n", 1, .unknown),
        ("Memory @999999999999GB: CPU(s): none\n", 1, .unknown), ("Memory @  0GB: CPU(s):none\n", 1, .unknown),
        ("Memory @  0GB: CPU(s): \n", 1, .badList), ("Memory @  0GB: CPU(s): None\n", 1, .badList),
        ("Memory @  0GB: CPU(s): 00\n", 1, .badList), ("Memory @  0GB: CPU(s): 1-1\n", 1, .badList),
        ("Memory @  0GB: CPU(s): 1-\n", 1, .badList), ("Memory @  0GB: CPU(s): 1,\n", 1, .badList),
        ("Memory @  0GB: CPU(s): 1,2\n", 1, .badList), ("Memory @  0GB: CPU(s): 1 \n", 1, .badList),
        ("Memory @  0GB: CPU(s): 1024\n", 1, .notOnline(1024)),
        ("Memory @  0GB: CPU(s): 0-99999999999\n", 1, .notOnline(1024)),
        ("Memory @  5GB: CPU(s): none\nMemory @  7GB: CPU(s): none\n", 2, .wrongRegion(expected: 6)),
    ])
    func refuses(text: String, line: Int, reason: KernelDebugfsTableError.Reason) {
        #expect {
            try Self.table(text)
        } throws: { error in
            let error = error as? KernelDebugfsTableError
            return error?.line == line && error?.reason == reason
        }
    }

    @Test func errorsNameLineAndText() {
        let error = #expect(throws: KernelDebugfsTableError.self) { try Self.table("Memory @  0GB: \u{1B}[31mCPU\n") }
        #expect(error?.description.hasPrefix("line 1 'Memory @  0GB: ?[31mCPU': not 'Memory @...GB") == true)
    }

    @Test func findsTheFirstDifference() {
        let one = Array("a\nb\nc\n".utf8)
        #expect(KernelDebugfsTable.firstDifference(one, one) == nil)
        #expect(KernelDebugfsTable.firstDifference(one, Array("a\nB\nc\n".utf8)) == 2)
        #expect(KernelDebugfsTable.firstDifference(one, Array("a\nb\n".utf8)) == 3)
        #expect(KernelDebugfsTableError.line(2, of: one) == "b")
        #expect(KernelDebugfsTableError.line(9, of: one).isEmpty)
    }
}
