// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/passes: durations and results of the last passes, split as requested on the list.

import RMPModel

/// The lines of `passes`: a heading, then the last 64 finished passes, oldest first. Durations are virtual time, in ns;
/// counts are regions.
enum PassesReport {
    /// The columns after number and trigger.
    static let columns: KeyValuePairs<StaticString, @Sendable (PassRecord) -> UInt64> = [
        "start_ns": { $0.start },
        "end_ns": { $0.end ?? $0.start },
        "leader_ns": { $0.scanNanoseconds },
        "follower_ns": { $0.followerNanoseconds },
        "broadcast_ns": { $0.broadcastNanoseconds },
        "won": { UInt64($0.regionsWon) },
        "lost": { $0.regionsLost },
        "kept": { UInt64($0.regionsKept) },
        "blocked": { UInt64($0.regionsBlocked) },
        "outside": { UInt64($0.regionsOutside) },
        "broadcasts": { $0.broadcasts },
        "interrupts": { $0.interrupts },
        "interrupts_off_ns": { $0.interruptsOffNanoseconds },
        "executions": { $0.executions },
        "in_vain": { $0.executionsInVain },
        "stolen_ns": { $0.stolenNanoseconds },
    ]

    /// The first line.
    static let heading = "pass trigger" + columns.map { " \($0.key)" }.joined() + "\n"

    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        text.append(Array(heading.utf8))
        for pass in machine.passes {
            text.append(decimal: pass.number)
            text.append(0x20)
            text.append(pass.trigger.word)
            for (_, value) in columns {
                text.append(0x20)
                text.append(decimal: value(pass))
            }
            text.append(0x0A)
        }
    }
}
