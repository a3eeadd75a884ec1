// SPDX-License-Identifier: Apache-2.0
// How the kernel parses a written value: kstrtouint(), kstrtoull(), sysfs_streq() and memparse() suffixes.

/// The bytes of one write(2), as a store method sees them: text up to the first NUL.
///
/// Source: lib/kstrtox.c, lib/string_helpers.c (sysfs_streq), lib/cmdline.c (memparse), and the recorded kernel.
public struct StoredText {
    /// The text, without the NUL and what follows it. Valid only during the store call.
    public let bytes: UnsafeRawBufferPointer

    /// The text of a write, which ends at the first NUL.
    public init(_ written: UnsafeRawBufferPointer) {
        let end = written.firstIndex(of: 0) ?? written.count
        bytes = UnsafeRawBufferPointer(rebasing: written[..<end])
    }

    /// The bytes without one trailing newline.
    private var value: Slice<UnsafeRawBufferPointer> {
        bytes.last == 0x0A ? bytes.dropLast() : bytes[...]
    }

    /// The text without one trailing newline, as a new array.
    var line: [UInt8] { Array(value) }

    /// sysfs_streq(): the text equals `word`, ignoring one trailing newline; case matters.
    public func equals(_ word: StaticString) -> Bool {
        value.elementsEqual(UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    /// `0` or `1`.
    /// - Throws: ``Errno/invalid`` for anything else.
    public func flag() throws(Errno) -> Bool {
        if equals("1") { return true }
        if equals("0") { return false }
        throw .invalid
    }

    /// The words between spaces and newlines, each a string of its own. Valid only during the store call.
    public func words() -> [StoredText] {
        bytes.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A }
            .map { StoredText(UnsafeRawBufferPointer(rebasing: $0)) }
    }

    /// The texts before and after the first `=`; nil without one.
    public func assignment() -> (name: StoredText, value: StoredText)? {
        guard let mark = bytes.firstIndex(of: 0x3D) else { return nil }
        return (
            StoredText(UnsafeRawBufferPointer(rebasing: bytes[..<mark])),
            StoredText(UnsafeRawBufferPointer(rebasing: bytes[(mark + 1)...]))
        )
    }

    /// kstrtouint(text, 10): digits, with an optional leading `+` and an optional trailing newline.
    /// - Throws: ``Errno/invalid`` if it is not a number, ``Errno/outOfRange`` above 2^32 - 1.
    public func unsignedInt() throws(Errno) -> UInt32 {
        let number = try Self.number(Self.unsigned(value), base: 10)
        guard let small = UInt32(exactly: number) else { throw .outOfRange }
        return small
    }

    /// kstrtoull(text, 0): decimal, `0x` hexadecimal, or octal after a leading 0; optional `+` and newline.
    /// - Throws: ``Errno/invalid`` if it is not a number, ``Errno/outOfRange`` above 2^64 - 1.
    public func unsignedLongLong() throws(Errno) -> UInt64 {
        let (digits, base) = Self.based(Self.unsigned(value))
        return try Self.number(digits, base: base)
    }

    /// The units of ``duration()``, in ns.
    private static let units: KeyValuePairs<StaticString, UInt64> = [
        "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3_600_000_000_000,
        "d": 86_400_000_000_000,
    ]

    /// `+`, a decimal number and a unit from `ns` to `d`, such as `+250ms` or `+1.5s`.
    /// - Returns: the time in ns.
    /// - Throws: ``Errno/invalid`` for anything else, and for what is not whole ns; ``Errno/outOfRange`` above
    ///   2^64 - 1 ns.
    public func duration() throws(Errno) -> UInt64 {
        guard value.first == 0x2B else { throw .invalid }
        let text = value.dropFirst()
        let digits = text.prefix { Self.value(of: $0) < 10 }
        var name = text[digits.endIndex...]
        var decimals = text[digits.endIndex..<digits.endIndex]
        if name.first == 0x2E {
            decimals = name.dropFirst().prefix { Self.value(of: $0) < 10 }
            if decimals.isEmpty { throw .invalid }
            name = text[decimals.endIndex...]
            while decimals.last == 0x30 { decimals = decimals.dropLast() }
            // As many as fit 64 bits. Whole ns have at most 16: a day is 2^16 times an odd number of ns.
            if decimals.count > 19 { throw .invalid }
        }
        for (unit, factor) in Self.units
        where name.elementsEqual(UnsafeRawBufferPointer(start: unit.utf8Start, count: unit.utf8CodeUnitCount)) {
            let (product, overflow) = try Self.number(digits, base: 10).multipliedReportingOverflow(by: factor)
            var part: UInt64 = 0
            if !decimals.isEmpty {
                let scale = decimals.reduce(UInt64(1)) { scale, _ in scale * 10 }
                // Less than the factor, as the decimals are less than the scale.
                let product = factor.multipliedFullWidth(by: try Self.number(decimals, base: 10))
                let (quotient, remainder) = scale.dividingFullWidth(product)
                if remainder != 0 { throw .invalid }
                part = quotient
            }
            let (sum, carried) = product.addingReportingOverflow(part)
            if overflow || carried { throw .outOfRange }
            return sum
        }
        throw .invalid
    }

    /// A size in bytes: like ``unsignedLongLong()``, with an optional suffix K, M, G, T or P (powers of 1,024, either
    /// case).
    /// - Throws: ``Errno/invalid`` if it is not a size, ``Errno/outOfRange`` above 2^64 - 1.
    public func size() throws(Errno) -> UInt64 {
        var text = Self.unsigned(value)
        var shift: UInt64 = 0
        if let last = text.last, let index = Self.suffixes.firstIndex(of: last | 0x20) {
            shift = UInt64(index + 1) * 10
            text = text.dropLast()
        }
        let (digits, base) = Self.based(text)
        let number = try Self.number(digits, base: base)
        guard number.leadingZeroBitCount >= Int(shift) || number == 0 else { throw .outOfRange }
        return number << shift
    }

    /// The suffixes of memparse(), each 1,024 times the one before it.
    private static let suffixes = Array("kmgtp".utf8)

    private static func unsigned(_ text: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        text.first == 0x2B ? text.dropFirst() : text
    }

    /// _parse_integer_fixup_radix() for base 0.
    private static func based(
        _ text: Slice<UnsafeRawBufferPointer>
    ) -> (digits: Slice<UnsafeRawBufferPointer>, base: UInt64) {
        guard text.first == 0x30 else { return (text, 10) }
        let rest = text.dropFirst()
        // `0x` counts as hexadecimal only when a hexadecimal digit follows it.
        if let mark = rest.first, mark | 0x20 == 0x78, let digit = rest.dropFirst().first, value(of: digit) < 16 {
            return (rest.dropFirst(), 16)
        }
        return (text, 8)
    }

    /// _parse_integer(): the digits up to the first other byte. A number that is too large is out of range, whatever
    /// follows it; after any other number nothing may follow.
    private static func number(_ text: Slice<UnsafeRawBufferPointer>, base: UInt64) throws(Errno) -> UInt64 {
        var number: UInt64 = 0
        var overflowed = false
        var rest = text
        while let byte = rest.first, value(of: byte) < base {
            let (product, tooLarge) = number.multipliedReportingOverflow(by: base)
            let (sum, carried) = product.addingReportingOverflow(value(of: byte))
            overflowed = overflowed || tooLarge || carried
            number = sum
            rest = rest.dropFirst()
        }
        if overflowed { throw .outOfRange }
        guard rest.isEmpty, !text.isEmpty else { throw .invalid }
        return number
    }

    private static func value(of byte: UInt8) -> UInt64 {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x61...0x66: UInt64(byte - 0x61) + 10
        case 0x41...0x46: UInt64(byte - 0x41) + 10
        default: .max
        }
    }
}
