// SPDX-License-Identifier: Apache-2.0
// The kernel's cpulist text ("0-3,8,12-15"), written and read as bytes because the files hold bytes.

/// Why text is not a cpulist.
public enum CPUListError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The byte at this offset does not belong in a cpulist (the kernel says EINVAL).
    case malformed(offset: Int)
    /// A range runs backwards, such as `5-3` (the kernel says EINVAL).
    case reversed(first: Int, last: Int)
    /// A number is at or above the limit (the kernel says ERANGE).
    case outOfRange(limit: Int)

    /// The error as a sentence that names the value and the remedy.
    public var description: String {
        switch self {
        case .malformed(let offset):
            "byte \(offset) does not belong into a CPU list; write numbers and ranges, such as 0-3,8"
        case .reversed(let first, let last):
            "the range \(first)-\(last) runs backwards; write \(last)-\(first)"
        case .outOfRange(let limit):
            "there are \(limit) CPUs; use numbers below \(limit)"
        }
    }
}

/// The text form of a set of CPUs, or of other numbers, as the kernel prints it with `%*pbl` and parses it with
/// `cpulist_parse()`.
public enum CPUList {
    /// Appends the text of `set` to `bytes`: runs in ascending order, a run of one as its number, the empty set as
    /// nothing.
    ///
    /// Source: Linux lib/vsprintf.c, `bitmap_list_string()`; series v1 patch 6/6 prints CPUs this way.
    public static func append<Numbers>(_ set: NumberSet<Numbers>, to bytes: inout [UInt8]) {
        var first = true
        set.forEachRun { run in
            if !first { bytes.append(UInt8(ascii: ",")) }
            first = false
            appendDecimal(run.lowerBound, to: &bytes)
            if run.upperBound > run.lowerBound {
                bytes.append(UInt8(ascii: "-"))
                appendDecimal(run.upperBound, to: &bytes)
            }
        }
    }

    /// The text of `set` as bytes.
    public static func format<Numbers>(_ set: NumberSet<Numbers>) -> [UInt8] {
        var bytes: [UInt8] = []
        append(set, to: &bytes)
        return bytes
    }

    /// Parses a cpulist: decimal numbers and ranges, separated by any amount of commas and white space, as
    /// `cpulist_parse()` accepts them; empty text is the empty set. The kernel's strides (`0-7:1/2`), `N` and `all` are
    /// not accepted.
    ///
    /// - Parameters:
    ///   - bytes: the text; a trailing newline counts as white space.
    ///   - limit: CPU numbers must be below it.
    /// - Throws: `CPUListError`.
    public static func parse(_ bytes: some Sequence<UInt8>, limit: Int) throws(CPUListError) -> CPUSet {
        var set = CPUSet(limit: limit)
        var parser = Parser(limit: limit)
        var offset = 0
        for byte in bytes {
            try parser.take(byte, at: offset, into: &set)
            offset += 1
        }
        try parser.finish(at: offset, into: &set)
        return set
    }

    /// One item at a time: a first number, then optionally a dash and a last number.
    private struct Parser {
        let limit: Int
        var first: Int?
        var last: Int?
        var dash = false

        mutating func take(_ byte: UInt8, at offset: Int, into set: inout CPUSet) throws(CPUListError) {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let digit = Int(byte - UInt8(ascii: "0"))
                if dash {
                    last = try grow(last, digit)
                } else {
                    first = try grow(first, digit)
                }
            case UInt8(ascii: "-"):
                if first == nil || dash { throw .malformed(offset: offset) }
                dash = true
            case UInt8(ascii: ","), UInt8(ascii: " "), 9...13:
                try finish(at: offset, into: &set)
            default:
                throw .malformed(offset: offset)
            }
        }

        /// Each number is kept below the limit as it grows, so that it cannot overflow.
        private func grow(_ number: Int?, _ digit: Int) throws(CPUListError) -> Int {
            let grown = (number ?? 0) * 10 + digit
            if grown >= limit { throw .outOfRange(limit: limit) }
            return grown
        }

        mutating func finish(at offset: Int, into set: inout CPUSet) throws(CPUListError) {
            guard let from = first else { return }
            if dash && last == nil { throw .malformed(offset: offset) }
            let to = last ?? from
            if to < from { throw .reversed(first: from, last: to) }
            for cpu in from...to { set.insert(cpu) }
            first = nil
            last = nil
            dash = false
        }
    }

    private static func appendDecimal(_ number: Int, to bytes: inout [UInt8]) {
        if number >= 10 { appendDecimal(number / 10, to: &bytes) }
        bytes.append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
