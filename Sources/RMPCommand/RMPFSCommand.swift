// SPDX-License-Identifier: Apache-2.0
// The `rmpfs` command: its subcommands and its version.

import ArgumentParser
import Glibc
import RMPFS

@main
struct RMPFSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmpfs",
        abstract: "Mounts an AMD RMPOPT host: the kernel's files over a faithful simulated machine.",
        version: Release.version,
        subcommands: [
            MountCommand.self, UnmountCommand.self, ListCommand.self, RunCommand.self, MachineCommand.self,
            StatusCommand.self, WaitCommand.self, TraceCommand.self, ReplayCommand.self,
            MapCommand.self, RMPReadCommand.self, DoctorCommand.self, SeriesCommand.self, FiguresCommand.self,
            SimulateCommand.self, ReportCommand.self,
        ]
    )

    static func main() {
        OwnProcess.setName()
        Invocation.runAsMountHelper()
        if EvidentMount.isOne(Invocation.arguments) {
            Glibc.exit(BackgroundProcess.spawn(arguments: Invocation.arguments))
        }
        if let complaint = CommandName.complaint(Invocation.arguments) {
            end(with: ValidationError(complaint))
        }
        do {
            var command = try parseAsRoot(Invocation.arguments)
            try command.run()
        } catch {
            end(with: error)
        }
    }

    /// As `exit(withError:)`; but words of the caller that a message quotes cannot steer a terminal, and what fails
    /// although the command line is right is told as everywhere else: `rmpfs: ...`, with status 1.
    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        if code == .success { exit(withError: error) }
        let message = code == .failure && !(error is ExitCode) ? "rmpfs: \(error)" : fullMessage(for: error)
        if !message.isEmpty { StandardError.write(message + "\n") }
        Glibc.exit(code.rawValue)
    }
}
