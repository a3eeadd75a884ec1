// SPDX-License-Identifier: Apache-2.0
// Why a file of a mount cannot be used: names file and line, and the remedy.

/// A file that cannot be read, or does not hold what such a file should.
struct HostFileError: Error, CustomStringConvertible, Equatable {
    let path: String
    /// The line, from 1; nil: the file as a whole.
    let line: Int?
    let problem: String

    init(_ path: String, line: Int? = nil, _ problem: String) {
        self.path = path
        self.line = line
        self.problem = problem
    }

    var description: String { "\(path):\(line.map { "\($0):" } ?? "") \(problem)" }

    /// `text` in a form fit for a message: short, without control characters.
    static func quote(_ text: ArraySlice<UInt8>) -> String {
        let shown = text.prefix(80).map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }
        return "'" + String(decoding: shown, as: UTF8.self) + (text.count > 80 ? "...'" : "'")
    }
}
