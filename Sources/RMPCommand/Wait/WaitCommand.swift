// SPDX-License-Identifier: Apache-2.0
// `rmpfs wait`: returns when something is so on a mounted host. The daemon wakes it; neither of them polls.

import ArgumentParser
import Glibc
import RMPFS

struct WaitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait for a condition on a mounted host: by default, until nothing is pending.",
        discussion: """
            Exit status: 0 when the condition holds, 124 at the timeout, 1 if the mount ends first. --event prints the \
            event's line. With --pace 0 the clock is stopped and somebody else has to move it; standard error then \
            says how far.
            """
    )

    @Flag(help: "Until no pass runs or is pending and no guest is ending.")
    var idle = false

    @Option(help: ArgumentHelp("Until pass number N of this kernel has ended.", valueName: "n"))
    var pass: UInt64?

    @Option(
        help: ArgumentHelp(
            "Until a guest is stopped, created, running or ending, or is removed; its pages may still go back.",
            valueName: "name=state"
        )
    )
    var guest: GuestCondition?

    @Option(
        help: ArgumentHelp(
            "Until an event whose name, or whose line after the time, matches: 'pass_end' or 'guest: *'.",
            valueName: "pattern"
        )
    )
    var event: String?

    @Option(
        help: ArgumentHelp(
            "Count events from this virtual time on: ns, as rmpsim/clock shows it, or 1.5s, 90min.",
            valueName: "t"
        ),
        transform: TimeArgument.parseMoment
    )
    var since: TimeArgument?

    @Option(
        help: ArgumentHelp("Give up after this much real time: 10, 500ms, 2min.", valueName: "t"),
        transform: TimeArgument.parseDuration
    )
    var timeout: TimeArgument?

    @Argument(help: ArgumentHelp("Where the host is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    func validate() throws {
        if [idle, pass != nil, guest != nil, event != nil].count(where: { $0 }) > 1 {
            throw ValidationError("--idle, --pass, --guest and --event exclude each other; call rmpfs wait for each")
        }
        if since != nil && event == nil { throw ValidationError("--since is for --event") }
        if pass == 0 { throw ValidationError("--pass 0: passes count from 1. Give 1 or more") }
        if let event, (try? GlobPattern(Array(event.utf8))) == nil {
            throw ValidationError("'\(event)' is not a pattern: it is empty, or a bracket or a backslash has no end")
        }
    }

    private var condition: WaitCondition {
        if let pass { return .pass(pass) }
        if let guest { return .guest(guest) }
        if let event, let pattern = try? GlobPattern(Array(event.utf8)) { return .event(pattern, event) }
        return .idle
    }

    func run() throws {
        do {
            try wait()
        } catch let error as HostFileError {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    private func wait() throws {
        let deadline = timeout.map { EventReader.now.addingReportingOverflow($0.nanoseconds) }
        let host = try WaitedHost(mountPoint)
        let reader = try EventReader(host.folder)
        // What was before does not count, unless it was asked for.
        var last: EventLine?
        for line in try reader.drain() where condition.matches(line) {
            if let since, line.time >= since.nanoseconds { return try report(line) }
            last = line
        }
        if try condition.isMet(on: host) { return }
        if let need = try host.clockNeed() { StandardError.write("rmpfs: \(need)\n") }
        while true {
            switch try reader.next(until: deadline.map { $0.overflow ? .max : $0.partialValue }) {
            case .timeout:
                var state = try condition.state(on: host)
                if case .event = condition, let last {
                    state += "; the last one was at \(last.time) ns, before "
                    state += since == nil ? "the wait: --since \(last.time) counts it" : "--since"
                }
                StandardError.write("rmpfs: timed out: \(state). \(try host.time())\n")
                throw ExitCode(124)
            case .end:
                throw HostFileError(mountPoint, "the mount has ended before \(condition.wanted)")
            case .lines(let lines):
                for line in lines where condition.matches(line) {
                    if line.time >= since?.nanoseconds ?? 0 { return try report(line) }
                    last = line
                }
                if try condition.isMet(on: host) { return }
            }
        }
    }

    private func report(_ line: EventLine) throws {
        if case .event = condition { try StandardOutput.write(line.text + "\n") }
    }
}

/// `NAME=STATE`.
struct GuestCondition: ExpressibleByArgument, Sendable {
    /// What a guest can be. `removed`: there is no such guest.
    static let states = ["stopped", "created", "running", "ending", "removed"]

    let name: String
    let state: String

    init?(argument: String) {
        // A name may have a `=`, a state has none.
        guard let mark = argument.lastIndex(of: "="), mark != argument.startIndex else { return nil }
        name = String(argument[..<mark])
        state = String(argument[argument.index(after: mark)...])
        guard Self.states.contains(state), !name.contains("/") else { return nil }
    }
}
