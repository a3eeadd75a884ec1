// SPDX-License-Identifier: Apache-2.0
// Captures what libfuse would print on standard error, so that our error messages can include it.

import CFuse
import Glibc

/// The lines that libfuse logged.
enum LibraryLog {
    private static let lines = Lock<[String]>([])
    /// More lines than any failing mount prints; the oldest are dropped first.
    private static let limit = 16

    /// Redirects libfuse's log from standard error to here.
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
