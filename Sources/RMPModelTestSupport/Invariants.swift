// SPDX-License-Identifier: Apache-2.0
// What must hold for every machine at any time, for tests that put one through something.

public import RMPModel

extension Machine {
    /// What is wrong with the machine, each as a sentence: counts and summaries are compared with what they summarise,
    /// and each page, chunk and ASID has one owner. Empty for every machine that was only changed by commands and time:
    /// anything else is a fault of the model.
    ///
    /// It looks at everything: from milliseconds to, on the largest machines, seconds.
    public var invariantViolations: [String] { InvariantChecker.violations(in: self) }
}
