// SPDX-License-Identifier: Apache-2.0
// Makes other people's names safe in a line of text: no line breaks, no terminal control.

enum Printable {
    /// The text with control characters as `\u{...}`, as in messages about machine files. Invalid UTF-8 is left alone.
    /// - Parameter kept: control characters that are left alone, too.
    static func text(_ text: String, keeping kept: Set<Unicode.Scalar> = []) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if kept.contains(scalar) { shown.append(scalar); continue }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            default: shown.append(scalar)
            }
        }
        return String(shown)
    }
}
