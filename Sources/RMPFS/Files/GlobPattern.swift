// SPDX-License-Identifier: Apache-2.0
// Path patterns in shell syntax: they select the nodes that a fault applies to.

/// A pattern that must match a whole path, byte by byte.
///
/// `*` matches any bytes but `/`, `**` any bytes, `?` one byte but `/`, `[a-z]` one of a set, `[!a-z]` or `[^a-z]` one
/// that is neither in the set nor `/`; `\` quotes the next byte. A path has no leading `/`; the root's is `.`.
package struct GlobPattern: Sendable {
    private enum Token: Sendable {
        case byte(UInt8)
        case any
        case set([ClosedRange<UInt8>], negated: Bool)
        case star
        case doubleStar

        /// Whether it can match no bytes at all.
        var isStar: Bool {
            switch self {
            case .star, .doubleStar: true
            default: false
            }
        }

        /// Whether it matches `byte`; a star also matches the bytes after it.
        func takes(_ byte: UInt8) -> Bool {
            switch self {
            case .byte(let own): byte == own
            case .any, .star: byte != slash
            case .set(let ranges, let negated): byte != slash && ranges.contains { $0.contains(byte) } != negated
            case .doubleStar: true
            }
        }
    }

    private static let slash = UInt8(ascii: "/")

    /// The pattern as it was written.
    let text: [UInt8]
    private let tokens: [Token]

    /// Reads a pattern.
    /// - Throws: ``Errno/invalid`` for an empty pattern, a leading `/`, a set without `]` or with a range that runs
    ///   backwards, and a trailing `\`.
    package init(_ text: [UInt8]) throws(Errno) {
        guard let first = text.first, first != Self.slash else { throw .invalid }
        self.text = text
        var rest = text[...]
        var tokens: [Token] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"):
                let isDouble = rest.first == byte
                rest = rest.drop { $0 == byte }
                tokens.append(isDouble ? .doubleStar : .star)
            case UInt8(ascii: "?"):
                tokens.append(.any)
            case UInt8(ascii: "["):
                tokens.append(try Self.set(&rest))
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst() else { throw .invalid }
                tokens.append(.byte(next))
            default:
                tokens.append(.byte(byte))
            }
        }
        self.tokens = tokens
    }

    /// The set after a `[`. A leading `]` is part of the set.
    private static func set(_ rest: inout ArraySlice<UInt8>) throws(Errno) -> Token {
        let negated = rest.first == UInt8(ascii: "!") || rest.first == UInt8(ascii: "^")
        if negated { rest = rest.dropFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        while let low = rest.popFirst() {
            if low == UInt8(ascii: "]") && !ranges.isEmpty { return .set(ranges, negated: negated) }
            let behind = rest.dropFirst()
            if rest.first == UInt8(ascii: "-"), let high = behind.first, high != UInt8(ascii: "]") {
                guard low <= high else { throw .invalid }
                ranges.append(low...high)
                rest = behind.dropFirst()
            } else {
                ranges.append(low...low)
            }
        }
        throw .invalid
    }

    /// Whether the whole of `path` matches. Time is proportional to the product of both lengths, for any input.
    package func matches(_ path: some Sequence<UInt8>) -> Bool {
        // The possible states after the bytes so far: place i means that the tokens before i have matched them.
        var places = [Bool](repeating: false, count: tokens.count + 1)
        places[0] = true
        skipStars(&places)
        for byte in path {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            for (index, token) in tokens.enumerated() where places[index] && token.takes(byte) {
                next[token.isStar ? index : index + 1] = true
            }
            skipStars(&next)
            places = next
        }
        return places[tokens.count]
    }

    private func skipStars(_ places: inout [Bool]) {
        for (index, token) in tokens.enumerated() where places[index] && token.isStar { places[index + 1] = true }
    }
}
