// SPDX-License-Identifier: Apache-2.0
// What `rmpfs wait` waits for: how the files show it, how an event does, and what to say when it does not come.

import RMPFS

enum WaitCondition {
    case idle
    case pass(UInt64)
    case guest(GuestCondition)
    case event(GlobPattern, String)

    /// What is waited for, for messages.
    var wanted: String {
        switch self {
        case .idle: "nothing was pending"
        case .pass(let number): "pass \(number) had ended"
        case .guest(let guest): "guest \(guest.name) was \(guest.state)"
        case .event(_, let text): "an event '\(text)' came"
        }
    }

    /// Whether an event says that it is so.
    func matches(_ line: EventLine) -> Bool {
        switch self {
        case .idle: false
        case .pass(let number): line.name == "pass_end" && line.number("pass").map { $0 >= number } ?? false
        case .guest(let guest):
            switch line.name {
            case "guest": line.guest == guest.escapedName && line.value("state").map(String.init) == guest.state
            case "guest_create": line.guest == guest.escapedName && guest.state == "stopped"
            case "guest_remove": line.guest == guest.escapedName && guest.state == "removed"
            default: false
            }
        case .event(let pattern, _): pattern.matches(line.name.utf8) || pattern.matches(line.event.utf8)
        }
    }

    /// Whether the files show that it is so. An event must come.
    func isMet(on host: WaitedHost) throws -> Bool {
        switch self {
        case .idle: try host.schedule().isIdle
        case .pass(let number): try host.lastPass() >= number
        case .guest(let guest): try host.state(of: guest.name) ?? "removed" == guest.state
        case .event: false
        }
    }

    /// How it is instead.
    func state(on host: WaitedHost) throws -> String {
        switch self {
        case .idle: return try host.schedule().busy
        case .pass:
            let last = try host.lastPass()
            return last == 0 ? "no pass has ended" : "pass \(last) was the last to end"
        case .guest(let guest):
            guard let state = try host.state(of: guest.name) else { return "there is no guest \(guest.name)" }
            return "guest \(guest.name) is \(state)"
        case .event(_, let text): return "no event '\(text)' came"
        }
    }
}

extension GuestCondition {
    /// The name as events show it.
    var escapedName: String {
        var text = TextBuffer()
        text.append(escaped: Array(name.utf8))
        return String(decoding: text.bytes, as: UTF8.self)
    }
}

/// The files of a mounted host that tell how things are.
struct WaitedHost {
    let folder: MountFolder

    init(_ mountPoint: String) throws(HostFileError) { folder = try MountFolder(mountPoint) }

    private func text(_ file: String) throws(HostFileError) -> HostText? {
        try folder.text(file).map { HostText(name: folder.name(file), bytes: $0) }
    }

    private func needed(_ file: String) throws(HostFileError) -> HostText {
        guard let text = try text(file) else { throw HostFileError(folder.name(file), "is not there, or closed") }
        return text
    }

    /// A file of rmpsim/, in a mount or at the kernel's own paths.
    private func simulator(_ file: String) throws(HostFileError) -> String? {
        for place in ["rmpsim/", "config/rmpsim/"] {
            guard let bytes = try folder.text(place + file) else { continue }
            return String(decoding: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self)
        }
        return nil
    }

    func schedule() throws(HostFileError) -> Schedule { try Schedule(needed("debug/rmpopt/schedule")) }

    func lastPass() throws(HostFileError) -> UInt64 {
        try PassesReader.passes(needed("debug/rmpopt/passes")).last?.number ?? 0
    }

    /// A guest's state; nil if there is none of this name.
    func state(of guest: String) throws(HostFileError) -> String? { try simulator("guests/\(guest)/state") }

    /// Virtual time, in ns; nil if the host does not tell.
    func clock() throws(HostFileError) -> UInt64? { try simulator("clock").flatMap { UInt64($0) } }

    /// What somebody has to do with the clock for anything to happen; nil if it runs, or nothing is pending.
    func clockNeed() throws(HostFileError) -> String? {
        guard try simulator("pace") == "0", let clock = try clock() else {
            return nil
        }
        guard let next = try schedule().next else {
            return "the clock is stopped (pace 0) and nothing is pending: only a command can change anything"
        }
        let step = next > clock ? next - clock : 0
        return "the clock is stopped (pace 0); the next event is \(step) ns away or a little more: "
            + "echo +next, +\(step)ns or idle to \(folder.path)/rmpsim/clock, or a factor to rmpsim/pace"
    }

    /// Virtual time and pace, for messages.
    func time() throws(HostFileError) -> String {
        let clock = try simulator("clock") ?? "unknown"
        if let need = try clockNeed() { return "Virtual time is \(clock) ns; \(need)" }
        return "Virtual time is \(clock) ns, pace \(try simulator("pace") ?? "unknown")"
    }
}
