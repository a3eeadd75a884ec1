// SPDX-License-Identifier: Apache-2.0
// The simulated machine's events as a stream of lines: what debug/rmpopt/events_pipe reads from.

import RMPModel

/// Lines of events, for any number of readers.
struct EventLines: StreamSource {
    let host: SharedMachine

    func take(from place: inout UInt64, limit: Int, into text: inout TextBuffer) throws(Errno) -> Bool {
        // Lines are written without the lock.
        let start = place
        let (first, count, events) = try host.withState { state throws(Errno) in
            let log = state.machine.eventLog
            return (log.first, log.count, log.events(from: start, most: limit / Self.shortestLine + 1))
        }
        if place >= count { return true }
        if place == 0 { EventText.head(into: &text) }
        if place < first { EventText.lost(first - place, into: &text) }
        place = max(place, first)
        for event in events {
            EventText.line(event, into: &text)
            place += 1
            if text.count >= limit { break }
        }
        return place >= count
    }

    /// The shortest line has so many bytes: time, colon, name.
    private static let shortestLine = 24

    func wait(for next: NextRecord, _ body: @escaping @Sendable () -> Void) -> UInt64? {
        host.watch.wait(for: next, on: host, body)
    }

    func hurry(_ wait: UInt64) { host.watch.hurry(wait) }
}

extension SharedMachine {
    /// Brings the machine up to date, and says how far its events have come and when to look again.
    func lookForEvents() -> EventWatch.View? {
        try? withState { state throws(Errno) in
            let next = state.isTaken ? nil : state.nextEvent
            let count = state.machine.eventLog.count
            return EventWatch.View(count: count, next: next.flatMap { state.clock.wallTime(of: $0) })
        }
    }
}
