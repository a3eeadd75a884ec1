// SPDX-License-Identifier: Apache-2.0
// The metrics of mounts as files for node_exporter's textfile collector: a file for each mount, replaced at once, with
// a label that tells the mounts apart.

import Glibc
import RMPFS

/// A mount's metrics as a text.
struct Textfile {
    /// The mount's path.
    let path: String
    /// Its metrics, if it answers and they can be read.
    let metrics: [UInt8]?
    /// Why there are none.
    let obstacle: String

    /// Reads a mount; one that is dead, hangs or is closed to this user has no metrics.
    init(mount path: String) {
        let file = MountFolder.ours + "/metrics"
        switch HostMount.State(path) {
        case .alive:
            let contents = SystemFiles.contents(of: path + "/" + file, limit: Self.longestText)
            self.init(path, contents, contents == nil ? "\(file): \(Errno.current)" : "")
        case .dead: self.init(path, nil, "its rmpfs has died")
        case .hung: self.init(path, nil, "it does not answer")
        }
    }

    /// Metrics of 8,192 CPUs have half a megabyte. Whoever may mount can call a file system of their own `fuse.rmpfs`,
    /// and this is read by root.
    private static let longestText = 16 << 20

    init(_ path: String, _ metrics: [UInt8]?, _ obstacle: String) {
        (self.path, self.metrics, self.obstacle) = (path, metrics, obstacle)
    }

    /// Each sample with the label `mount`, and `rmpopt_up` before them.
    var text: String {
        let label = "mount=\"\(Self.escaped(Printable.text(path)))\""
        var text = "# HELP rmpopt_up Whether the mount answers and gives metrics: 1 or 0.\n# TYPE rmpopt_up gauge\n"
        text += "rmpopt_up{\(label)} \(metrics == nil ? 0 : 1)\n"
        for line in String(decoding: metrics ?? [], as: UTF8.self).split(separator: "\n") {
            // No other metrics come in by this way: nobody's mount speaks of the exporter's host.
            if Self.heads.contains(where: { line.hasPrefix($0) }) {
                text += line
            } else if !line.hasPrefix("rmpopt_") {
                continue
            } else if let brace = line.firstIndex(of: "{") {
                text += "\(line[..<brace]){\(label),\(line[line.index(after: brace)...])"
            } else if let blank = line.firstIndex(of: " ") {
                text += "\(line[..<blank]){\(label)}\(line[blank...])"
            }
            text += "\n"
        }
        return text
    }

    private static let heads = ["# HELP rmpopt_", "# TYPE rmpopt_"]

    /// A label's value, as the text format has it.
    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }

    private static let prefix = "rmpfs-"
    private static let suffix = ".prom"
    /// Leaves room for the two, and for what a file has while it is written.
    private static let longestName = 200

    /// The file's name: letters, digits and dots as they are, `-` for `/`, `_` and two digits for any other byte. Long
    /// paths are cut and told apart by a number made of all of them (FNV-1a).
    var fileName: String {
        var name = ""
        for byte in path.systemBytes.drop(while: { $0 == UInt8(ascii: "/") }) {
            switch byte {
            case UInt8(ascii: "/"): name += "-"
            case UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                name.unicodeScalars.append(Unicode.Scalar(byte))
            default: name += "_" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        if name.utf8.count > Self.longestName {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in path.systemBytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            name = name.prefix(Self.longestName) + "_" + String(hash, radix: 16)
        }
        return Self.prefix + name + Self.suffix
    }

    /// For how many seconds metrics are waited for: what is there soon is written then, so that a mount that takes long
    /// makes no other wait. The service has 50 seconds.
    private static let patience = [4, 36]

    /// Writes the files of some mounts. A mount that is down has a file that says so, for whoever watches it; why is
    /// told on standard error.
    /// - Parameters:
    ///   - folder: the collector's folder.
    ///   - mounts: where they are mounted; nil: all that are here. Files of other mounts are then removed, so that
    ///     nothing goes on telling of a mount that has gone.
    static func write(to folder: String, mounts: [String]?) throws {
        let here = try MountTable.ours(under: nil).map(\.mountPoint)
        let paths = mounts?.map { MountPoint.resolve($0) ?? $0 } ?? here
        var names: Set<String> = []
        func put(_ file: Textfile) throws {
            names.insert(file.fileName)
            try locked(folder) { try StandardOutput.write(file.text, toFile: folder + "/" + file.fileName) }
            if file.metrics != nil { return }
            StandardError.write("rmpfs: \(Printable.text(file.path)): \(file.obstacle); rmpopt_up is 0\n")
        }
        // All are asked at once.
        var asked = paths.map { path in
            let isHere = here.contains { $0.utf8.elementsEqual(path.utf8) }
            let question = Question {
                isHere ? Textfile(mount: path) : Textfile(path, nil, "no rmpfs is mounted here")
            }
            return (path, question)
        }
        for seconds in patience {
            let end = ContinuousClock.now + .seconds(seconds)
            try asked.removeAll { _, question in
                guard let file = question.answer(within: max(0, Int((end - .now).components.seconds))) else {
                    return false
                }
                try put(file)
                return true
            }
        }
        for (path, _) in asked { try put(Textfile(path, nil, "its metrics take too long")) }
        if mounts == nil { locked(folder) { removeOthers(names, in: folder) } }
    }

    /// Removes the files of mounts that have gone, whole or, after a crash, not.
    private static func removeOthers(_ kept: Set<String>, in folder: String) {
        for name in SystemFiles.names(in: folder) ?? [] where name.hasPrefix(prefix) {
            let whole =
                name.hasSuffix(StandardOutput.unfinished)
                ? String(name.dropLast(StandardOutput.unfinished.count)) : name
            guard whole.hasSuffix(suffix), whole != name || !kept.contains(name) else { continue }
            unlink((folder + "/" + name).systemName)
        }
    }

    /// Does something while no other rmpfs writes into a folder: the timer's and one started by hand would write the
    /// same unfinished file.
    private static func locked(_ folder: String, _ work: () throws -> Void) rethrows {
        let descriptor = open(folder.systemName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        // Where folders have no locks, one writer is all that there should be.
        if descriptor >= 0 { while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {} }
        try work()
    }
}
