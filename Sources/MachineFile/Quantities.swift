// SPDX-License-Identifier: Apache-2.0
// Numbers with units as machine files write them: 16G, 0x8700000, 1s.

/// Numbers with units: a decimal or `0x` hexadecimal number and one of a table of units.
package enum Quantities {
    /// Powers of 1,024.
    static let sizeUnits: [(name: String, factor: UInt64)] = [
        ("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
    ]
    /// Nanoseconds.
    static let timeUnits: [(name: String, factor: UInt64)] = [
        ("", 1), ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]
    /// Nanoseconds, up to days; the unit must be given.
    package static let periodUnits: [(name: String, factor: UInt64)] =
        timeUnits.dropFirst() + [("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000)]

    /// The number times its unit; nil if the text is not a quantity, or is above 2^64 - 1.
    static func parse(_ text: String, units: [(name: String, factor: UInt64)]) -> UInt64? {
        let isHexadecimal = text.hasPrefix("0x")
        let body = isHexadecimal ? text.dropFirst(2) : text[...]
        let digits = body.prefix { isHexadecimal ? $0.isHexDigit && $0.isASCII : "0"..."9" ~= $0 }
        // A leading 0 without x could be meant as octal.
        guard !digits.isEmpty, isHexadecimal || digits == "0" || digits.first != "0" else { return nil }
        let name = body[digits.endIndex...]
        guard let number = UInt64(digits, radix: isHexadecimal ? 16 : 10),
            let unit = units.first(where: { $0.name == name })
        else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        return overflow ? nil : product
    }

    /// A size in the largest unit that holds it whole.
    package static func size(_ bytes: UInt64) -> String {
        for unit in sizeUnits.reversed() where bytes.isMultiple(of: unit.factor) && bytes > 0 {
            return "\(bytes / unit.factor)\(unit.name)"
        }
        return "\(bytes)"
    }

    /// A time in the largest unit that holds it whole.
    package static func time(_ nanoseconds: UInt64) -> String {
        for unit in timeUnits.reversed() where nanoseconds.isMultiple(of: unit.factor) && nanoseconds > 0 {
            return "\(nanoseconds / unit.factor) \(unit.name)"
        }
        return "\(nanoseconds) ns"
    }

    /// A time in the largest unit, up to days, that holds it whole, without a blank.
    package static func period(_ nanoseconds: UInt64) -> String {
        for unit in periodUnits.reversed() where nanoseconds.isMultiple(of: unit.factor) && nanoseconds > 0 {
            return "\(nanoseconds / unit.factor)\(unit.name)"
        }
        return "\(nanoseconds)ns"
    }

    /// A decimal number such as 12.5; nil for any other text.
    package static func decimal(_ text: String) -> Double? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { "0"..."9" ~= $0 } })
        else { return nil }
        return Double(text)
    }
}
