// SPDX-License-Identifier: Apache-2.0
// A diagnosis as people read it, and as programs do. The JSON is described in docs/doctor.md.

extension Diagnosis {
    /// The version of the JSON schema: grows when a key changes its meaning or is removed.
    static let formatVersion: UInt64 = 1

    /// The verdict, a line for each check by category, a hint below each failure, and the counts.
    /// - Parameter all: with the checks that do not apply.
    func text(on screen: Screen, all: Bool) -> String {
        var lines = [Style.paint(verdict, "1", on: screen), ""]
        var category: Check.Category?
        for result in results where all || result.status != .notApplicable {
            if result.check.category != category {
                if category != nil { lines.append("") }
                category = result.check.category
                lines.append(Style.paint(result.check.category.rawValue, "1", on: screen))
            }
            let (word, style) = Self.words[result.status] ?? ("????", "0")
            lines.append("[ \(Style.paint(word, style, on: screen)) ] \(result.check.name): \(result.message)")
            if let hint = result.hint { lines.append("         \(hint)") }
        }
        lines.append("")
        lines.append(summary)
        return lines.joined(separator: "\n") + "\n"
    }

    /// What it all comes to, in one sentence.
    var verdict: String {
        let real: Set<Check.Category> = [.kernelInterface, .processor, .rmp]
        let obstacles = results.filter { $0.status == .fail && !real.contains($0.check.category) }.map(\.check.name)
        let canMount =
            obstacles.isEmpty
            ? "This machine can mount" : "This machine cannot mount (\(obstacles.joined(separator: ", ")))"
        let passed = Set(results.filter { $0.status == .pass }.map(\.check.name))
        let hosts: String
        if passed.contains("kernel-rmpopt") {
            hosts = "its kernel has RMPOPT, so simulated hosts and --engine kernel"
        } else if passed.contains("rmpopt") {
            hosts = "it has RMPOPT that its kernel does not show, so only simulated hosts"
        } else if passed.contains("snp") {
            hosts = "it has SNP without RMPOPT, so only simulated hosts"
        } else if hasCPUID {
            hosts = "it has no SNP, so only simulated hosts"
        } else {
            hosts = "whether it has SNP cannot be told, so only simulated hosts"
        }
        return "\(canMount); \(hosts)."
    }

    /// `27 checks: 14 passed, 1 failed, 0 skipped, 12 not applicable`
    var summary: String {
        "\(results.count) checks: \(count(.pass)) passed, \(count(.fail)) failed, \(count(.skip)) skipped, "
            + "\(count(.notApplicable)) not applicable"
    }

    private static let words: [CheckStatus: (String, String)] = [
        .pass: ("PASS", "32"), .fail: ("FAIL", "1;31"), .skip: ("SKIP", "33"), .notApplicable: ("N/A ", "2"),
    ]

    /// The diagnosis as JSON.
    var json: JSON {
        .members([
            "version": .number(Self.formatVersion),
            "verdict": .string(verdict),
            "rmpfs": .string(RMPFSCommand.configuration.version),
            "tests": .array(
                results.map { result in
                    .members([
                        "name": .string(result.check.name),
                        "status": .string(result.status.rawValue),
                        "category": .string(result.check.category.rawValue),
                        "description": .string(result.check.description),
                        "message": .string(result.message),
                        "fix_hint": result.hint.map { .string($0) } ?? .null,
                    ])
                }
            ),
            "failures": .array(
                results.filter { $0.status == .fail }.map {
                    .members(["name": .string($0.check.name), "hint": .string($0.hint ?? "")])
                }
            ),
            "skipped": .array(results.filter { $0.status == .skip }.map { .string($0.check.name) }),
            "summary": .members([
                "total": .number(UInt64(results.count)),
                "passed": .number(UInt64(count(.pass))),
                "failed": .number(UInt64(count(.fail))),
                "skipped": .number(UInt64(count(.skip))),
                "not_applicable": .number(UInt64(count(.notApplicable))),
            ]),
        ])
    }
}
