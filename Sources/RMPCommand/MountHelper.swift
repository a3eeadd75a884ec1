// SPDX-License-Identifier: Apache-2.0
// How mount(8) calls: `rmpfs SOURCE MOUNTPOINT -o WORDS` by way of mount.fuse3, or as mount.rmpfs. Translated into the
// words of `rmpfs mount`.

import RMPFS

/// The program as mount(8) and /etc/fstab call it.
enum MountHelper {
    /// The names of a mount helper of ours; with any other name it is known by its arguments.
    private static let names: Set<Substring> = ["mount.rmpfs", "mount.fuse.rmpfs"]

    /// Words of `-o` that describe the machine; each is the option of `rmpfs mount` with the same name.
    static let machineWords = [
        "cpus", "memory", "machine", "series", "pace", "boot", "engine", "config-root", "debug-root", "cpu-root",
    ]

    /// Such a word that is an option without a value.
    static let machineFlag = "allow-reenable"

    /// Words that mount.fuse3 adds by itself; a mount of rmpfs stays nosuid,nodev.
    private static let addedWords: Set<Substring> = ["dev", "suid"]

    /// Flags that mount(8) passes on and that change nothing here: do not write mtab, tolerate (nothing unknown is
    /// tolerated), tell more.
    private static let idleFlags: Set<String> = ["-n", "-s", "-v"]

    /// Why a call is refused.
    struct Refusal: Error, CustomStringConvertible, Equatable {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// The words of the call in the language of `rmpfs mount`; nil if this is no call of mount(8)'s.
    /// - Parameters:
    ///   - commands: the words that are commands of `rmpfs`, which no source can be.
    static func translate(
        program: String,
        words: [String],
        commands: @autoclosure () -> Set<String>
    ) throws(Refusal) -> [String]? {
        let name = program.split(separator: "/").last ?? ""
        guard names.contains(name) || isShapeOfCall(words, commands) else { return nil }
        var places: [String] = []
        var lists: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "-o", "-t":
                guard let value = rest.popFirst() else { throw Refusal("\(word): a value is missing behind it") }
                if word == "-o" { lists.append(value) }
            case "-r": lists.append("ro")
            case "-w": lists.append("rw")
            case _ where idleFlags.contains(word): break
            case _ where word.hasPrefix("-o"): lists.append(String(word.dropFirst(2)))
            case _ where word.hasPrefix("-"):
                throw Refusal("option '\(word)': unknown; called as mount(8) calls: SOURCE MOUNTPOINT -o WORDS")
            default: places.append(word)
            }
        }
        guard places.count == 2 else {
            throw Refusal("called as mount(8) calls, it takes SOURCE MOUNTPOINT -o WORDS; these are \(places.count)")
        }
        return try ["mount"] + options(lists, source: places[0]) + ["--", places[1]]
    }

    /// `SOURCE MOUNTPOINT ... -o WORDS ...`: a typing error in a command's name does not look like that.
    private static func isShapeOfCall(_ words: [String], _ commands: () -> Set<String>) -> Bool {
        guard words.count >= 4, !words[0].hasPrefix("-"), !words[1].hasPrefix("-") else { return false }
        return words[2...].contains("-o") && !commands().contains(words[0])
    }

    /// Machine words become options; the source becomes `fsname=` unless the words have one.
    private static func options(_ lists: [String], source: String) throws(Refusal) -> [String] {
        var options: [String] = []
        var words: [Substring] = []
        for word in lists.flatMap({ $0.split(separator: ",") }) where !addedWords.contains(word) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if word == machineFlag { options.append("--\(word)"); continue }
            guard machineWords.contains(String(parts[0])) else {
                guard MountOptions.isKnown(word) else { throw unknown(word) }
                words.append(word)
                continue
            }
            guard parts.count == 2, !parts[1].isEmpty else {
                throw Refusal("mount option '\(word)': needs a value, as in \(parts[0])=...")
            }
            options.append("--\(parts[0])=\(parts[1])")
        }
        if !source.isEmpty && !words.contains(where: { $0.hasPrefix("fsname=") }) {
            guard !source.contains(",") else { throw Refusal("source '\(source)': a source's name has no comma here") }
            words.append("fsname=\(source)")
        }
        return words.isEmpty ? options : options + ["-o", words.joined(separator: ",")]
    }

    private static func unknown(_ word: Substring) -> Refusal {
        let own = (MountOptions.ownWords + machineWords.map { "\($0)=" } + [machineFlag]).sorted()
        return Refusal(
            "mount option '\(word)': unknown; rmpfs knows \(own.joined(separator: ", ")) and the words of mount(8)"
        )
    }
}
