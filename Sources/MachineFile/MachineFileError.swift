// SPDX-License-Identifier: Apache-2.0
// Why a machine file cannot be used: one form for every refusal, so that editors can jump to the place.

/// Why a machine file cannot be used.
public struct MachineFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file as it was named.
    public let file: String
    /// The line, from 1; nil when the file as a whole is meant.
    public let line: Int?
    /// The key with those around it, such as `memory[1].size`; nil when it is not about a key.
    public let key: String?
    /// What is wrong and, behind a semicolon or colon, what to write instead.
    public let text: String

    /// `FILE:LINE: KEY: what is wrong; what to write instead`.
    public var description: String {
        file + (line.map { ":\($0)" } ?? "") + ": " + (key.map { "\($0): " } ?? "") + text
    }
}

/// A refusal before it is known in which file.
struct Fault: Error {
    var line: Int?
    var key: String?
    var text: String

    init(_ line: Int?, _ key: String?, _ text: String) {
        self.line = line
        self.key = key?.isEmpty == true ? nil : key
        self.text = text
    }
}

/// A text of the file as a message may show it: without control characters, and not endless.
func shown(_ text: String, limit: Int = 40) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .unassigned, .lineSeparator, .paragraphSeparator, .privateUse:
            shown += "\\u{\(String(scalar.value, radix: 16))}"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return shown + (text.unicodeScalars.count > limit ? "..." : "")
}
