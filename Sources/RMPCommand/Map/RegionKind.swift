// SPDX-License-Identifier: Apache-2.0
// What a region is in a picture, with the letter, the colours and the words of each kind.

/// What a region is in the picture.
enum RegionKind: Int, CaseIterable, Sendable {
    case optimized
    /// No page in it is assigned; whether a core has it optimized is not known.
    case free
    case partly
    case rmpTable
    case firmware
    case guest
    case leaked
    /// The RMP has no entries for some of its pages.
    case uncovered
    case notScanned
    case outside
    /// RMPOPT is not enabled on the CPUs.
    case notEnabled
    /// SNP is not enabled, so nothing is checked.
    case unchecked
    /// Optimized on no CPU, and no file says why.
    case unexplained

    /// How a kind is shown.
    struct Look: Sendable {
        /// Marks a cell whose regions are all of this kind; lower case marks one where only some are.
        let letter: Character
        /// ECMA-48: white or black on a colour of the 256 that terminals have.
        let terminal: String
        /// The same colour for SVG.
        let fill: String
        /// That of a letter on it.
        let ink: String
        let words: String
    }

    /// Colours that the colour-blind can tell apart (after Okabe and Ito); the letters say the same.
    var look: Look {
        switch self {
        case .optimized:
            Look(
                letter: ".",
                terminal: "38;5;22;48;5;29",
                fill: "#00875f",
                ink: "#005f00",
                words: "optimized on all CPUs"
            )
        case .free:
            Look(
                letter: "-",
                terminal: "38;5;23;48;5;73",
                fill: "#5fafaf",
                ink: "#005f5f",
                words: "free: RMPOPT can optimize it"
            )
        case .partly:
            Look(letter: "S", terminal: "30;48;5;220", fill: "#ffd700", ink: "#000", words: "optimized on some CPUs")
        case .rmpTable: Look(letter: "R", terminal: "97;48;5;25", fill: "#005faf", ink: "#fff", words: "RMP table")
        case .firmware: Look(letter: "F", terminal: "97;48;5;97", fill: "#875faf", ink: "#fff", words: "firmware")
        case .guest: Look(letter: "G", terminal: "97;48;5;166", fill: "#d75f00", ink: "#fff", words: "guest")
        case .leaked: Look(letter: "L", terminal: "97;48;5;160", fill: "#d70000", ink: "#fff", words: "leaked pages")
        case .uncovered:
            Look(letter: "C", terminal: "30;48;5;140", fill: "#af87d7", ink: "#000", words: "not covered by the RMP")
        case .notScanned: Look(letter: "N", terminal: "30;48;5;252", fill: "#d0d0d0", ink: "#000", words: "not scanned")
        case .outside:
            Look(letter: "O", terminal: "97;48;5;240", fill: "#585858", ink: "#fff", words: "outside all windows")
        case .notEnabled:
            Look(letter: "E", terminal: "97;48;5;88", fill: "#870000", ink: "#fff", words: "RMPOPT not enabled")
        case .unchecked:
            Look(
                letter: "U",
                terminal: "30;48;5;117",
                fill: "#87d7ff",
                ink: "#000",
                words: "not checked, as SNP is off"
            )
        case .unexplained:
            Look(letter: "X", terminal: "97;48;5;238", fill: "#444444", ink: "#fff", words: "not optimized")
        }
    }

    /// Whether nothing is wrong with it.
    var isGood: Bool { self == .optimized || self == .free }

    /// The kind of a region. On no CPU: that of its first reason, which has the most pages.
    init(_ state: RegionState, cpus: Int) {
        if state.isUnchecked {
            self = .unchecked
        } else if state.isFree {
            self = .free
        } else if state.optimized >= cpus && cpus > 0 {
            self = .optimized
        } else if state.optimized > 0 {
            self = .partly
        } else {
            self = state.reasons.first.map(Self.init) ?? .unexplained
        }
    }

    init(_ blocker: HostBlocker) {
        switch blocker {
        case .rmpTable: self = .rmpTable
        case .firmware: self = .firmware
        case .guest: self = .guest
        case .leaked: self = .leaked
        case .uncovered: self = .uncovered
        case .notScanned: self = .notScanned
        case .outside: self = .outside
        case .notEnabled: self = .notEnabled
        case .unexplained: self = .unexplained
        }
    }
}
