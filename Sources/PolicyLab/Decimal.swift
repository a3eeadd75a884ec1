// SPDX-License-Identifier: Apache-2.0
// Ratios of whole numbers as decimal text: the same digits everywhere.

enum Decimal {
    /// `numerator` / `denominator` with so many decimals, rounded half up; 0 if the denominator is 0.
    static func ratio(_ numerator: UInt128, _ denominator: UInt128, decimals: Int = 6) -> String {
        var scale: UInt128 = 1
        for _ in 0..<decimals { scale *= 10 }
        let (whole, rest) = denominator == 0 ? (0, 0) : numerator.quotientAndRemainder(dividingBy: denominator)
        // The rest is multiplied last, so that nothing overflows for any length of time.
        let (product, overflow) = rest.multipliedReportingOverflow(by: scale)
        var part: UInt128 = 0
        if denominator > 0 {
            part = overflow ? rest / (denominator / scale) : (product + denominator / 2) / denominator
        }
        let carry = part / scale
        if decimals == 0 { return "\(whole + carry + part % scale)" }
        let digits = String(part % scale)
        return "\(whole + carry)." + String(repeating: "0", count: decimals - digits.count) + digits
    }

    /// A number of a scenario, without needless zeros.
    static func text(_ value: Double) -> String {
        let text = "\(value)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
