// SPDX-License-Identifier: Apache-2.0
// Reads a mount's events_pipe: sleeps in poll(2) until the daemon has more.

import Glibc
import RMPFS

/// A line of `events`.
struct EventLine: Sendable, Equatable {
    /// The whole line, without its newline.
    let text: String
    /// Virtual time in ns.
    let time: UInt64
    /// The event's name.
    let name: String
    /// Name and fields.
    let event: String

    /// nil for a comment, or for what is no event.
    init?(_ line: some Sequence<UInt8>) {
        text = String(decoding: Array(line), as: UTF8.self)
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].first == " " else { return nil }
        let moment = parts[0].drop { $0 == " " }.split(separator: ".", omittingEmptySubsequences: false)
        guard moment.count == 2, moment[1].utf8.count == 9, let seconds = UInt64(moment[0]),
            let fraction = UInt64(moment[1]), seconds < 1 << 34
        else { return nil }
        time = seconds * 1_000_000_000 + fraction
        name = String(parts[1].dropFirst())
        event = name + ":" + parts[2]
    }

    /// The value of a field.
    func value(_ field: String) -> Substring? {
        for word in event.split(separator: " ").dropFirst() where word.hasPrefix(field + "=") {
            return word.dropFirst(field.count + 1)
        }
        return nil
    }

    func number(_ field: String) -> UInt64? { value(field).flatMap { UInt64($0) } }

    /// The guest that it is about.
    var guest: String? { value("guest").map(String.init) }
}

/// A place in the events of a mount.
final class EventReader {
    enum Outcome {
        case lines([EventLine])
        case timeout
        /// The mount has ended.
        case end
    }

    static let file = "debug/rmpopt/events_pipe"
    private let descriptor: Int32
    private let name: String
    private var rest: [UInt8] = []

    /// - Throws: ``HostFileError`` if the host has no events.
    init(_ folder: MountFolder) throws(HostFileError) {
        name = folder.name(Self.file)
        descriptor = open(name.systemName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor >= 0 { return }
        let error = Errno.current
        throw HostFileError(
            name,
            error == .noSuchFile ? "is not there: only simulated hosts tell of events" : "cannot be opened: \(error)"
        )
    }

    deinit { close(descriptor) }

    /// The monotonic clock, in ns.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// All that is there now.
    func drain() throws(HostFileError) -> [EventLine] {
        var all: [EventLine] = []
        while case .some(let lines) = try take() {
            if lines.isEmpty { break }
            all += lines
        }
        return all
    }

    /// Waits for more.
    /// - Parameter deadline: in ns of the monotonic clock; nil for no limit.
    func next(until deadline: UInt64?) throws(HostFileError) -> Outcome {
        while true {
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let now = Self.now
            if let deadline, now >= deadline { return .timeout }
            // Rounded up, so that it does not spin in the last millisecond.
            let wait = deadline.map { Int32(clamping: ($0 - now + 999_999) / 1_000_000) } ?? -1
            let count = poll(&item, 1, wait)
            if count < 0 && errno != EINTR { throw HostFileError(name, "poll(2): \(Errno.current)") }
            if count <= 0 { continue }
            guard let lines = try take() else { continue }
            return lines.isEmpty ? .end : .lines(lines)
        }
    }

    /// The lines that are there, at least one line read; empty at the end; nil if there is nothing now.
    private func take() throws(HostFileError) -> [EventLine]? {
        var lines: [EventLine] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while lines.isEmpty {
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return [] }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return nil }
                throw HostFileError(name, "cannot be read: \(Errno.current)")
            }
            rest += chunk[..<count]
            var start = 0
            while let end = rest[start...].firstIndex(of: 0x0A) {
                if let line = EventLine(rest[start..<end]) { lines.append(line) }
                start = end + 1
            }
            rest.removeFirst(start)
        }
        return lines
    }
}
