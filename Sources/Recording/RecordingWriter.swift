// SPDX-License-Identifier: Apache-2.0
// Writes a recording: a line for each command as it is answered, so that what was is there whatever ends the process.

import Glibc
public import RMPModel
import Synchronization

/// A recording that grows.
///
/// Each line is given to the system when its command has been answered, so it survives the end of the process, not that
/// of the system. Lines come in the order of the commands: the caller's lock sees to that.
public final class RecordingWriter: Sendable {
    private let descriptor: Int32
    private let state = Mutex(State())
    private let complain: @Sendable (String) -> Void

    private struct State: Sendable {
        var line: [UInt8] = []
        /// Whether a line could not be written: what follows would not be whole.
        var hasFailed = false
    }

    /// Makes the file, which must not exist, for its owner alone: it holds the machine file.
    /// - Parameter complain: called once if the recording ends early.
    public init(path: String, _ header: Fields, complain: @escaping @Sendable (String) -> Void) throws(RecordingError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        self.complain = complain
        if descriptor < 0 {
            let error = errno
            let remedy = error == EEXIST ? ". A recording does not replace a file: remove it, or give another name" : ""
            throw RecordingError("\(path): \(String(cString: strerror(error)))\(remedy)")
        }
        write(header)
    }

    deinit { close(descriptor) }

    /// A command and its answer.
    public func note(_ command: Command, _ outcome: Result<CommandResult, CommandError>, at time: UInt64) {
        var fields = Fields(["t": .number(time)])
        for (name, value) in command.fields.all { fields.add(name, value) }
        if let answer = outcome.recorded { fields.add("is", .text(answer)) }
        write(fields)
    }

    /// Somebody read the kernel's table, and CPUs took a #UD for it.
    public func noteReport(at time: UInt64) { write(Fields(["t": .number(time), "do": .text("report")])) }

    /// The end, and a checksum of the machine as it then was.
    public func end(at time: UInt64, digest: UInt64) {
        write(Fields(["t": .number(time), "do": .text("end"), "digest": .text(String(digest, radix: 16))]))
    }

    private func write(_ fields: Fields) {
        let failure = state.withLock { state -> Int32? in
            if state.hasFailed { return nil }
            state.line.removeAll(keepingCapacity: true)
            RecordingLine.append(fields, to: &state.line)
            var sent = 0
            while sent < state.line.count {
                let count = state.line[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0 {
                    if errno == EINTR { continue }
                    state.hasFailed = true
                    return errno
                }
                sent += count
            }
            return nil
        }
        if let failure { complain("the recording ends here: \(String(cString: strerror(failure)))") }
    }
}
