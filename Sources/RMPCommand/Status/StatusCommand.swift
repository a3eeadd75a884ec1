// SPDX-License-Identifier: Apache-2.0
// `rmpfs status`: the numbers that people ask for first.

import ArgumentParser

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how much of a mount's memory is optimized, and what holds the rest back."
    )

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Option(
        help: ArgumentHelp(
            """
            Write the metrics of the given mounts, or of all rmpfs mounts, into this folder for node_exporter's \
            textfile collector; where a mount is down, rmpopt_up is 0.
            """,
            valueName: "dir"
        ),
        completion: .directory
    )
    var textfile: String?

    @Argument(help: ArgumentHelp("Where the host is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoints: [String] = []

    func validate() throws {
        if let textfile {
            if json { throw ValidationError("--json and --textfile: give one of them") }
            if !Host().isFolder(textfile) {
                throw ValidationError(
                    "--textfile \(textfile): no such folder. Give that of --collector.textfile.directory"
                )
            }
        } else if mountPoints.count != 1 {
            throw ValidationError(
                mountPoints.isEmpty ? "give the folder that a host is mounted on" : "give one mountpoint, or --textfile"
            )
        }
    }

    func run() throws {
        do {
            if let textfile {
                return try Textfile.write(to: textfile, mounts: mountPoints.isEmpty ? nil : mountPoints)
            }
            let report = try StatusReport(of: MountFolder(mountPoints[0]))
            try StandardOutput.write(json ? report.json.text : report.text)
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}
