// SPDX-License-Identifier: Apache-2.0
// `rmpfs replay`: runs a recording again and says whether everything is the same, or mounts the host at a moment of it.

import ArgumentParser
import Glibc
import RMPFS
import RMPModel
import Recording

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Run a recording of rmpfs mount --record again, in virtual time.",
        discussion: """
            Exit status: 0 if every answer and the final state match the recording, 1 if not. With --mount the host is \
            mounted as it was at the end, or at --until, and its clock is stopped. With --mount and --pace the \
            recording is played there: each command runs at its virtual time, from the beginning or from --from on. \
            At --until the clock stops and later commands are dropped. Standard error reports a difference.
            """
    )

    @Option(
        help: ArgumentHelp("Stop at this virtual time since boot: ns, or 1.5s, 90min.", valueName: "t"),
        transform: TimeArgument.parseMoment
    )
    var until: TimeArgument?

    @Option(help: ArgumentHelp("Mount the host there.", valueName: "mountpoint"), completion: .directory)
    var mount: String?

    @Option(
        help: ArgumentHelp(
            "With --mount: play the recording at so many virtual seconds per second; 0: as rmpsim/clock is moved.",
            valueName: "factor"
        )
    )
    var pace: PaceArgument?

    @Option(
        help: ArgumentHelp("With --pace: jump to this virtual time first.", valueName: "t"),
        transform: TimeArgument.parseMoment
    )
    var from: TimeArgument?

    @Argument(help: ArgumentHelp("The recording.", valueName: "file"), completion: .file())
    var file: String

    func validate() throws {
        if mount == nil && (pace != nil || from != nil) {
            throw ValidationError("--pace and --from: only with --mount")
        }
        if from != nil && pace == nil { throw ValidationError("--from is where playing begins: give --pace, too") }
        if pace?.pace == .instant {
            throw ValidationError("--pace instant: commands would not come at their times. Give a number")
        }
        if let from, let until, from.nanoseconds > until.nanoseconds {
            throw ValidationError("--from is later than --until")
        }
    }

    func run() throws {
        if let mount {
            var words = ["mount", "--\(HostOptions.replayOption)=\(file)", "--pace=\(pace?.pace ?? .manual)"]
            if pace != nil { words.append("--\(HostOptions.fromOption)=\(from?.nanoseconds ?? 0)") }
            if let until { words.append("--\(HostOptions.untilOption)=\(until.nanoseconds)") }
            throw ExitCode(BackgroundProcess.spawn(arguments: words + ["--", mount]))
        }
        do {
            var run = try ReplayRun(path: file)
            let outcome = try run.run(until: until?.nanoseconds)
            let count = "\(outcome.commands) command\(outcome.commands == 1 ? "" : "s")"
            if let difference = outcome.difference { throw RecordingError(difference.message(in: file)) }
            if outcome.end == false { throw RecordingError(ReplayRun.otherEnd.message(in: file)) }
            let state =
                outcome.end == true
                ? "every answer and the final state are the same"
                : outcome.isStopped
                    ? "every answer until then is the same"
                    : "every answer is the same; the recording has no end: its rmpfs was killed, or is still running"
            try StandardOutput.write("\(count), \(run.machine.now) ns: \(state)\n")
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}
