// SPDX-License-Identifier: Apache-2.0
// `rmpfs status`: the numbers that people ask for first.

import ArgumentParser

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Tell how much of a mount's memory is optimized, and what holds the rest back."
    )

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Argument(help: ArgumentHelp("Where the host is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    func run() throws {
        do {
            let report = try StatusReport(of: MountFolder(mountPoint))
            try StandardOutput.write(json ? report.json.text : report.text)
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}
