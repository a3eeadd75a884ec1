// SPDX-License-Identifier: Apache-2.0
// The facts of a version in words: one list for the table, the JSON, the sources and the documentation.

import RMPModel

/// A fact about a version of the series.
struct SeriesFacts: Sendable {
    /// What it is called.
    let name: String
    /// The same as a key of JSON.
    var key: String {
        String(name.lowercased().compactMap { $0 == " " || $0 == "-" ? "_" : "',".contains($0) ? nil : $0 })
    }
    /// It in words, for a version.
    let value: @Sendable (Series) -> String
    /// Where it was read; nil for what a version does not have.
    let source: @Sendable (Series) -> Source?

    /// A fact that is a field of the version.
    private static func fact<Value>(
        _ name: String,
        _ field: @escaping @Sendable (Series) -> Sourced<Value>,
        _ words: @escaping @Sendable (Value) -> String
    ) -> SeriesFacts {
        SeriesFacts(name: name, value: { words(field($0).wrappedValue) }, source: { field($0).source })
    }

    /// A fact that is a field of the version's table.
    private static func tableFact<Value>(
        _ name: String,
        _ field: @escaping @Sendable (DebugfsTable) -> Sourced<Value>,
        _ words: @escaping @Sendable (Value) -> String
    ) -> SeriesFacts {
        SeriesFacts(
            name: name,
            value: { $0.debugfsTable.map { words(field($0).wrappedValue) } ?? "-" },
            source: { $0.debugfsTable.map { field($0).source } }
        )
    }

    /// All of them.
    static let all: [SeriesFacts] = posting + interface + setUp + passes + triggers + host + log

    private static let posting: [SeriesFacts] = [
        fact("posted", { $0.$date }) { $0 },
        fact("patches", { $0.$patches }) { "\($0)" },
        SeriesFacts(name: "changes", value: { $0.changes }, source: { _ in nil }),
    ]

    private static let interface: [SeriesFacts] = [
        fact("configfs", { $0.$hasConfigfs }) { $0 ? "rmpopt/action, rmpopt/description" : "none" },
        fact("progress flag", { $0.$hasProgressFlag }) {
            $0 ? "set by a request, which does nothing while it is set" : "none"
        },
        SeriesFacts(name: "debugfs", value: { $0.debugfsTable?.path ?? "none" }, source: { $0.$debugfsTable.source }),
        tableFact("table folder", { $0.$folder }) { $0.joined(separator: "/") },
        tableFact("table mode", { $0.$mode }) { "0" + String($0, radix: 8) },
        tableFact("table end", { $0.$hasEndLine }) {
            $0 ? "a line for the address behind the last" : "the last region"
        },
        tableFact("table limit", { $0.$limit }) { $0 == nil ? "none" : "2 TB" },
        tableFact("table lseek", { $0.$isSeekable }) { $0 ? "yes" : "ESPIPE" },
        tableFact("table during a pass", { $0.$sharesMask }) {
            $0 ? "lines may mix two results" : "each line is one answer"
        },
        tableFact("table made", { $0.$creation }, moment),
        tableFact("table removed", { $0.$isRemoved }) { $0 ? "at clean-up; what is open gives EIO" : "never" },
    ]

    private static let setUp: [SeriesFacts] = [
        fact("SNP_EN set", { $0.$snpEnabling }) { $0 == .boot ? "at boot" : "before SNP_INIT_EX" },
        fact("SNP_EN of late CPUs", { $0.$enablesSNPOnLateCPUs }) { $0 ? "set as they come online" : "stays clear" },
        fact("offline CPUs at SNP_INIT_EX", { $0.$needsAllOnline }) {
            $0 ? "EOPNOTSUPP and a line" : "not looked for; firmware refuses"
        },
        fact("thread or workqueue made", { $0.$workerMoment }, moment),
        fact("RMPOPT_BASE written", { $0.$baseMoment }) {
            switch $0 {
            case .boot: "at boot"
            case .firmwareInit: "after SNP_INIT_EX"
            case .requestWhileClear: "after SNP_INIT_EX and at a guest's end, while RMPOPT_EN is 0 on the asking CPU"
            }
        },
        fact("RMPOPT_BASE written on", { $0.$baseCPUs }, selection),
        fact("RMPOPT_BASE written first", { $0.$writesBaseFirst }) {
            $0 ? "yes, it stays when the thread or workqueue fails" : "no"
        },
        fact("windows", { $0.$windowRule }) {
            $0 == .perSocket ? "by socket and node above 2 TB" : "one, from the start of memory"
        },
        fact("contiguous RMP", { $0.$refusesContiguousRMP }) {
            $0 ? "the driver does without RMPOPT" : "not looked at where the processor can do segments"
        },
        fact("set up again", { $0.$hasReinitGuard }) { $0 ? "returns early unless cleaned up" : "each time" },
        fact("mask at set-up", { $0.$allocatesSetUpMask }) { $0 ? "allocated; ends where that fails" : "static" },
        fact("range worked out", { $0.$rangeMoment }, moment),
        fact("range", { $0.$passLimit }) { $0 == nil ? "all memory" : "the first 2 TB" },
    ]

    private static let passes: [SeriesFacts] = [
        fact("worker", { $0.$worker }) {
            switch $0 {
            case .thread: "a kernel thread; a wake-up while it is awake is lost"
            case .unboundWorkqueue: "an unbound workqueue"
            case .perCPUWorkqueue: "a per-CPU workqueue"
            }
        },
        fact("CPUs", { $0.$passCPUs }, selection),
        fact("CPUs chosen", { $0.$maskMoment }) {
            switch $0 {
            case .setUp: "at set-up"
            case .pass: "in each pass"
            case .passAndBefore: "in each pass; who took part before still does"
            }
        },
        fact("order", { $0.$order }) {
            switch $0 {
            case .broadcastEachRegion: "all at once, a broadcast for each region"
            case .leaderThenEachRegion: "a leader, then a broadcast to the others for each region"
            case .leaderThenWholeRange: "a leader, then one broadcast: each walks over the whole range by itself"
            }
        },
        fact("leader", { $0.$leader }) {
            switch $0 {
            case .none: "none"
            case .anyCPU(let joins):
                "the CPU on which the work runs, unchecked" + (joins ? "; it is in the mask from then on" : "")
            case .checked(let byCall):
                "the CPU on which the work runs if its core takes part, else the first that does"
                    + (byCall ? ", by a call for each region" : "")
            case .anyCPUWithoutSiblings: "the CPU on which the work runs; its core does not follow"
            case .anyCPUAgain: "the CPU on which the work runs; its core follows, too"
            }
        },
        fact("mask in a pass", { $0.$allocatesPassMask }) { $0 ? "allocated; skipped where that fails" : "none" },
        fact("line of a pass first", { $0.$announcesFirst }) { $0 ? "yes, also if it is skipped" : "no" },
    ]

    private static let triggers: [SeriesFacts] = [
        fact("pass at boot", { $0.$atBoot }, request),
        fact("pass after SNP_INIT_EX", { $0.$afterInit }, request),
        fact("pass at a guest's end", { $0.$atGuestEnd }, request),
        fact("place in a guest's end", { $0.$guestEndPoint }) {
            switch $0 {
            case .never: "-"
            case .inodeFree: "for each guest_memfd inode that is freed"
            case .beforeDecommission: "before decommission"
            case .afterDecommission: "after decommission"
            }
        },
    ]

    private static let host: [SeriesFacts] = [
        fact("shutdown that clears SNP_EN", { $0.$knowsX86Shutdown }) { $0 ? "known" : "EOPNOTSUPP" },
        fact("clean-up", { $0.$cleanUp }) {
            switch $0 {
            case .none: "none"
            case .all: "cancels the pass, destroys the queue, writes 0 to RMPOPT_BASE"
            case .cancelOnly: "cancels the pass"
            }
        },
        fact("CPU hotplug", { $0.$hotplugOff }) {
            switch $0 {
            case nil: "allowed"
            case .afterInit: "EBUSY from SNP_INIT_EX until SNP_EN is cleared"
            case .beforeSNP: "EBUSY from before SNP_EN is set until it is cleared"
            }
        },
        fact("CPU hotplug after kexec", { $0.$hotplugOffAfterKexec }) { $0 ? "EBUSY with SNP_EN set" : "allowed" },
    ]

    private static let log: [SeriesFacts] = [
        fact("entry point", { $0.$entryPoint }) { $0 + "()" },
        fact("line of a pass", { $0.$announcement }) { $0.map { "\($0) on physical address range ..." } ?? "none" },
        fact("other lines", { $0.$ownMessages }, lines),
        fact("lines of a failed SNP_INIT_EX", { $0.$initMessages }, lines),
    ]

    private static let lines: @Sendable ([SeriesMessage: LogLevel]) -> String = { messages in
        let texts = SeriesMessage.allCases.compactMap { message in
            messages[message].map { "\(message.beginning) (\($0))" }
        }
        return texts.isEmpty ? "none" : texts.joined(separator: "; ")
    }

    private static let moment: @Sendable (Moment) -> String = { $0 == .boot ? "at boot" : "after SNP_INIT_EX" }

    private static let selection: @Sendable (CPUSelection) -> String = {
        switch $0 {
        case .firstOnlineThreads: "the first online thread of each core"
        case .allOnline: "all online"
        case .onlinePrimaryThreads: "primary threads that are online"
        }
    }

    private static let request: @Sendable (PassRequest?) -> String = { request in
        guard let request else { return "none" }
        let batching = request.batching == .firstRequest ? "the first" : "the last"
        switch request.delay {
        case 0: return "at once"
        case 1_000_000: return "after 1 ms"
        default: return "after \(request.delay / 1_000_000_000) s, from \(batching) request on"
        }
    }
}
