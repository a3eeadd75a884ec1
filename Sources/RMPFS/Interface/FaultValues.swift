// SPDX-License-Identifier: Apache-2.0
// How the values of a fault are written and parsed: errors by name, optional limits, probabilities.

enum FaultValues {
    /// `EIO`, a number without a name, or 0 for none.
    static func show(error text: inout TextBuffer, rule: FaultRule) {
        guard let error = rule.error else { return text.append("0") }
        if let name = error.name { text.append(name) } else { text.append(decimal: UInt64(error.rawValue)) }
    }

    /// Accepts an error by name or number.
    ///
    /// ENOSYS is refused: to the kernel it means that this file system does not support the request, and it never sends
    /// such a request again, fault or no fault.
    static func store(error value: StoredText, rule: inout FaultRule) throws(Errno) {
        let error: Errno?
        if let named = Errno(name: value.line) {
            error = named
        } else {
            let number = try value.unsignedInt()
            guard number <= UInt32(Errno.limit) else { throw .outOfRange }
            error = number == 0 ? nil : Errno(rawValue: Int32(number))
        }
        if error == .noSuchOperation { throw .notSupported }
        rule.error = error
    }

    /// Whether the text means no limit: it is empty, or -1.
    static func isNone(_ value: StoredText) -> Bool { value.line.isEmpty || value.equals("-1") }

    /// A limit, or -1 for none.
    static func show(limit: UInt64?, in text: inout TextBuffer) {
        if let limit { text.append(decimal: limit) } else { text.append("-1") }
    }

    /// A probability as a decimal fraction without trailing zeros.
    static func show(probability: UInt64, in text: inout TextBuffer) {
        text.append(decimal: probability / FaultRule.certain)
        var rest = probability % FaultRule.certain
        var unit = FaultRule.certain / 10
        if rest > 0 { text.append(UInt8(ascii: ".")) }
        while rest > 0 {
            text.append(decimal: rest / unit)
            rest %= unit
            unit /= 10
        }
    }

    /// Parses `0.25`, `1`, `25%`, `12.5%`: digits, of which at most nine count after the point (seven for percent).
    /// - Throws: ``Errno/invalid`` if it is not a probability, ``Errno/outOfRange`` above 1.
    static func probability(_ text: [UInt8]) throws(Errno) -> UInt64 {
        let isPercent = text.last == UInt8(ascii: "%")
        var digits = text.dropLast(isPercent ? 1 : 0)
        // The value of one unit, in billionths.
        var unit = isPercent ? FaultRule.certain / 100 : FaultRule.certain
        var sum: UInt64 = 0
        var hasDigits = false
        var isFraction = false
        while let byte = digits.popFirst() {
            if byte == UInt8(ascii: ".") && !isFraction {
                isFraction = true
                continue
            }
            guard (0x30...0x39).contains(byte) else { throw .invalid }
            let digit = UInt64(byte - 0x30)
            hasDigits = true
            if isFraction {
                guard unit > 1 else { throw .invalid }
                unit /= 10
                sum += digit * unit
            } else {
                // Stays far below 2^64: values above 1 do not grow further.
                sum = min(sum, FaultRule.certain + 1) * 10 + digit * unit
            }
        }
        guard hasDigits else { throw .invalid }
        guard sum <= FaultRule.certain else { throw .outOfRange }
        return sum
    }
}
