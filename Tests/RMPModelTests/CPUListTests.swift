// SPDX-License-Identifier: Apache-2.0
// The cpulist format, parsed and printed, and the set behind it.

import Testing

@testable import RMPModel

@Suite struct CPUListTests {
    static func set(_ cpus: [Int], limit: Int = 1024) -> CPUSet {
        var set = CPUSet(limit: limit)
        for cpu in cpus { set.insert(cpu) }
        return set
    }

    static let texts: [(String, [Int])] = [
        ("", []), ("0", [0]), ("0-1", [0, 1]), ("0,2", [0, 2]), ("0-3,8,12-15", [0, 1, 2, 3, 8, 12, 13, 14, 15]),
        ("63-64", [63, 64]), ("127,129", [127, 129]), ("1023", [1023]), ("0-1023", Array(0...1023)),
    ]

    @Test(arguments: texts) func bothWays(_ text: String, _ cpus: [Int]) throws {
        let set = Self.set(cpus)
        #expect(String(decoding: CPUList.format(set), as: UTF8.self) == text)
        #expect(try CPUList.parse(text.utf8, limit: 1024) == set)
        #expect(try CPUList.parse((text + "\n").utf8, limit: 1024) == set)
        #expect(set.count == cpus.count)
        #expect(set.isEmpty == cpus.isEmpty)
    }

    static let lenient: [(String, [Int])] = [
        (" 1 , 2\t3\n", [1, 2, 3]), (",,5,,", [5]), ("7,3,7", [3, 7]), ("010", [10]), ("4-4", [4]),
    ]

    @Test(arguments: lenient) func taken(_ text: String, _ cpus: [Int]) throws {
        #expect(try CPUList.parse(text.utf8, limit: 16) == Self.set(cpus, limit: 16))
    }

    static let refused: [(String, CPUListError)] = [
        ("a", .malformed(offset: 0)), ("-1", .malformed(offset: 0)), ("1-", .malformed(offset: 2)),
        ("1--2", .malformed(offset: 2)), ("1-2-3", .malformed(offset: 3)), ("1-,2", .malformed(offset: 2)),
        ("1 -2", .malformed(offset: 2)), ("0x1", .malformed(offset: 1)), ("3-1", .reversed(first: 3, last: 1)),
        ("16", .outOfRange(limit: 16)), ("0-16", .outOfRange(limit: 16)),
        ("99999999999999999999999999", .outOfRange(limit: 16)),
    ]

    @Test(arguments: refused) func errors(_ text: String, _ error: CPUListError) {
        #expect(throws: error) { try CPUList.parse(text.utf8, limit: 16) }
        #expect(!error.description.isEmpty)
    }

    @Test func roundTrip() throws {
        var random = Random(seed: testSeed)
        for limit in [1, 63, 64, 65, 200, 8192] {
            for odds in [2, 9] as [UInt64] {
                var set = CPUSet(limit: limit)
                for cpu in 0..<limit where random.chance(odds) { set.insert(cpu) }
                #expect(try CPUList.parse(CPUList.format(set), limit: limit) == set, "seed \(testSeed)")
            }
        }
    }

    @Test func setEdges() {
        var set = CPUSet(all: 65)
        #expect(set.count == 65 && set.contains(64) && !set.contains(65) && !set.contains(-1))
        set.insert(65)
        set.insert(-1)
        set.remove(99)
        #expect(set.count == 65)
        set.remove(0)
        #expect(set.next(from: -5) == 1 && set.next(from: 64) == 64 && set.next(from: 65) == nil)
        set.removeAll()
        #expect(set.isEmpty && set.next(from: 0) == nil)
        #expect(CPUSet(limit: -1).isEmpty)
    }
}
