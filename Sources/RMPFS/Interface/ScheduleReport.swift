// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/schedule: whether a pass is running or pending, when it is due, and what became of
// requests.

import RMPModel

/// The lines of `schedule`.
enum ScheduleReport {
    static func write(_ machine: borrowing Machine, _ pace: Pace, into text: inout TextBuffer) {
        let pending = machine.pendingPass
        line("running: ", machine.passIsRunning ? "yes" : "no", &text)
        line("pending: ", pending == nil ? "no" : "yes", &text)
        text.append("due_ns: ")
        if let pending { text.append(decimal: pending.due) } else { text.append("-") }
        text.append(0x0A)
        line("asked_by: ", pending?.trigger.word ?? machine.runningPass?.trigger.word ?? "-", &text)
        for (name, outcome) in outcomes {
            text.append(name)
            text.append(decimal: machine.requests(outcome))
            text.append(0x0A)
        }
        text.append("next_ns: ")
        if let next = machine.nextEvent { text.append(decimal: next) } else { text.append("-") }
        text.append("\nclock: ")
        switch pace {
        // Whoever waits for a pass without knowing of this finds it here.
        case .manual: text.append("stopped (pace 0): write +next, idle or a step to rmpsim/clock")
        case .factor, .instant:
            text.append("runs at pace ")
            text.append(Array(pace.description.utf8))
        }
        text.append(0x0A)
    }

    /// What became of the requests since boot. `ignored` is left out: it is about the version, not about a request.
    private static let outcomes: KeyValuePairs<StaticString, RequestOutcome> = [
        "begun: ": .begun, "scheduled: ": .scheduled, "absorbed: ": .absorbed, "lost: ": .lost,
    ]

    private static func line(_ name: StaticString, _ value: StaticString, _ text: inout TextBuffer) {
        text.append(name)
        text.append(value)
        text.append(0x0A)
    }
}
