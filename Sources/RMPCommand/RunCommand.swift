// SPDX-License-Identifier: Apache-2.0
// `rmpfs run`: runs a command that sees a simulated host at the kernel's own paths; nobody else does.

import ArgumentParser
import Glibc
import RMPFS

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command on a simulated RMPOPT host of its own.",
        discussion: """
            The command and its children find the host's files at the kernel's own paths: /sys/kernel/config/rmpopt, \
            /sys/kernel/debug/rmpopt and /sys/kernel/debug/x86/rmpopt, its controls at /sys/kernel/config/rmpsim, its \
            CPUs and nodes at /sys/devices/system. Nobody else sees them. The rest of /sys is read-only. When the \
            command ends, everything it started is killed and the host is gone.
            The exit status is the command's, or 128 and the number of the signal that ended it; 127 if it \
            cannot be found, 126 if it cannot be executed, 125 if the host cannot be made.
            Users other than root need a kernel that allows them user namespaces.
            """
    )

    @OptionGroup var host: HostOptions

    @Flag(help: "Map the user to root in the user namespace, so that the command believes that root runs it.")
    var root = false

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The command and its arguments.", valueName: "command"),
        completion: .shellCommand("compgen -c")
    )
    var command: [String] = []

    /// Set by the process that made the namespaces.
    @Option(name: .customLong(RunPart.option), help: .hidden)
    var part: RunPart?

    func validate() throws {
        if command.isEmpty { throw ValidationError("no command. Give one behind --, as in: rmpfs run -- sh -e script") }
    }

    func run() throws {
        do {
            switch part {
            case .host(let line):
                let folder = SystemFiles.workingFolder
                let inner = try PrivateHost(line: line)
                let options = try host.mountOptions
                let booted = try host.boot(options, in: folder)
                try inner.serve(booted.kernelTrees, faults: booted.faults, options: options)
                booted.end()
                _exit(EXIT_SUCCESS)
            case .command(let line, let hostLine):
                let inner = try PrivateCommand(line: line, host: hostLine)
                let status = try inner.run(ArgumentVector.last(command.count)) { StandardError.write("rmpfs: \($0)\n") }
                // There is nothing to clean up: the kernel kills whatever the command left in its PID namespace.
                _exit(status)
            case nil:
                throw ExitCode(try RunFront.run(as: root ? .root : .same))
            }
        } catch let error as RunError {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode(error.exitStatus)
        }
    }
}
