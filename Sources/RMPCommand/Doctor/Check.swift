// SPDX-License-Identifier: Apache-2.0
// A check of `rmpfs doctor` as data: its name, what it needs, how to fix a failure, and the function that looks.

/// One check.
struct Check: Sendable {
    /// What part of the machine it is about.
    enum Category: String, Sendable, CaseIterable {
        case system
        case fuse
        case mountPoint = "mount point"
        case kernelInterface = "kernel interface"
        case processor
        case rmp = "RMP"
        case limits
        case machine
    }

    /// What a check found.
    enum Finding: Sendable, Equatable {
        /// As it should be.
        case pass(String)
        /// Not as it should be; the hint is the check's own unless the finding has a better one.
        case fail(String, hint: String? = nil)
        /// Does not apply to this machine or to what was asked.
        case notApplicable(String)
    }

    /// Its name, which is also its heading in docs/troubleshooting.md.
    let name: String
    let category: Category
    /// What is looked at, in one line.
    let description: String
    /// How to fix a failure.
    let hint: String
    /// The check that must pass before this one can run.
    let needs: String?
    let look: @Sendable (Host) -> Finding

    init(
        _ name: String,
        _ category: Category,
        _ description: String,
        hint: String,
        needs: String? = nil,
        look: @escaping @Sendable (Host) -> Finding
    ) {
        self.name = name
        self.category = category
        self.description = description
        self.hint = hint
        self.needs = needs
        self.look = look
    }

    /// All checks, in the order in which an engineer would look. A check comes after the one it needs.
    static let all: [Check] =
        systemChecks + fuseChecks + mountPointChecks + kernelInterfaceChecks + processorChecks + rmpChecks
        + limitChecks + machineChecks
}

/// How a check ended.
enum CheckStatus: String, Sendable, CaseIterable {
    case pass
    case fail
    /// It cannot run because an earlier check failed.
    case skip
    case notApplicable = "not applicable"
}

/// A check and its result.
struct CheckResult: Sendable {
    let check: Check
    let status: CheckStatus
    let message: String
    /// How to fix it; nil unless the check failed.
    let hint: String?
}
