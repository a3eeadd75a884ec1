// SPDX-License-Identifier: Apache-2.0
// Names of others in a line of text: without what would end the line or steer the terminal.

enum Printable {
    /// The text with control characters as `\u{...}`, as in machine files' messages; bytes that are no text stay.
    /// - Parameter kept: those that stay, too.
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
