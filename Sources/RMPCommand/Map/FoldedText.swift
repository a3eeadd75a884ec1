// SPDX-License-Identifier: Apache-2.0
// Breaks lines at spaces to fit a narrow window.

enum FoldedText {
    /// The lines of a text, each at most that wide unless a single word is wider.
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
