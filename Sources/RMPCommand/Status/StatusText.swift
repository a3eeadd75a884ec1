// SPDX-License-Identifier: Apache-2.0
// The report as people read it, and as programs do. The JSON is described in docs/status.md.

extension StatusReport {
    /// The version of the JSON schema: grows when a key changes its meaning or is removed.
    static let formatVersion: UInt64 = 1

    /// How many guests the text lists one by one; the JSON has all of them.
    private static let shownHolders = 20

    var text: String {
        let counts = snapshot.counts
        let offline = snapshot.offline > 0 ? " (\(snapshot.offline) more offline)" : ""
        if snapshot.isOfRMP { return textOfRMP }
        var lines = [
            "\(printable(mountPoint)): \(snapshot.regions.count) regions of 1 GB, \(snapshot.cpus) CPUs\(offline)",
            Self.line("optimized on all CPUs", counts.all),
            Self.line("optimized on some CPUs", counts.some),
            Self.line("optimized on no CPU", counts.none),
        ]
        if snapshot.regions.contains(where: \.isUnchecked) {
            lines.append("SNP is not enabled: no CPU checks anything")
        } else if let holders {
            lines += self.lines(of: holders)
        } else {
            lines.append("held back by                  unknown: this mount has no file that says so")
        }
        lines.append("last pass                     \(lastPassText)")
        lines.append("next pass                     \(scheduleText)")
        return lines.map { $0 + "\n" }.joined()
    }

    /// What an RMP alone shows.
    private var textOfRMP: String {
        let free = snapshot.regions.count(where: \.isFree)
        var lines = [
            "\(printable(mountPoint)): \(snapshot.regions.count) regions of 1 GB, by their RMP entries",
            Self.line("free: RMPOPT can optimize them", free),
            Self.line("held", snapshot.regions.count - free),
        ]
        lines += self.lines(of: holders ?? [])
        return lines.map { $0 + "\n" }.joined()
    }

    private func lines(of holders: [Holder]) -> [String] {
        var lines = ["held back by" + (holders.isEmpty ? "                  nothing" : ":")]
        for holder in holders.prefix(Self.shownHolders) {
            let guest = holder.guest.map { " \(printable($0))" } ?? ""
            let asid = holder.asid.map { " (asid \($0))" } ?? ""
            let pages = holder.pages.map { $0 == 1 ? ", 1 page" : ", \($0) pages" } ?? ""
            let name = "  \(holder.kind.look.words)\(guest)\(asid)"
            lines.append(Self.line(name, Int(clamping: holder.regions), pages))
        }
        let more = holders.count - Self.shownHolders
        if more > 0 { lines.append("  and \(more) more; --json lists all") }
        return lines
    }

    /// A name, a number of regions in its column, and what else there is to say.
    private static func line(_ name: String, _ number: Int, _ more: String = "") -> String {
        let digits = String(number)
        let blanks = max(1, 36 - name.count - digits.count)
        return name + String(repeating: " ", count: blanks) + digits + (number == 1 ? " region" : " regions") + more
    }

    private var lastPassText: String {
        guard let pass = lastPass else {
            return hasPasses ? "none so far" : "unknown: this mount has no file that says so"
        }
        guard let end = pass.end else {
            return "#\(pass.number) (\(pass.trigger)), running since \(seconds(pass.start))"
        }
        let parts = [
            "took \(milliseconds(end - pass.start))",
            pass.leader.map { "leader \(milliseconds($0))" },
            pass.followers.map { "followers \(milliseconds($0))" },
            pass.won.map { "\($0) won" },
            pass.lost.map { "\($0) lost" },
        ]
        let costs = [
            pass.interruptsOff.map { "interrupts off for \(milliseconds($0)) at most" },
            pass.calls.map { $0 == 1 ? "1 broadcast" : "\($0) broadcasts" },
            pass.interrupts.map { "\($0) interrupts" },
            pass.stolen.map { "\(milliseconds($0)) of CPU time" },
        ]
        let indent = "\n" + String(repeating: " ", count: 30)
        let lines = [parts, costs].map { $0.compactMap { $0 }.joined(separator: ", ") }.filter { !$0.isEmpty }
        return (["#\(pass.number) (\(pass.trigger)) ended at \(seconds(end))"] + lines).joined(separator: indent)
    }

    private var scheduleText: String {
        guard let schedule else { return "unknown: this mount has no file that says so" }
        let asked = schedule.askedBy.map { ", asked by \($0)" } ?? ""
        let running = schedule.isRunning ? "one is running" : ""
        guard schedule.isPending else { return running.isEmpty ? "none is pending" : running + asked }
        let due = schedule.due.map { " at \(seconds($0))" } ?? ""
        return (running.isEmpty ? "" : running + "; ") + "pending\(due)\(asked)"
    }

    /// Nanoseconds of virtual time as seconds with three digits.
    private func seconds(_ time: UInt64) -> String { Self.decimal(time, unit: 1_000_000_000) + " s" }
    private func milliseconds(_ time: UInt64) -> String { Self.decimal(time, unit: 1_000_000) + " ms" }

    private static func decimal(_ value: UInt64, unit: UInt64) -> String {
        let thousandths = String(value % unit * 1000 / unit)
        return "\(value / unit)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths
    }

    /// A name without characters that could move the cursor.
    private func printable(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }

    /// The report as JSON.
    var json: JSON {
        let counts = snapshot.counts
        return .members([
            "version": .number(Self.formatVersion),
            "mountpoint": .string(mountPoint),
            "cpus": .members(["online": Self.number(snapshot.cpus), "offline": Self.number(snapshot.offline)]),
            "regions": .members([
                "total": Self.number(snapshot.regions.count),
                "optimized_on_all": snapshot.isOfRMP ? .null : Self.number(counts.all),
                "optimized_on_some": snapshot.isOfRMP ? .null : Self.number(counts.some),
                "optimized_on_none": snapshot.isOfRMP ? .null : Self.number(counts.none),
                "free": snapshot.isOfRMP ? Self.number(snapshot.regions.count(where: \.isFree)) : .null,
            ]),
            "blockers": holders.map { .array($0.map(Self.json(of:))) } ?? .null,
            "last_pass": lastPass.map(Self.json(of:)) ?? .null,
            "schedule": schedule.map {
                .members([
                    "running": .bool($0.isRunning),
                    "pending": .bool($0.isPending),
                    "due_ns": Self.number($0.due),
                    "asked_by": $0.askedBy.map { .string($0) } ?? .null,
                ])
            } ?? .null,
        ])
    }

    private static func json(of holder: Holder) -> JSON {
        .members([
            "kind": .string(holder.kind.word),
            "guest": holder.guest.map { .string($0) } ?? .null,
            "asid": number(holder.asid),
            "regions": .number(holder.regions),
            "pages": number(holder.pages),
        ])
    }

    private static func json(of pass: PassRow) -> JSON {
        .members([
            "number": .number(pass.number),
            "trigger": .string(pass.trigger),
            "start_ns": .number(pass.start),
            "end_ns": number(pass.end),
            "leader_ns": number(pass.leader),
            "follower_ns": number(pass.followers),
            "broadcast_ns": number(pass.broadcasts),
            "won": number(pass.won),
            "lost": number(pass.lost),
            "kept": number(pass.kept),
            "blocked": number(pass.blocked),
            "outside": number(pass.outside),
            "broadcasts": number(pass.calls),
            "interrupts": number(pass.interrupts),
            "interrupts_off_ns": number(pass.interruptsOff),
            "executions": number(pass.executions),
            "in_vain": number(pass.inVain),
            "stolen_ns": number(pass.stolen),
        ])
    }

    private static func number(_ value: Int) -> JSON { .number(UInt64(max(0, value))) }
    private static func number(_ value: UInt64?) -> JSON { value.map { .number($0) } ?? .null }
}

extension RegionKind {
    /// Its name in JSON.
    var word: String {
        switch self {
        case .optimized: "optimized"
        case .free: "free"
        case .partly: "partly"
        case .rmpTable: "rmp_table"
        case .firmware: "firmware"
        case .guest: "guest"
        case .leaked: "leaked"
        case .uncovered: "uncovered"
        case .notScanned: "not_scanned"
        case .outside: "outside"
        case .notEnabled: "not_enabled"
        case .unchecked: "unchecked"
        case .unexplained: "unexplained"
        }
    }
}
