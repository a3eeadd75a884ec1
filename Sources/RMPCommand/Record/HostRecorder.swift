// SPDX-License-Identifier: Apache-2.0
// `--record`: writes what happens to a mounted host to a file.

import RMPFS
import RMPModel
import Recording

/// A recording of a host that is mounted.
struct HostRecorder: MachineWitness {
    private let writer: RecordingWriter

    /// Makes the file and writes its first line.
    init(path: String, _ host: HostDescription, _ machine: borrowing Machine) throws(RecordingError) {
        let header = host.header(version: RMPFSCommand.configuration.version, machine)
        writer = try RecordingWriter(path: path, header, start: machine.now) {
            StandardError.write("rmpfs: \(path): \($0)\n")
        }
    }

    func note(_ command: Command, _ outcome: Result<CommandResult, CommandError>, at time: UInt64) {
        writer.note(command, outcome, at: time)
    }

    func noteReport(at time: UInt64) { writer.noteReport(at: time) }

    /// Writes how the host was in the end.
    func end(_ engine: SimulatedEngine) {
        guard let (time, digest) = try? engine.inspect({ ($0.now, $0.digest) }) else { return }
        writer.end(at: time, digest: digest)
    }
}
