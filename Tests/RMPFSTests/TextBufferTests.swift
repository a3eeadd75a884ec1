// SPDX-License-Identifier: Apache-2.0
// TextBuffer: every way to append bytes, and when memory grows.

import Testing

@testable import RMPFS

@Suite struct TextBufferTests {
    private func string(_ write: (inout TextBuffer) -> Void) -> String {
        var text = TextBuffer(capacity: 0)
        write(&text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test(
        arguments: [
            (0, 0, "0"), (0, 3, "  0"), (7, 1, "7"), (42, 3, " 42"), (999, 3, "999"), (1000, 3, "1000"),
            (9, 20, "                   9"), (10, 2, "10"), (UInt64.max, 0, "18446744073709551615"),
            (UInt64.max, 25, "     18446744073709551615"), (1_000_000_007, 10, "1000000007"), (5, -4, "5"),
        ] as [(UInt64, Int, String)]
    )
    func decimal(value: UInt64, width: Int, expected: String) {
        #expect(string { $0.append(decimal: value, width: width) } == expected)
        #expect(
            string { text in
                text.append("<")
                text.append(decimal: value, width: width)
                text.append(">")
            } == "<" + expected + ">"
        )
    }

    @Test func growsOverEveryBoundaryAndKeepsItsBytes() {
        var text = TextBuffer(capacity: 1)
        var expected: [UInt8] = []
        for number in 0..<5000 {
            text.append(UInt8(truncatingIfNeeded: number))
            expected.append(UInt8(truncatingIfNeeded: number))
            if number % 7 == 0 {
                text.append("ab")
                expected += Array("ab".utf8)
            }
        }
        #expect(text.count == expected.count)
        #expect(text.bytes.elementsEqual(expected))
    }

    @Test func oneLongTextGrowsAtOnce() {
        let long = [UInt8](repeating: 0x78, count: 100_000)
        var text = TextBuffer(capacity: 16)
        text.append("a")
        text.append(long)
        text.append("b")
        #expect(text.bytes.elementsEqual([0x61] + long + [0x62]))
    }

    @Test func emptyBytesAddNothing() {
        var text = TextBuffer()
        text.append([UInt8]())
        text.append(UnsafeRawBufferPointer(start: nil, count: 0))
        text.append("")
        #expect(text.count == 0)
        #expect(text.bytes.isEmpty)
    }

    @Test(arguments: [(-1, ""), (0, ""), (3, "abc"), (6, "abcdef"), (7, "abcdef"), (Int.max, "abcdef")])
    func truncate(length: Int, expected: String) {
        #expect(
            string { text in
                text.append("abcdef")
                text.truncate(to: length)
            } == expected
        )
    }

    @Test(arguments: [(-1, "abcdef"), (0, "abcdef"), (2, "cdef"), (5, "f"), (6, ""), (7, ""), (Int.max, "")])
    func removeFirst(length: Int, expected: String) {
        #expect(
            string { text in
                text.append("abcdef")
                text.removeFirst(length)
            } == expected
        )
        #expect(
            string { text in
                text.append("abcdef")
                text.removeFirst(length)
                text.append("!")
            } == expected + "!"
        )
    }

    @Test func removeAllForgetsTheText() {
        #expect(
            string { text in
                text.append("abcdef")
                text.removeAll()
                text.append("x")
            } == "x"
        )
    }

    @Test func reserveKeepsTheText() {
        #expect(
            string { text in
                text.append("abc")
                text.reserve(10_000)
                text.append("def")
            } == "abcdef"
        )
    }
}
