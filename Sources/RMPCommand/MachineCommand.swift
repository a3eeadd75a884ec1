// SPDX-License-Identifier: Apache-2.0
// `rmpfs machine`: checks machine files without a mount, and lists those that come with rmpfs.

import ArgumentParser
import Glibc
import MachineFile

struct MachineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machine",
        abstract: "Check machine files and show what they describe.",
        discussion: """
            Without arguments: the machines that come with rmpfs. An error is one line, FILE:LINE: KEY: what is wrong; \
            what to write instead.
            """
    )

    @Argument(
        help: ArgumentHelp("Paths of machine files, or names of those that come with rmpfs.", valueName: "machine"),
        completion: .file(extensions: ["yaml"])
    )
    var machines: [String] = []

    func run() throws {
        if machines.isEmpty { return try list() }
        var failed = false
        for (number, argument) in machines.enumerated() {
            do {
                let summary = try MachineSource.load(argument).summary
                print(number == 0 ? "" : "\n", summary, separator: "", terminator: "")
            } catch {
                // Keeps the order of the arguments even when both streams go to one file.
                fflush(nil)
                StandardError.write("rmpfs: \(error)\n")
                failed = true
            }
        }
        if failed { throw ExitCode.failure }
    }

    private func list() throws {
        let names = MachineSource.names
        guard !names.isEmpty else {
            StandardError.write(
                "rmpfs: \(MachineSource.folder): no machine files here; set RMPFS_MACHINES to their folder\n"
            )
            throw ExitCode.failure
        }
        for name in names {
            let about = (try? MachineSource.load(name).line) ?? "(cannot be used: rmpfs machine \(name) says why)"
            let shown = Printable.text(name)
            print(about.isEmpty ? shown : "\(shown): \(about)")
        }
    }
}
