// SPDX-License-Identifier: Apache-2.0
// `rmpfs trace`: what happened on a host as a picture of time, for viewers of traces.

import ArgumentParser
import Glibc
import RMPFS
import Recording

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Write what happened on a host as a trace that Perfetto and chrome://tracing open.",
        discussion: """
            The trace has a track for the passes, for requests, for the log, for each guest, and for each CPU: when it \
            executes RMPOPT and when its interrupts are off. Times are virtual. If the CPUs would need more than \
            200,000 slices, those that did the same share a track.
            """
    )

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The trace, a JSON file; - is standard output.", valueName: "file"),
        completion: .file(extensions: ["json"])
    )
    var output: String

    @Argument(
        help: ArgumentHelp(
            "A mountpoint, a copy of its events, or a recording of --record; - is standard input.",
            valueName: "host"
        ),
        completion: .file()
    )
    var source: String

    func run() throws {
        do {
            let trace = try read()
            let bytes = ChromeTrace.text(trace, facts: [("rmpfs", Release.version), ("source", source)])
            if output == "-" {
                try StandardOutput.write(bytes)
            } else {
                try StandardOutput.write(bytes, toFile: output)
            }
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    private func read() throws -> HostTrace {
        if source != "-" && Host().isFolder(source) { return try TraceSource.mount(source) }
        let (path, name) = source == "-" ? ("/dev/stdin", "standard input") : (source, source)
        guard let bytes = SystemFiles.contents(of: path) else {
            throw HostFileError(name, "cannot be read: \(Errno.current)")
        }
        if Recording.isOne(bytes) { return try TraceSource.recording(bytes, path: name) }
        return try TraceSource.events(bytes, name: name)
    }
}
