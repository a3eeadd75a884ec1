// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/series: which version this mount mirrors, and what we chose where sources are silent.

import RMPModel

/// The lines of `series`.
enum SeriesReport {
    /// Choices that only AMD's publication 69201 could confirm, or no source; docs/fidelity.md has the whole list.
    private static let choices: KeyValuePairs<StaticString, StaticString> = [
        "RMPOPT with RCX above 1": "#GP, after the check of RMPOPT_EN (#UD)",
        "RMPOPT outside the window or the RMP": "CF 0",
        "a write of RMPOPT_BASE": "leaves the bits of the table",
        "RMPOPT_EN without SNP_EN or a segmented RMP, or cleared": "#GP",
        "PSMASH of a page that does not meet the requirements": "FAIL_INPUT or FAIL_PERMISSION; sources disagree",
        "RMPUPDATE from assigned to unassigned": "clears no bit",
        "a negative result of RMPOPT": "is not cached",
        "the CPU on which a pass runs": "CPU 0 while it is online (boot.worker_cpu)",
        "RMPOPT_EN when SNP_EN is cleared": "is cleared (processor.keeps_rmpopt_enable)",
        "a #UD in the kernel's RMPOPT": "is counted and logged; the host goes on",
        "durations": "a model, fitted to the posted figures",
    ]

    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        let series = machine.configuration.series
        text.append("series: ")
        text.append(Array(series.name.utf8))
        text.append("\nposted: ")
        text.append(Array(series.date.utf8))
        text.append("\npatches: ")
        text.append(decimal: UInt64(series.patches))
        text.append("\nchanges: ")
        text.append(Array(series.changes.utf8))
        text.append("\nwindows: ")
        text.append(machine.configuration.windows.word)
        text.append(0x0A)
        for (question, choice) in choices {
            text.append("choice: ")
            text.append(question)
            text.append(": ")
            text.append(choice)
            text.append(0x0A)
        }
    }
}
