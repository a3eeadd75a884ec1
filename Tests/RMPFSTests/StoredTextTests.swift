// SPDX-License-Identifier: Apache-2.0
// StoredText: which values the recorded kernel accepts, and the errno for each that it refuses, row by row
// (Tests/Oracle/README.md).

import Testing

@testable import RMPFS

/// A write and its outcome.
struct ValueCase<Value: Equatable & Sendable>: Sendable, CustomTestStringConvertible {
    let written: [UInt8]
    let expected: Result<Value, Errno>

    init(_ written: String, _ value: Value) {
        self.written = Array(written.utf8)
        expected = .success(value)
    }

    init(_ written: String, refused error: Errno) {
        self.written = Array(written.utf8)
        expected = .failure(error)
    }

    var testDescription: String {
        let text = String(decoding: written, as: UTF8.self).debugDescription
        return text.count > 40 ? "\(text.prefix(40))... (\(written.count) bytes)" : text
    }
}

/// What `read` returns for a write.
private func outcome<Value>(
    _ written: [UInt8],
    _ read: (StoredText) throws(Errno) -> Value
) -> Result<Value, Errno> {
    written.withUnsafeBytes { bytes in
        do throws(Errno) {
            return .success(try read(StoredText(bytes)))
        } catch {
            return .failure(error)
        }
    }
}

@Suite struct StoredTextTests {
    private static let zeros = String(repeating: "0", count: 50)
    private static let notNumbers = [
        "", "\n", " 1", "1 ", "1\t", "1\n\n", "1\r\n", "\n1", "-1", "-0", "+", "-", "++1", "+-1", "+ 1", "+\n", "1a",
        "a1",
        "1 1", "0b1", "1.0", "1,0", "\u{661}", "\u{ff11}", "1\u{a0}", "\0", "\01", "\0\n", "one", "1\n1",
    ]
    private static let digitsOnly = ["0x1", "0X1", "1K", "0xf", "4294967296x", "4294967296 "]

    private static let unsignedInts: [ValueCase<UInt32>] =
        [
            ValueCase("1", 1), ValueCase("1\n", 1), ValueCase("+1", 1), ValueCase("+1\n", 1), ValueCase("01", 1),
            ValueCase("001\n", 1), ValueCase(zeros + "1", 1), ValueCase("1\0", 1), ValueCase("1\0garbage", 1),
            ValueCase("1\n\0", 1), ValueCase("1\n\0\n", 1), ValueCase("1" + String(repeating: "\0", count: 4094), 1),
            ValueCase("0", 0), ValueCase("00", 0), ValueCase("+0", 0), ValueCase("2", 2), ValueCase("010", 10),
            ValueCase("08", 8), ValueCase("4294967295", .max), ValueCase("4294967296", refused: .outOfRange),
            ValueCase("+4294967296\n", refused: .outOfRange), ValueCase("18446744073709551615", refused: .outOfRange),
            ValueCase("18446744073709551616", refused: .outOfRange),
            // An overflow of 64 bits is reported before anything that follows the digits.
            ValueCase("18446744073709551616x", refused: .outOfRange),
            ValueCase(String(repeating: "9", count: 4095), refused: .outOfRange),
            ValueCase("4294967296\0", refused: .outOfRange),
        ] + (notNumbers + digitsOnly).map { ValueCase($0, refused: .invalid) }

    @Test("kstrtouint, base 10", arguments: unsignedInts)
    func unsignedInt(row: ValueCase<UInt32>) {
        #expect(outcome(row.written) { text throws(Errno) in try text.unsignedInt() } == row.expected)
    }

    private static let unsignedLongLongs: [ValueCase<UInt64>] =
        [
            ValueCase("0", 0), ValueCase("1", 1), ValueCase("1\n", 1), ValueCase("+1", 1), ValueCase("10", 10),
            ValueCase("0x10", 16), ValueCase("0X1", 1), ValueCase("0xAbCdEf\n", 0xabcdef), ValueCase("+0x1f", 31),
            ValueCase("010", 8), ValueCase("0777", 511), ValueCase("00", 0), ValueCase(zeros + "1", 1),
            ValueCase("1\0x", 1), ValueCase("4294967296", 1 << 32), ValueCase("18446744073709551615", .max),
            ValueCase("0xffffffffffffffff", .max), ValueCase("01777777777777777777777", .max),
            ValueCase("18446744073709551616", refused: .outOfRange),
            ValueCase("0x10000000000000000", refused: .outOfRange),
            ValueCase("02000000000000000000000", refused: .outOfRange),
            ValueCase("99999999999999999999999", refused: .outOfRange),
        ]
        + (notNumbers + ["0x", "0xg", "0x\n", "08", "019", "0x 1", "0x+1", "00x1", "1K", "0x1K", "x1"])
        .map { ValueCase($0, refused: .invalid) }

    @Test("kstrtoull, base 0", arguments: unsignedLongLongs)
    func unsignedLongLong(row: ValueCase<UInt64>) {
        #expect(outcome(row.written) { text throws(Errno) in try text.unsignedLongLong() } == row.expected)
    }

    private static let sizes: [ValueCase<UInt64>] =
        [
            ValueCase("4096", 4096), ValueCase("64K", 64 << 10), ValueCase("64k\n", 64 << 10),
            ValueCase("100M", 100 << 20),
            ValueCase("100m", 100 << 20), ValueCase("16G", 16 << 30), ValueCase("16g", 16 << 30),
            ValueCase("2T", 2 << 40), ValueCase("2t", 2 << 40), ValueCase("1P", 1 << 50), ValueCase("1p", 1 << 50),
            ValueCase("+1K", 1024), ValueCase("0x10K", 16384), ValueCase("010K", 8192), ValueCase("0", 0),
            ValueCase("0P", 0), ValueCase("1K\0", 1024), ValueCase("16383P", 16383 << 50),
            ValueCase("18446744073709551615", .max), ValueCase("18014398509481983K", 18_014_398_509_481_983 << 10),
            ValueCase("16384P", refused: .outOfRange), ValueCase("18014398509481984K", refused: .outOfRange),
            ValueCase("18446744073709551615K", refused: .outOfRange),
            ValueCase("18446744073709551616", refused: .outOfRange),
        ]
        + (notNumbers + ["K", "+K", "1KB", "1KK", "1 K", "K1", "1E", "1.5G", "-1K", "0xK", "1K\n\n", "1K ", "08K"])
        .map { ValueCase($0, refused: .invalid) }

    @Test("sizes with suffixes", arguments: sizes)
    func size(row: ValueCase<UInt64>) {
        #expect(outcome(row.written) { text throws(Errno) in try text.size() } == row.expected)
    }

    private static let durations: [ValueCase<UInt64>] =
        [
            ValueCase("+10s", 10_000_000_000), ValueCase("+10us\n", 10_000), ValueCase("+250ms", 250_000_000),
            ValueCase("+0ms", 0), ValueCase("+010us", 10_000), ValueCase("+1ns\0s", 1),
            ValueCase("+18446744073709551615ns", .max), ValueCase("+1.5us", 1_500), ValueCase("+0.25us\n", 250),
            ValueCase("+2.0ns", 2), ValueCase("+1.0000000000us", 1_000), ValueCase("+1.000000001s", 1_000_000_001),
            ValueCase("+18446744073709551.615us", .max), ValueCase("+1min", 60_000_000_000),
            ValueCase("+0.00000000125h", 4_500), ValueCase("+1d", 86_400_000_000_000),
            // A 65,536th of a day.
            ValueCase("+0.0000152587890625d", 1_318_359_375),
            ValueCase("+18446744073709551.616us", refused: .outOfRange),
            ValueCase("+18446744073709551616ns", refused: .outOfRange),
            ValueCase("+18446744073709552us", refused: .outOfRange),
            ValueCase("+18446744073709551616h", refused: .outOfRange),
        ]
        + [
            "", "\n", "+", "+s", "+ms", "10s", "-10s", "++10s", "+10", "+10 s", "+10S", "+10sec", "+10ms ", "+1.s",
            "+.5s", "+1.5", "+1.5.5s", "+1,5s", "+0x10s", "+10s\n\n", " +10s", "\0", "+10w", "+18446744073709551616w",
            // Not whole ns.
            "+0.5ns", "+1.0000000001s", "+1.0001us", "+0.00000762939453125001d", "+0.33333333333333333333s",
        ].map { ValueCase($0, refused: .invalid) }

    @Test("durations", arguments: durations)
    func duration(row: ValueCase<UInt64>) {
        #expect(outcome(row.written) { text throws(Errno) in try text.duration() } == row.expected)
    }

    @Test(
        "sysfs_streq",
        arguments: [
            ("running", true), ("running\n", true), ("running\0", true), ("running\n\0x", true), ("running\0\n", true),
            ("running\n\n", false), ("running\r\n", false), ("Running", false), (" running", false),
            ("running ", false),
            ("runnin", false), ("runningx", false), ("", false), ("\n", false), ("\0running", false),
            ("run\0ning", false),
            ("\nrunning", false),
        ]
    )
    func equals(written: String, expected: Bool) {
        #expect(Array(written.utf8).withUnsafeBytes { StoredText($0).equals("running") } == expected)
    }

    @Test func equalsNothing() {
        #expect([UInt8]("\n".utf8).withUnsafeBytes { StoredText($0).equals("") })
        #expect([UInt8]("x".utf8).withUnsafeBytes { !StoredText($0).equals("") })
    }
}
