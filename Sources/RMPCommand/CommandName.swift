// SPDX-License-Identifier: Apache-2.0
// Reports a word that is not a command, and suggests the command that was meant.

import ArgumentParser

enum CommandName {
    /// The names of all commands. Collecting them takes half a millisecond, so this is computed only on demand.
    static var all: Set<String> {
        let names = RMPFSCommand.configuration.subcommands.flatMap { command in
            [command._commandName] + command.configuration.aliases
        }
        return Set(names + ["help"])
    }

    /// What is wrong with the command, or with the word after `help`; nil if it exists, or none was given.
    static func complaint(_ words: [String]) -> String? {
        let word = words.first == "help" ? words.dropFirst().first : words.first
        guard let word, !word.hasPrefix("-"), !all.contains(word) else { return nil }
        let near = all.map { (name: $0, distance: distance(word, $0)) }.filter { $0.distance <= 2 }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
        let hint = near.map { "; did you mean \($0.name)?" } ?? ""
        return "'\(word)': no such command\(hint)"
    }

    /// How many letters must be inserted, deleted, replaced or swapped with their neighbour.
    static func distance(_ first: String, _ second: String) -> Int {
        let (first, second) = (Array(first.prefix(32)), Array(second))
        var rows = [Array(0...second.count)]
        for i in first.indices {
            var row = [i + 1]
            for j in second.indices {
                let replaced = rows[i][j] + (first[i] == second[j] ? 0 : 1)
                var least = min(rows[i][j + 1] + 1, row[j] + 1, replaced)
                if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[first.count][second.count]
    }
}
