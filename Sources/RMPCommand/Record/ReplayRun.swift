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
        var difference: String?
        /// Whether the recording has its end, and the machine is the same there.
        var end: Bool?
        /// Whether it was left before its end, as was asked for.
        var isStopped = false
    }

    let path: String
    private(set) var machine: Machine
    private var recording: Recording

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
            throw RecordingError("\(path): \(error)")
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
        var outcome = Outcome()
        while let next = try next() {
            if let limit, next.time > limit {
                outcome.isStopped = true
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
        do throws(RecordingError) {
            return try recording.next()
        } catch {
            throw RecordingError("\(path): \(error)")
        }
    }

    private mutating func take(_ step: RecordedStep, at time: UInt64, _ outcome: inout Outcome) {
        switch step {
        case .command(let command, let expected):
            outcome.commands += 1
            let answer = SimulatedEngine.perform(command, at: time, on: &machine).recorded
            if answer == expected { return }
            outcome.difference =
                "line \(recording.line): the answer is \(answer ?? "done"), recorded was \(expected ?? "done")"
        case .report:
            machine.advance(to: time)
            machine.noteReport()
        case .end(let digest):
            machine.advance(to: time)
            outcome.end = machine.digest == digest
        }
    }
}
