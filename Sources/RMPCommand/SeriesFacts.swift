// SPDX-License-Identifier: Apache-2.0
// The facts of a version in words: one list for the table, the JSON and the documentation.

import RMPModel

/// A fact about a version of the series.
struct SeriesFacts: Sendable {
    /// What it is called.
    let name: String
    /// The same as a key of JSON.
    var key: String { String(name.lowercased().compactMap { $0 == " " || $0 == "-" ? "_" : $0 == "'" ? nil : $0 }) }
    /// It in words, for a version.
    let value: @Sendable (Series) -> String

    /// All of them.
    static let all: [SeriesFacts] = [
        SeriesFacts(name: "posted") { $0.date },
        SeriesFacts(name: "patches") { "\($0.patches)" },
        SeriesFacts(name: "changes") { $0.changes },
        SeriesFacts(name: "configfs") { $0.hasConfigfs ? "rmpopt/action, rmpopt/description" : "none" },
        SeriesFacts(name: "debugfs") { $0.table?.path ?? "none" },
        SeriesFacts(name: "table mode") { $0.table.map { "0" + String($0.mode, radix: 8) } ?? "-" },
        SeriesFacts(name: "table end") { series in
            guard let table = series.table else { return "-" }
            return (table.hasEndLine ? "a line for the address behind the last" : "the last region")
                + (table.limit == nil ? "" : ", at most 2 TB")
        },
        SeriesFacts(name: "table lseek") { $0.table.map { $0.isSeekable ? "yes" : "ESPIPE" } ?? "-" },
        SeriesFacts(name: "table during a pass") {
            $0.table.map { $0.sharesMask ? "lines may mix two results" : "each line is one answer" } ?? "-"
        },
        SeriesFacts(name: "set up") { $0.setUp == .boot ? "at boot" : "after SNP_INIT_EX" },
        SeriesFacts(name: "windows") {
            $0.windowRule == .perSocket ? "by socket and node above 2 TB" : "one, from the start of memory"
        },
        SeriesFacts(name: "worker") {
            switch $0.worker {
            case .thread: "a kernel thread; a wake-up while it is awake is lost"
            case .workqueue(.firstRequest): "a workqueue; the first request counts"
            case .workqueue(.lastRequest): "a workqueue; the last request counts"
            }
        },
        SeriesFacts(name: "CPUs") {
            switch $0.participants {
            case .firstOnlineThreads: "the first online thread of each core"
            case .allOnline: "all online"
            case .primaryThreadsAtSetUp: "primary threads that were online at set-up"
            }
        },
        SeriesFacts(name: "order") { $0.order == .broadcast ? "all at once" : "a leader, then the others" },
        SeriesFacts(name: "range") { $0.passLimit == nil ? "all memory" : "the first 2 TB" },
        SeriesFacts(name: "pass at boot") { delay($0, .boot) },
        SeriesFacts(name: "pass after SNP_INIT_EX") { delay($0, .firmwareInit) },
        SeriesFacts(name: "pass at a guest's end") { series in
            switch series.guestEndPoint {
            case .never: "none"
            case .inodeFree: delay(series, .guestEnd) + ", for each guest_memfd inode"
            case .beforeDecommission: delay(series, .guestEnd) + ", before decommission"
            case .afterDecommission: delay(series, .guestEnd) + ", after decommission"
            }
        },
        SeriesFacts(name: "clean-up") { $0.hasCleanUp ? "at a shutdown that clears SNP_EN" : "none" },
        SeriesFacts(name: "set up again") { $0.hasReinitGuard ? "returns early unless cleaned up" : "each time" },
        SeriesFacts(name: "SNP_EN set") { $0.snpEnabling == .boot ? "at boot" : "before SNP_INIT_EX" },
        SeriesFacts(name: "CPU hotplug") {
            switch $0.hotplug {
            case .allowed: "allowed"
            case .forbiddenAfterInit: "EBUSY from SNP_INIT_EX until a shutdown"
            case .forbiddenUntilSNPCleared: "EBUSY from SNP_INIT_EX until SNP_EN is cleared"
            case .forbiddenBeforeSNP: "EBUSY from before SNP_EN is set until it is cleared, also after kexec"
            }
        },
        SeriesFacts(name: "log") { $0.announcement + " on physical address range ..." },
    ]

    private static func delay(_ series: Series, _ trigger: PassTrigger) -> String {
        guard let delay = series.delays[trigger] else { return "none" }
        return switch delay {
        case 0: "at once"
        case 1_000_000: "after 1 ms"
        default: "after \(delay / 1_000_000_000) s"
        }
    }

    /// A text as JSON writes it; the facts are plain ASCII.
    static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
