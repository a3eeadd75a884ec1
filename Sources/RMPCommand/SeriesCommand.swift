// SPDX-License-Identifier: Apache-2.0
// `rmpfs series`: the versions side by side with their sources, taken from the table that the driver itself uses.

import ArgumentParser
import RMPModel

struct SeriesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "series",
        abstract: "Compare the versions of the RMPOPT series.",
        discussion: """
            Prints what each version makes the host do and show: the ten that were posted, and merged, the form in \
            Linux. With several versions, only what differs between them. rmpfs mount --series runs one of them.
            """
    )

    @Argument(help: ArgumentHelp("The versions to compare (default: all).", valueName: "version"))
    var versions: [SeriesArgument] = []

    @Flag(help: "Print JSON: an array with an object for each version.")
    var json = false

    @Flag(help: "Print where each fact was read, or that it was concluded or is unsettled.")
    var sources = false

    func run() {
        let all = versions.isEmpty ? Series.all : versions.map(\.series)
        let facts = SeriesFacts.all.filter { fact in
            versions.count < 2 || Set(all.map(fact.value)).count > 1
        }
        if json {
            print(document(all, facts).text, terminator: "")
        } else if facts.isEmpty {
            print("\(all.map(\.name).joined(separator: ", ")): no difference.")
        } else {
            // One block per fact: eleven columns of text do not fit in a terminal.
            for fact in facts { show(fact, all) }
        }
    }

    private func show(_ fact: SeriesFacts, _ all: [Series]) {
        print("\(fact.name):")
        // Runs of versions that have the same value, and the same source if sources are shown.
        var start = 0
        for next in 1...all.count {
            if next < all.count && isAlike(fact, all[start], all[next]) { continue }
            let run = all[start..<next].map(\.name)
            let isRange = versions.isEmpty && run.count > 1
            let names = isRange ? "\(run[0])-\(run[run.count - 1])" : run.joined(separator: ", ")
            print("  \(names.padded(to: 11))\(fact.value(all[start]))")
            if sources, let source = fact.source(all[start]) {
                print("  \("".padded(to: 11))[\(source.standing.word)] \(source.place)")
            }
            start = next
        }
    }

    private func isAlike(_ fact: SeriesFacts, _ left: Series, _ right: Series) -> Bool {
        fact.value(left) == fact.value(right) && (!sources || fact.source(left) == fact.source(right))
    }

    private func document(_ all: [Series], _ facts: [SeriesFacts]) -> JSON {
        .array(
            all.map { series in
                let version = JSON.Member(name: "version", value: .string(series.name))
                return .object([version] + facts.map { JSON.Member(name: $0.key, value: value(of: $0, series)) })
            }
        )
    }

    private func value(of fact: SeriesFacts, _ series: Series) -> JSON {
        let value = JSON.string(fact.value(series))
        guard sources else { return value }
        let source = fact.source(series)
        return .members([
            "value": value,
            "source": source.map { .string($0.place) } ?? .null,
            "standing": source.map { .string($0.standing.word) } ?? .null,
        ])
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(width - utf8.count, 1))
    }
}
