// SPDX-License-Identifier: Apache-2.0
// Why a machine file cannot be used. All errors have one form, so that editors can jump to the place.

/// Why a machine file cannot be used.
public struct MachineFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file as it was named.
    public let file: String
    /// The line, from 1; nil if the error concerns the whole file.
    public let line: Int?
    /// The key's path, such as `memory[1].size`; nil if the error is not about a key.
    public let key: String?
    /// What is wrong and, after a semicolon or colon, what to write instead.
    public let text: String

    package init(file: String, _ fault: Fault) {
        self.init(file: file, line: fault.line, key: fault.key, text: fault.text)
    }

    init(file: String, line: Int?, key: String?, text: String) {
        self.file = file
        self.line = line
        self.key = key
        self.text = text
    }

    /// `FILE:LINE: KEY: what is wrong; what to write instead`.
    public var description: String {
        file + (line.map { ":\($0)" } ?? "") + ": " + (key.map { "\($0): " } ?? "") + text
    }
}

/// An error without the file's name.
package struct Fault: Error {
    package var line: Int?
    package var key: String?
    package var text: String

    package init(_ line: Int?, _ key: String?, _ text: String) {
        self.line = line
        self.key = key?.isEmpty == true ? nil : key
        self.text = text
    }
}

/// Text of the file in a form fit for a message: without control characters, and of limited length.
package func shown(_ text: String, limit: Int = 40) -> String {
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
