// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/cpuN: the regions from one CPU's point of view.

/// The lines of `cpuN`.
enum CPURegions {
    /// What a region is to a CPU.
    enum Status: Sendable, Hashable, CaseIterable {
        /// The CPU skips RMP checks there.
        case optimized
        /// RMP checks are done.
        case checked
        /// Beyond the window of the CPU's core: RMP checks are always done.
        case outside
        /// SNP is not enabled: there are no checks.
        case unchecked
        /// No page of it is assigned, and more is not known.
        case free
        /// A page of it is assigned, or not covered: RMP checks are done.
        case held

        /// - Parameters:
        ///   - isChecked: whether there are RMP checks at all.
        ///   - isOptimized: whether the CPU has the region optimized.
        ///   - isOutside: whether the region is known to lie beyond the window of the CPU's core.
        init(isChecked: Bool, isOptimized: Bool, isOutside: Bool) {
            self = !isChecked ? .unchecked : isOptimized ? .optimized : isOutside ? .outside : .checked
        }

        fileprivate var word: StaticString {
            switch self {
            case .optimized: "optimized"
            case .checked: "checked"
            case .outside: "outside"
            case .unchecked: "unchecked"
            case .free: "free"
            case .held: "held"
            }
        }
    }

    /// `Memory @%3lluGB: ` and the status.
    static func line(region: Int, _ status: Status, into text: inout TextBuffer) {
        text.append(region: region)
        text.append(status.word)
        text.append(0x0A)
    }
}
