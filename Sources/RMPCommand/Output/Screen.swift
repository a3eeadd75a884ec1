// SPDX-License-Identifier: Apache-2.0
// Standard output: whether it is a terminal, its size and colours. Also writes texts and files completely or not at
// all.

import Glibc
import RMPFS

/// What standard output can show.
struct Screen: Sendable, Equatable {
    /// Columns of a line.
    var columns: Int
    /// Lines of the window; nil: no window, as many as it takes.
    var rows: Int?
    /// Whether escape sequences of ECMA-48 may be used.
    var hasColours: Bool

    /// The smallest and largest supported width of a picture.
    static let columnLimits = 20...400

    /// Standard output as it is, and as the environment says: COLUMNS, NO_COLOR (https://no-color.org), TERM.
    static var current: Screen {
        var window = winsize()
        let isTerminal = isatty(STDOUT_FILENO) == 1
        if isTerminal { _ = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) }
        return Screen(
            isTerminal: isTerminal,
            window: (Int(window.ws_col), Int(window.ws_row)),
            environment: { name in getenv(name).map { String(systemName: $0) } }
        )
    }

    init(columns: Int, rows: Int?, hasColours: Bool) {
        self.columns = columns
        self.rows = rows
        self.hasColours = hasColours
    }

    /// - Parameter window: columns and rows as the terminal reports them; 0 if it does not.
    init(isTerminal: Bool, window: (columns: Int, rows: Int), environment: (String) -> String?) {
        let told = window.columns > 0 ? window.columns : environment("COLUMNS").flatMap { Int($0) } ?? 80
        columns = min(max(told, Self.columnLimits.lowerBound), Self.columnLimits.upperBound)
        rows = isTerminal && window.rows > 0 ? window.rows : nil
        let noColour = environment("NO_COLOR").map { !$0.isEmpty } ?? false
        let term = environment("TERM") ?? ""
        hasColours = isTerminal && !noColour && !term.isEmpty && term != "dumb"
    }
}

/// Colours and weights of ECMA-48.
enum Style {
    /// `text` in a style such as `32` (green), if the screen has colours.
    static func paint(_ text: String, _ style: String, on screen: Screen) -> String {
        screen.hasColours ? "\u{1B}[\(style)m\(text)\u{1B}[0m" : text
    }
}

/// Writing to standard output, unbuffered.
enum StandardOutput {
    /// What the name of a file has at its end until the file is complete.
    static let unfinished = ".new"

    /// Writes all of `text`.
    /// - Throws: ``OutputError`` when it cannot be written, as on a full disk; a pipe whose reader has gone ends the
    ///   process by SIGPIPE, as it does with other tools.
    static func write(_ text: String) throws(OutputError) { try write(text.systemBytes) }

    /// Writes all of the bytes, as ``write(_:)-(String)`` does.
    static func write(_ bytes: [UInt8]) throws(OutputError) {
        try write(bytes, to: STDOUT_FILENO, name: "standard output")
    }

    /// Replaces a file: writes a new one beside it and renames it, so that no reader sees half of it. What is no plain
    /// file, such as /dev/null or a pipe, stays and is written to.
    static func write(_ text: String, toFile path: String) throws(OutputError) {
        try write(Array(text.utf8), toFile: path)
    }

    /// Replaces a file, as ``write(_:toFile:)-(String,_)`` does.
    static func write(_ bytes: [UInt8], toFile path: String) throws(OutputError) {
        var status = stat()
        let isReplaced = stat(path.systemName, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
        let target = isReplaced ? path + unfinished : path
        let descriptor = open(target.systemName, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw OutputError(path) }
        do throws(OutputError) {
            defer { close(descriptor) }
            try write(bytes, to: descriptor, name: path)
        } catch {
            // Half a file is of no use, and would take what little room there may be.
            if isReplaced { unlink(target.systemName) }
            throw error
        }
        if !isReplaced { return }
        guard rename(target.systemName, path.systemName) == 0 else {
            let error = OutputError(path)
            unlink(target.systemName)
            throw error
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, name: String) throws(OutputError) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw OutputError(name) }
            done += count
        }
    }
}

/// Something could not be written.
struct OutputError: Error, CustomStringConvertible {
    let description: String

    /// With the error that the last call left behind.
    init(_ name: String) {
        description = "\(name): cannot be written: \(String(cString: strerror(errno)))"
    }
}
