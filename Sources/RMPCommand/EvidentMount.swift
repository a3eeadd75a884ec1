// SPDX-License-Identifier: Apache-2.0
// Recognizes calls that certainly mount in the background. The serving process parses them anyway, so the one that
// starts it need not, and the mount answers sooner.

import RMPFS

enum EvidentMount {
    /// Options of `rmpfs mount` that do not change where it runs. One that is missing here only costs time.
    private static let options: Set<Substring> = [
        "cpus", "memory", "machine", "series", "pace", "boot", "engine", "config-root", "debug-root", "cpu-root",
        "allow-reenable", "die-with-parent",
    ]

    /// Whether these arguments are `mount` with known options and places. They may still be wrong: the serving process
    /// then says so, and its exit status is passed on.
    static func isOne(_ words: [String]) -> Bool {
        guard words.first == "mount", words.count > 1, OwnProcess.tooFewFiles == nil else { return false }
        return words.dropFirst().allSatisfy { word in
            if word.hasPrefix("--") { return options.contains(word.dropFirst(2).prefix { $0 != "=" }) }
            return !word.hasPrefix("-") || word == "-o"
        }
    }
}
