// SPDX-License-Identifier: Apache-2.0
// Writes a recording: a line for each command as it is answered.

public import RMPModel
import Synchronization

/// A recording that grows.
///
/// Each line is given to the system when its command has been answered, so it survives the end of the process, not that
/// of the system. Of a file whose name ends in `.gz`, that is true of all but the last two seconds. Lines come in the
/// order of the commands: the caller's lock sees to that.
public final class RecordingWriter: Sendable {
    private let file: RecordingFile
    private let state: Mutex<State>

    private struct State: Sendable {
        /// When the last command was, in ns.
        var last: UInt64
        var line: [UInt8] = []
    }

    /// Makes the file, which must not exist, for its owner alone: it holds the machine file.
    /// - Parameters:
    ///   - start: the virtual time at which the recording begins, in ns.
    ///   - complain: called once if the recording ends early.
    public init(
        path: String,
        _ header: Fields,
        start: UInt64,
        complain: @escaping @Sendable (String) -> Void
    ) throws(RecordingError) {
        file = try RecordingFile(path: path, isCompressed: path.hasSuffix(".gz"), complain: complain)
        state = Mutex(State(last: start))
        var line: [UInt8] = []
        RecordingLine.append(header, to: &line)
        file.append(line, isUrgent: true)
    }

    /// A command and its answer.
    public func note(_ command: Command, _ outcome: Result<CommandResult, CommandError>, at time: UInt64) {
        var fields = command.fields
        if let answer = outcome.recorded { fields.add("is", .text(answer)) }
        write(fields, at: time)
    }

    /// Somebody read the kernel's table, and CPUs took a #UD for it.
    public func noteReport(at time: UInt64) { write(Fields(["do": .text("report")]), at: time) }

    /// The end, and a checksum of the machine as it then was. Nothing may follow.
    public func end(at time: UInt64, digest: UInt64) {
        write(Fields(["do": .text("end"), "digest": .text(String(digest, radix: 16))]), at: time)
        file.finish()
    }

    private func write(_ fields: Fields, at time: UInt64) {
        state.withLock { state in
            var line = Fields(["dt": .number(time - min(state.last, time))])
            for (name, value) in fields.all { line.add(name, value) }
            state.last = max(state.last, time)
            state.line.removeAll(keepingCapacity: true)
            RecordingLine.append(line, to: &state.line)
            file.append(state.line)
        }
    }
}
