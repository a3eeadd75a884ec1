// SPDX-License-Identifier: Apache-2.0
// Where a trace's events come from: a mounted host, a copy of its events, or a recording, which is run again.

import Glibc
import RMPFS
import RMPModel

/// Reads events.
enum TraceSource {
    private static let remedy = "Give a mountpoint, a copy of its debug/rmpopt/events, or a recording"

    /// The events of a mounted host, up to its present.
    static func mount(_ path: String) throws -> HostTrace {
        let host = try WaitedHost(path)
        let file = "debug/rmpopt/events"
        guard let bytes = try host.folder.text(file) else {
            throw HostFileError(host.folder.name(file), "is not there: only simulated hosts tell of events")
        }
        // After the events: none of them is later.
        let now = try host.clock()
        return try events(bytes, name: host.folder.name(file), until: now)
    }

    /// The text of `events` or of `events_pipe`.
    /// - Parameter end: in ns of virtual time; nil: the last event.
    static func events(_ bytes: [UInt8], name: String, until end: UInt64? = nil) throws(HostFileError) -> HostTrace {
        var reader = TraceReader()
        var count = 0
        var number = 0
        var start = 0
        // What follows the last newline is half of a line.
        while let next = bytes[start...].firstIndex(of: 0x0A) {
            number += 1
            let line = bytes[start..<next]
            start = next + 1
            do throws(TraceError) {
                if line.first == UInt8(ascii: "#") {
                    try comment(line, &reader)
                } else if let event = EventLine(line) {
                    try reader.add(event)
                    count += 1
                } else {
                    let remedy = count == 0 ? ". \(Self.remedy)" : ""
                    throw TraceError("\(HostFileError.quote(line)) is not an event\(remedy)")
                }
            } catch {
                throw HostFileError(name, line: number, error.description)
            }
        }
        if count == 0 {
            throw HostFileError(name, "there is no event in it. \(Self.remedy)")
        }
        reader.finish(at: end ?? 0)
        return reader.trace
    }

    private static func comment(_ line: ArraySlice<UInt8>, _ reader: inout TraceReader) throws(TraceError) {
        var text = TextReader(line)
        if text.take("# lost "), let count = text.takeNumber() { reader.lose(count) }
        text = TextReader(line)
        guard text.take("# rmpfs events, version "), let version = text.takeNumber() else { return }
        if version != EventText.version {
            throw TraceError("its events are version \(version); this rmpfs reads version \(EventText.version)")
        }
    }

    /// The events of a recording, as far as its answers are the recorded ones.
    static func recording(_ bytes: [UInt8], path: String) throws -> HostTrace {
        var reader = TraceReader()
        var place: UInt64 = 0
        func take(_ machine: borrowing Machine) throws {
            let log = machine.eventLog
            if log.first > place { reader.lose(log.first - place) }
            var text = TextBuffer()
            for event in log.events(from: place) {
                text.removeAll()
                EventText.line(event, into: &text)
                guard let line = EventLine(text.bytes.dropLast()) else { continue }
                try reader.add(line)
            }
            place = log.count
        }
        var run = try ReplayRun(bytes: bytes, path: path)
        try take(run.machine)
        let outcome = try run.run(until: nil) { machine in try take(machine) }
        if let difference = outcome.difference {
            StandardError.write("rmpfs: \(difference.message(in: path)); the trace ends there\n")
        }
        reader.finish(at: run.machine.now)
        return reader.trace
    }
}
