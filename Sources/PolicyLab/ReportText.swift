// SPDX-License-Identifier: Apache-2.0
// Numbers and names as a page shows them: no locale, no markup that comes from a file.

enum ReportText {
    /// A share as a percentage with one decimal.
    static func percent(_ share: Double) -> String { "\(decimal(share * 100)) %" }

    /// With one decimal.
    static func decimal(_ value: Double) -> String {
        let tenths = Int((value.magnitude * 10).rounded())
        return "\(value < 0 && tenths > 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
    }

    /// Whole from 100 on, or if it is a whole number; with one decimal below; a value that would vanish has three.
    static func number(_ value: Double) -> String {
        if value.magnitude >= 100 || value == value.rounded() { return "\(Int(value.rounded()))" }
        if value != 0 && value.magnitude < 0.1 {
            let thousandths = Int((value.magnitude * 1000).rounded())
            let digits = String(thousandths)
            return "\(value < 0 ? "-" : "")0." + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
        }
        return decimal(value)
    }

    /// A time in the unit in which a person counts it: s, min, h or days.
    static func time(_ seconds: Double, longest: Double) -> String {
        let units: [(name: String, length: Double)] = [("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
        let unit = units.first { longest >= 2 * $0.length } ?? units[3]
        if seconds == 0 { return "0" }
        return "\(decimal(seconds / unit.length)) \(unit.name)"
    }

    /// Text for HTML and SVG.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
