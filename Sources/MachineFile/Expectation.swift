// SPDX-License-Identifier: Apache-2.0
// What to write instead: the remedy for every refused value, by its kind.

enum Expectation {
    /// What this kind accepts, to complete "give ...".
    static func text(_ kind: Kind) -> String {
        switch kind {
        case .text: "a string"
        case .integer(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .bytes(let range, let unit):
            "\(Quantities.size(range.lowerBound)) to \(Quantities.size(range.upperBound))"
                + (unit > 1 ? ", a multiple of \(Quantities.size(unit))" : "") + ", such as 16G or 0x40000000"
        case .duration(let range):
            "0 to \(Quantities.time(range.upperBound)) as a number of ns, or with ns, us, ms or s, such as 80 or 1s"
        case .flag: "true or false"
        case .word(let words): list(words)
        case .cpuList: "numbers and ranges of CPUs, such as 0-3,8"
        case .mapping(let keys): "a mapping of \(keys.map(\.name).joined(separator: ", "))"
        case .oneOrMore(let kind, let most): "\(text(kind)), or a list of up to \(most) of these"
        case .period(let range):
            "\(Quantities.period(range.lowerBound)) to \(Quantities.period(range.upperBound)), such as 10s, 5min, 12h "
                + "or 30d"
        case .decimal(let range): "a number from \(plain(range.lowerBound)) to \(plain(range.upperBound)), such as 12.5"
        case .list(let kind, let counts):
            "a list of \(counts.lowerBound) to \(counts.upperBound) entries, each \(text(kind))"
        }
    }

    /// A whole number without decimals.
    private static func plain(_ value: Double) -> String {
        Int(exactly: value).map { String($0) } ?? String(value)
    }

    private static func list(_ words: [String]) -> String {
        guard words.count > 1, let last = words.last else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}
