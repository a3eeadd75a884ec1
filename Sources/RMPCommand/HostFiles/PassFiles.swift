// SPDX-License-Identifier: Apache-2.0
// Reads debug/rmpopt/passes and debug/rmpopt/schedule: what the last passes did, and what comes next.

/// A pass as `passes` shows it. Times are virtual, in ns.
struct PassRow: Sendable, Equatable {
    let number: UInt64
    let trigger: String
    let start: UInt64
    /// nil: still running.
    let end: UInt64?
    let leader: UInt64?
    let followers: UInt64?
    let broadcasts: UInt64?
    let won: UInt64?
    let lost: UInt64?
    let kept: UInt64?
    let blocked: UInt64?
    let outside: UInt64?
    /// What it cost the CPUs: calls to many of them, interrupts to single ones, the longest time with interrupts off,
    /// RMPOPT executed and those in vain, CPU time.
    let calls: UInt64?
    let interrupts: UInt64?
    let interruptsOff: UInt64?
    let executions: UInt64?
    let inVain: UInt64?
    let stolen: UInt64?
}

/// The lines of `passes`.
enum PassesReader {
    /// The names in the first line, in this order.
    static let columns = [
        "pass", "trigger", "start_ns", "end_ns", "leader_ns", "follower_ns", "broadcast_ns", "won", "lost", "kept",
        "blocked", "outside", "broadcasts", "interrupts", "interrupts_off_ns", "executions", "in_vain", "stolen_ns",
    ]

    /// All passes, oldest first.
    static func passes(_ text: HostText) throws(HostFileError) -> [PassRow] {
        let lines = try text.lines()
        guard let header = lines.first else { throw HostFileError(text.name, "is empty: its first line is missing") }
        guard words(header.line) == columns else {
            throw text.error(header, "the line '\(columns.joined(separator: " "))'")
        }
        var rows: [PassRow] = []
        for line in lines.dropFirst() {
            guard let row = row(words(line.line)) else { throw text.error(line, "a pass of \(columns.count) columns") }
            rows.append(row)
        }
        return rows
    }

    private static func words(_ line: ArraySlice<UInt8>) -> [String] {
        line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func row(_ words: [String]) -> PassRow? {
        guard words.count == columns.count, let number = UInt64(words[0]), let start = UInt64(words[2]) else {
            return nil
        }
        var numbers: [UInt64?] = []
        for word in words[3...] {
            if word == "-" { numbers.append(nil); continue }
            guard let value = UInt64(word) else { return nil }
            numbers.append(value)
        }
        if let end = numbers[0], end < start { return nil }
        return PassRow(
            number: number,
            trigger: words[1],
            start: start,
            end: numbers[0],
            leader: numbers[1],
            followers: numbers[2],
            broadcasts: numbers[3],
            won: numbers[4],
            lost: numbers[5],
            kept: numbers[6],
            blocked: numbers[7],
            outside: numbers[8],
            calls: numbers[9],
            interrupts: numbers[10],
            interruptsOff: numbers[11],
            executions: numbers[12],
            inVain: numbers[13],
            stolen: numbers[14]
        )
    }
}

/// What `schedule` says.
struct Schedule: Sendable, Equatable {
    /// Whether a pass is running.
    let isRunning: Bool
    /// Whether one is pending.
    let isPending: Bool
    /// When it is due, in ns of virtual time.
    let due: UInt64?
    /// What asked for it.
    let askedBy: String?
    /// When anything happens next, or a moment before that, in ns of virtual time; nil: not by itself.
    let next: UInt64?

    /// Whether nothing is under way.
    var isIdle: Bool { !isRunning && !isPending && next == nil }
    /// What is under way.
    var busy: String {
        if isRunning { return "a pass is running" }
        if isPending { return "a pass is pending" }
        return next == nil ? "nothing is pending" : "pages of a guest are going back, or a thread is still awake"
    }

    /// The lines `running`, `pending`, `due_ns`, `asked_by` and, where it is, `next_ns`, in any order; others may
    /// follow in later versions.
    init(_ text: HostText) throws(HostFileError) {
        var values: [String: (number: Int, line: ArraySlice<UInt8>, value: String)] = [:]
        for line in try text.lines() {
            guard let colon = line.line.firstIndex(of: UInt8(ascii: ":")) else {
                throw text.error(line, "'name: value'")
            }
            let value = line.line[(colon + 1)...].drop { $0 == 0x20 }
            let name = String(decoding: line.line[..<colon], as: UTF8.self)
            values[name] = (line.number, line.line, String(decoding: value, as: UTF8.self))
        }
        func value(_ name: String) throws(HostFileError) -> (number: Int, line: ArraySlice<UInt8>, value: String) {
            guard let found = values[name] else { throw HostFileError(text.name, "there is no line '\(name): ...'") }
            return found
        }
        func isYes(_ name: String) throws(HostFileError) -> Bool {
            let found = try value(name)
            guard found.value == "yes" || found.value == "no" else {
                throw text.error((found.number, found.line), "'\(name): yes' or '\(name): no'")
            }
            return found.value == "yes"
        }
        isRunning = try isYes("running")
        isPending = try isYes("pending")
        let due = try value("due_ns")
        self.due = UInt64(due.value)
        if self.due == nil && due.value != "-" {
            throw text.error((due.number, due.line), "'due_ns: ' and a number, or '-'")
        }
        let asked = try value("asked_by").value
        askedBy = asked == "-" ? nil : asked
        next = values["next_ns"].flatMap { UInt64($0.value) }
    }
}
