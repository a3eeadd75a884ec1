// SPDX-License-Identifier: Apache-2.0
// How mount(8) calls us: `rmpfs SOURCE MOUNTPOINT -o WORDS` through mount.fuse3, or as mount.rmpfs. Translates the call
// into the arguments of `rmpfs mount`.

import RMPFS

/// The program as mount(8) and /etc/fstab call it.
enum MountHelper {
    /// The names of our mount helpers. Under any other name the arguments decide.
    private static let names: Set<Substring> = ["mount.rmpfs", "mount.fuse.rmpfs"]

    /// Words of `-o` that describe the machine; each is the option of `rmpfs mount` with the same name.
    static let machineWords = [
        "cpus", "memory", "machine", "series", "pace", "boot", "record", "engine", "config-root", "debug-root",
        "cpu-root", "rmp-image", "rmp-base", "rmp-end", "rmp-cfg", "sysroot", "max-age",
    ]

    /// Those that take no value.
    static let machineFlags = ["allow-reenable", "full-reading"]

    /// Words that mount.fuse3 adds by itself; a mount of rmpfs stays nosuid,nodev.
    private static let addedWords: Set<String> = ["dev", "suid"]

    /// The flags without a value that mount(8) passes on, `[-sfnv]` (mount(8), "External helpers"), and its `-r` and
    /// `-w`: what each is for `rmpfs mount`. There is no mtab to write, unknown
    /// words are always refused, and there is nothing more to say in verbose mode.
    private static let flags: [Character: Flag] = [
        "f": .option(MountCommand.dryRun), "n": .idle, "s": .idle, "v": .idle, "r": .word("ro"), "w": .word("rw"),
    ]

    private enum Flag {
        case idle
        case option(String)
        case word(String)
    }

    /// Flags that take a value, which may be joined to them.
    private static let valueFlags: Set<Substring> = ["-o", "-t", "-N"]

    /// Why a call is refused.
    struct Refusal: Error, CustomStringConvertible, Equatable {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// The call as arguments of `rmpfs mount`; nil if mount(8) did not make it.
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
        var options: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            if valueFlags.contains(word.prefix(2)) {
                let joined = word.dropFirst(2)
                guard let value = joined.isEmpty ? rest.popFirst() : String(joined) else {
                    throw Refusal("\(word): a value is missing behind it")
                }
                switch word.prefix(2) {
                case "-o": lists.append(value)
                case "-N": options.append("--\(MountCommand.namespace)=\(value)")
                // mount(8) found this program by the type.
                default: break
                }
            } else if word.hasPrefix("-") {
                let known = word.dropFirst().compactMap { flags[$0] }
                guard !known.isEmpty, known.count == word.count - 1 else {
                    throw Refusal("option '\(word)': unknown; called as mount(8) calls: SOURCE MOUNTPOINT -o WORDS")
                }
                for flag in known {
                    switch flag {
                    case .idle: break
                    case .option(let name): options.append("--\(name)")
                    case .word(let name): lists.append(name)
                    }
                }
            } else {
                places.append(word)
            }
        }
        guard places.count == 2 else {
            throw Refusal("called as mount(8) calls, it takes SOURCE MOUNTPOINT -o WORDS; these are \(places.count)")
        }
        return try ["mount"] + options + self.options(lists, source: places[0]) + ["--", places[1]]
    }

    /// `SOURCE MOUNTPOINT ... -o WORDS ...`: a mistyped command does not look like this.
    private static func isShapeOfCall(_ words: [String], _ commands: () -> Set<String>) -> Bool {
        guard words.count >= 4, !words[0].hasPrefix("-"), !words[1].hasPrefix("-") else { return false }
        return words[2...].contains("-o") && !commands().contains(words[0])
    }

    /// Machine words become options; the source becomes `fsname=` unless the words have one.
    private static func options(_ lists: [String], source: String) throws(Refusal) -> [String] {
        var options: [String] = []
        var words: [String] = []
        for word in lists.flatMap(MountOptions.words(of:)) where !addedWords.contains(word) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if machineFlags.contains(word) { options.append("--\(word)"); continue }
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

    /// A person's call, with those words of `-o` that describe the machine turned into options, as for /etc/fstab.
    static func expand(_ words: [String]) -> [String] {
        guard let command = words.first, ["mount", "run"].contains(command) else { return words }
        var result = [command]
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            if word == "--" { return result + [word] + rest }
            var list = word.hasPrefix("-o") ? String(word.dropFirst(2)) : nil
            if list?.isEmpty == true { list = rest.popFirst() }
            guard let list else { result.append(word); continue }
            let parts = MountOptions.words(of: list).map { part -> (word: String, isOption: Bool) in
                let takesValue = machineWords.contains { part.hasPrefix($0 + "=") }
                return (word: part, isOption: takesValue || machineFlags.contains(part))
            }
            let others = parts.filter { !$0.isOption }.map(\.word)
            result += parts.filter(\.isOption).map { "--\($0.word)" }
            if others.count == parts.count {
                result += ["-o", list]
            } else if !others.isEmpty {
                result += ["-o", others.joined(separator: ",")]
            }
        }
        return result
    }

    private static func unknown(_ word: String) -> Refusal {
        let own = (MountOptions.ownWords + machineWords.map { "\($0)=" } + machineFlags).sorted()
        return Refusal(
            "mount option '\(word)': unknown; rmpfs knows \(own.joined(separator: ", ")) and the words of mount(8)"
        )
    }
}
