// SPDX-License-Identifier: Apache-2.0
// Runs a recording again, in virtual time and without a mount, and compares every answer and the end.

import Glibc
import RMPFS
import RMPModel
import Recording

/// A recording that is run again.
struct ReplayRun {
    /// What a run has found.
    struct Outcome {
        var commands = 0
        /// The first answer that is not the recorded one.
        var difference: RecordingError?
        /// Whether the recording has its end, and the machine is the same there.
        var end: Bool?
        /// Whether it was left before its end, as was asked for.
        var isStopped = false
    }

    /// The end is not as recorded.
    static let otherEnd = RecordingError("the final state differs from the recording")

    let path: String
    private(set) var machine: Machine
    private var recording: Recording
    /// A step that has been read and not been done.
    private var upcoming: (time: UInt64, step: RecordedStep)?

    /// Reads the file and boots its host.
    init(path: String) throws {
        guard let bytes = SystemFiles.contents(of: path) else {
            throw RecordingError("\(path): \(String(cString: strerror(errno)))")
        }
        try self.init(bytes: bytes, path: path)
    }

    /// Boots the host of a file that has been read.
    init(bytes: [UInt8], path: String) throws {
        self.path = path
        do {
            recording = try Recording(bytes)
            let host = try HostDescription(recording.header)
            machine = Machine(try host.configuration())
            let (start, digest) = (try recording.header.number("start"), try recording.header.text("digest"))
            guard machine.now == start, String(machine.digest, radix: 16) == digest else {
                let program = try recording.header.text("program")
                throw RecordingError("its host boots to another state here: it was recorded by rmpfs \(program)")
            }
        } catch let error as RecordingError {
            throw RecordingError(error.message(in: path))
        }
    }

    /// Runs to the end, to the first difference, or to a time.
    /// - Parameters:
    ///   - limit: in ns of virtual time; what was asked for later is left out.
    ///   - look: sees the machine after each step.
    mutating func run(
        until limit: UInt64?,
        _ look: (borrowing Machine) throws -> Void = { _ in }
    ) throws -> Outcome {
        if let limit, limit < machine.now {
            throw RecordingError("\(path): \(limit) ns is before its beginning, at \(machine.now) ns")
        }
        var outcome = Outcome()
        while let next = try next() {
            if let limit, next.time > limit {
                outcome.isStopped = true
                upcoming = next
                break
            }
            take(next.step, at: next.time, &outcome)
            try look(machine)
            if outcome.difference != nil || outcome.end != nil { return outcome }
        }
        if let limit { machine.advance(to: limit) }
        return outcome
    }

    private mutating func next() throws(RecordingError) -> (time: UInt64, step: RecordedStep)? {
        if let step = upcoming {
            upcoming = nil
            return step
        }
        do throws(RecordingError) {
            return try recording.next()
        } catch {
            throw RecordingError(error.message(in: path))
        }
    }

    private mutating func take(_ step: RecordedStep, at time: UInt64, _ outcome: inout Outcome) {
        if case .command = step { outcome.commands += 1 }
        let verdict = Self.perform(step, at: time, line: recording.line, on: &machine)
        (outcome.difference, outcome.end) = (verdict.difference, verdict.end)
    }

    /// Does a step.
    /// - Returns: an answer that is not the recorded one; at the end, whether the machine is the same.
    static func perform(
        _ step: RecordedStep,
        at time: UInt64,
        line: Int,
        on machine: inout Machine
    ) -> (difference: RecordingError?, end: Bool?) {
        switch step {
        case .command(let command, let expected):
            let answer = SimulatedEngine.perform(command, at: time, on: &machine).recorded
            if answer == expected { return (nil, nil) }
            let difference = "answered \"\(answer ?? "done")\"; the recording has \"\(expected ?? "done")\""
            return (RecordingError(difference, line: line), nil)
        case .report:
            machine.advance(to: time)
            machine.noteReport()
            return (nil, nil)
        case .end(let digest):
            machine.advance(to: time)
            return (nil, machine.digest == digest)
        }
    }

    /// What has not been run, for a mounted host.
    /// - Parameters:
    ///   - limit: in ns of virtual time; what was asked for later is left out.
    ///   - complain: called if something is not as recorded, once.
    func rest(until limit: UInt64?, complain: @escaping @Sendable (String) -> Void) -> ReplayScript {
        ReplayScript(recording, upcoming, until: limit) { [path] in complain($0.message(in: path)) }
    }
}
