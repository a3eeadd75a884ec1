// SPDX-License-Identifier: Apache-2.0
// What libfuse would print on standard error, kept so that it can be told as part of an error of ours.

import CFuse
import Glibc

/// The lines that libfuse logged.
enum LibraryLog {
    private static let lines = Lock<[String]>([])
    /// More lines than any failing mount prints; the oldest go first.
    private static let limit = 16

    /// Takes libfuse's log away from standard error.
    static func install() {
        fuse_set_log_func(keepLibraryLine)
    }

    /// The lines since the last call.
    static func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    fileprivate static func keep(_ line: String) {
        lines.withLock { lines in
            lines.append(line)
            if lines.count > limit { lines.removeFirst() }
        }
    }
}

private func keepLibraryLine(_ level: fuse_log_level, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
    guard let format, let arguments else { return }
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
        guard let base = text.baseAddress, vsnprintf(base, text.count, format, arguments) > 0 else { return }
        var line = Substring(String(cString: base))
        while line.last == "\n" { line.removeLast() }
        LibraryLog.keep(String(line))
    }
}
