// SPDX-License-Identifier: Apache-2.0
// Which calls mount in the background beyond doubt: the process that will serve parses them, so the one that starts it
// need not, and the mount answers sooner.

import RMPFS

enum EvidentMount {
    /// Options of `rmpfs mount` that change nothing about where it runs. One that is missing here costs time only.
    private static let options: Set<Substring> = [
        "cpus", "memory", "machine", "series", "pace", "boot", "engine", "config-root", "debug-root", "cpu-root",
        "allow-reenable", "die-with-parent",
    ]

    /// Whether these words, in the language of the commands, are `mount` with options that are known here, and places.
    /// They may still be wrong: the process that serves tells that, and its exit status is passed on.
    static func isOne(_ words: [String]) -> Bool {
        guard words.first == "mount", words.count > 1, OwnProcess.tooFewFiles == nil else { return false }
        return words.dropFirst().allSatisfy { word in
            if word.hasPrefix("--") { return options.contains(word.dropFirst(2).prefix { $0 != "=" }) }
            return !word.hasPrefix("-") || word == "-o"
        }
    }
}
