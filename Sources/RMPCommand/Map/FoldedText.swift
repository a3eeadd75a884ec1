// SPDX-License-Identifier: Apache-2.0
// Lines for a window that is too narrow for them, broken at blanks.

enum FoldedText {
    /// The lines of a text, none with more columns than that unless a word alone has.
    static func lines(_ text: String, columns: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty && line.count + 1 + word.count > columns {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? "\(word)" : " \(word)"
        }
        return lines + [line]
    }
}
