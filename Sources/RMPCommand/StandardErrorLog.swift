// SPDX-License-Identifier: Apache-2.0
// The daemon's log on standard error: a line each, and none that the daemon would have to wait for.

import Glibc
import Logging

/// Writes `rmpfs: level: message`; journald and terminals know the time themselves.
///
/// A line is dropped when standard error is a pipe that nobody reads: a log must not keep a mount from ending.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&descriptor, 1, 0) == 1 else { return }
        StandardError.write("rmpfs: \(event.level): \(event.message)\n")
    }
}
