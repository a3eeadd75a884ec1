// SPDX-License-Identifier: Apache-2.0
// The text form of a placement, read byte by byte: it comes from users and fuzzers.

/// Why a text is not a placement.
public struct PlacementSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What the text should have had at the offset.
    public enum Expectation: Sendable, Hashable, CaseIterable {
        /// One of the five words.
        case word
        /// A space and the argument of the word.
        case space
        /// A number: decimal, or hexadecimal after `0x`, below 2^64. In a range it may have a suffix K, M, G, T or P.
        case number
        /// The `-` between a range's two addresses.
        case hyphen
        /// A range's second address above its first.
        case greaterEnd
        /// The end of the text, or, in a list of ranges, a comma.
        case end
    }

    /// The offset in bytes at which the text goes wrong; its length if something is missing.
    public let offset: Int
    /// What should have been there.
    public let expected: Expectation

    /// The error as a sentence that names the place and the remedy.
    public var description: String {
        let wanted =
            switch expected {
            case .word: "packed, local, aligned, scattered SEED or ranges START-END,..."
            case .space: "a space and the seed or the ranges"
            case .number: "a number below 2^64, decimal or with 0x; addresses may end in K, M, G, T or P"
            case .hyphen: "- and the end of the range"
            case .greaterEnd: "an end above the start of the range"
            case .end: "nothing further (in a list of ranges: a comma and a range)"
            }
        return "byte \(offset): expected \(wanted)"
    }
}

extension Placement {
    /// Reads what ``append(to:)`` writes. Numbers may be decimal, or hexadecimal after `0x`. Addresses may have a
    /// suffix K, M, G, T or P (powers of 1,024, either case). Nothing else may vary: one space after the word, no space
    /// elsewhere, no newline.
    public init(text: [UInt8]) throws(PlacementSyntaxError) {
        var reader = PlacementReader(text: text)
        self = try reader.placement()
    }
}

private struct PlacementReader {
    let text: [UInt8]
    private var at = 0

    init(text: [UInt8]) { self.text = text }

    private func wrong(_ expected: PlacementSyntaxError.Expectation, at offset: Int? = nil) -> PlacementSyntaxError {
        PlacementSyntaxError(offset: offset ?? at, expected: expected)
    }

    private var next: UInt8? { at < text.count ? text[at] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    mutating func placement() throws(PlacementSyntaxError) -> Placement {
        let plain: [([UInt8], Placement)] = [
            (PlacementWord.packed, .packed), (PlacementWord.local, .local), (PlacementWord.aligned, .aligned),
        ]
        let end = text.firstIndex { !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } ?? text.count
        let word = Array(text[..<end])
        at = end
        if let (_, placement) = plain.first(where: { $0.0 == word }) {
            if at < text.count { throw wrong(.end) }
            return placement
        }
        guard word == PlacementWord.scattered || word == PlacementWord.ranges else { throw wrong(.word, at: 0) }
        guard take(" ") else { throw wrong(.space) }
        if word == PlacementWord.scattered {
            let seed = try number()
            if at < text.count { throw wrong(.end) }
            return .scattered(seed: seed)
        }
        var ranges: [Range<SPA>] = []
        repeat { ranges.append(try range()) } while take(",")
        if at < text.count { throw wrong(.end) }
        return .ranges(ranges)
    }

    private mutating func range() throws(PlacementSyntaxError) -> Range<SPA> {
        let start = try address()
        guard take("-") else { throw wrong(.hyphen) }
        let place = at
        let end = try address()
        guard end > start else { throw wrong(.greaterEnd, at: place) }
        return SPA(start)..<SPA(end)
    }

    /// A number and the suffix that sizes may have.
    private mutating func address() throws(PlacementSyntaxError) -> UInt64 {
        let start = at
        let value = try number()
        guard let byte = next, let index = PlacementReader.suffixes.firstIndex(of: byte | 0x20) else { return value }
        let shift = (index + 1) * 10
        if value != 0 && value.leadingZeroBitCount < shift { throw wrong(.number, at: start) }
        at += 1
        return value << UInt64(shift)
    }

    /// Each is 1,024 times the one before it.
    private static let suffixes = Array("kmgtp".utf8)

    private mutating func number() throws(PlacementSyntaxError) -> UInt64 {
        let start = at
        var radix: UInt64 = 10
        if text[at...].starts(with: [UInt8(ascii: "0"), UInt8(ascii: "x")]) {
            radix = 16
            at += 2
        }
        var value: UInt64 = 0
        let digits = at
        while let byte = next, let digit = PlacementReader.digit(byte), digit < radix {
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            if overflow || carry { throw wrong(.number, at: start) }
            value = sum
            at += 1
        }
        if at == digits { throw wrong(.number) }
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
