// SPDX-License-Identifier: Apache-2.0
// `rmpfs series`: the ten posted versions side by side, from the rows that the driver itself runs on.

import ArgumentParser
import RMPModel

struct SeriesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "series",
        abstract: "Compare the posted versions of the RMPOPT series.",
        discussion: "Prints what each version makes the host do and show. rmpfs mount --series runs one of them."
    )

    @Flag(help: "Print JSON: an array with an object for each version.")
    var json = false

    func run() {
        let facts = SeriesFacts.all
        if json {
            print("[")
            for (number, series) in Series.all.enumerated() {
                let members = facts.map { "\"\($0.key)\": \(SeriesFacts.quoted($0.value(series)))" }
                let end = number == Series.all.count - 1 ? "" : ","
                print("  {\"version\": \"\(series.name)\", \(members.joined(separator: ", "))}\(end)")
            }
            print("]")
            return
        }
        // One block a fact: ten columns of text do not fit into a terminal.
        for fact in facts {
            print("\(fact.name):")
            // Runs of versions that have it alike.
            var start = 0
            for next in 1...Series.all.count {
                let value = fact.value(Series.all[start])
                if next < Series.all.count && fact.value(Series.all[next]) == value { continue }
                let (first, last) = (Series.all[start], Series.all[next - 1])
                let versions = first == last ? first.name : "\(first.name)-\(last.name)"
                print("  \(versions.padded(to: 7))\(value)")
                start = next
            }
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(width - utf8.count, 1))
    }
}
