// SPDX-License-Identifier: Apache-2.0
// `rmpfs replay --mount --pace`: the rest of a recording, played on a mounted host as its virtual time passes.

import RMPFS
import RMPModel
import Recording

/// The steps of a recording, each at its time.
struct ReplayScript: CommandScript {
    private var recording: Recording
    private var upcoming: (time: UInt64, step: RecordedStep)?
    private let limit: UInt64?
    /// nil once something was not as recorded: what follows is another life.
    private var complain: (@Sendable (RecordingError) -> Void)?

    /// - Parameter upcoming: a step that has been taken out of the recording.
    init(
        _ recording: Recording,
        _ upcoming: (time: UInt64, step: RecordedStep)?,
        until limit: UInt64?,
        complain: @escaping @Sendable (RecordingError) -> Void
    ) {
        self.recording = recording
        self.limit = limit
        self.complain = complain
        self.upcoming = upcoming
        if upcoming == nil { fetch() }
    }

    var next: UInt64? {
        guard let upcoming, upcoming.time <= limit ?? .max else { return nil }
        return upcoming.time
    }

    mutating func perform(on machine: inout Machine) {
        guard let (time, step) = upcoming else { return }
        let verdict = ReplayRun.perform(step, at: time, line: recording.line, on: &machine)
        if let difference = verdict.difference { tell(difference) }
        if verdict.end == false { tell(ReplayRun.otherEnd) }
        fetch()
    }

    private mutating func fetch() {
        upcoming = nil
        do throws(RecordingError) {
            upcoming = try recording.next()
        } catch {
            tell(RecordingError("\(error); it is not played any further", line: error.line))
        }
    }

    private mutating func tell(_ difference: RecordingError) {
        complain?(difference)
        complain = nil
    }
}
