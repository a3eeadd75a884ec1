// SPDX-License-Identifier: Apache-2.0
// Runs the checks in order, and skips those whose prerequisite failed or does not apply.

/// The results of all checks.
struct Diagnosis: Sendable {
    let results: [CheckResult]
    /// Whether the processor could be asked at all.
    let hasCPUID: Bool

    /// Runs the checks on a host.
    ///
    /// A check whose prerequisite failed or was skipped is skipped; one whose prerequisite does not apply does not
    /// apply either.
    init(of host: Host, checks: [Check] = Check.all) {
        var done: [String: CheckStatus] = [:]
        var results: [CheckResult] = []
        for check in checks {
            let result = Self.run(check, on: host, after: check.needs.flatMap { done[$0] })
            done[check.name] = result.status
            results.append(result)
        }
        self.results = results
        hasCPUID = host.leaf(0) != nil
    }

    private static func run(_ check: Check, on host: Host, after earlier: CheckStatus?) -> CheckResult {
        let needed = check.needs ?? ""
        switch earlier {
        case .fail, .skip:
            return CheckResult(check: check, status: .skip, message: "needs '\(needed)', which did not pass", hint: nil)
        case .notApplicable:
            let message = "as '\(needed)' does not apply"
            return CheckResult(check: check, status: .notApplicable, message: message, hint: nil)
        case .pass, nil: break
        }
        switch check.look(host) {
        case .pass(let message): return CheckResult(check: check, status: .pass, message: message, hint: nil)
        case .fail(let message, let hint):
            return CheckResult(check: check, status: .fail, message: message, hint: hint ?? check.hint)
        case .notApplicable(let message):
            return CheckResult(check: check, status: .notApplicable, message: message, hint: nil)
        }
    }

    /// How many checks have this result.
    func count(_ status: CheckStatus) -> Int { results.count { $0.status == status } }

    /// Whether a check failed.
    var hasFailures: Bool { count(.fail) > 0 }
}
