// SPDX-License-Identifier: Apache-2.0
// `rmpfs run`: a command on a simulated host that stands at the kernel's own paths and that nobody else sees.

import ArgumentParser
import Glibc
import RMPFS

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command on a simulated RMPOPT host of its own.",
        discussion: """
            The command and its children find the host's files at the kernel's own paths: /sys/kernel/config/rmpopt, \
            /sys/kernel/debug/rmpopt and /sys/kernel/debug/x86/rmpopt, and its controls at /sys/kernel/config/rmpsim. \
            Nobody else sees them. When the command ends, whatever it started ends, and the host is gone.
            The exit status is the command's, or 128 and the number of the signal that ended it; 127 and 126 if it \
            cannot be found or executed, 125 if there is no host for it.
            Users other than root need a kernel that lets them have user namespaces.
            """
    )

    @OptionGroup var host: HostOptions

    @Flag(help: "The command believes that root runs it, where a user namespace is made for a user.")
    var root = false

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The command and its arguments.", valueName: "command"),
        completion: .shellCommand("compgen -c")
    )
    var command: [String] = []

    /// Set by the process that made the namespaces.
    @Option(name: .customLong(RunFront.option), help: .hidden)
    var line: Int32?

    func validate() throws {
        if command.isEmpty { throw ValidationError("no command. Give one behind --, as in: rmpfs run -- sh -e script") }
    }

    func run() throws {
        do {
            let status: Int32
            if let line {
                let inner = PrivateHost(line: line)
                var options = try host.mountOptions
                options.nonEmpty = true
                let (root, faults) = try host.simulatedTree(options)
                let tree = HostTree.kernelTree(of: root, owner: host.owner(options))
                status = try inner.run(command, on: tree, faults: faults, options: options)
                // Nothing in here is left to be tidied up: the kernel ends what the command has started.
                _exit(status)
            }
            status = try RunFront.run(arguments: Invocation.arguments, as: root ? .root : .same)
            throw ExitCode(status)
        } catch let error as RunError {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode(error.exitStatus)
        }
    }
}
