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

    /// Reads a mount; one that is not there, is dead, hangs or is closed to this user has no metrics.
    /// - Parameter state: nil if there is no such mount.
    init(_ path: String, state: HostMount.State?) {
        self.path = path
        let file = MountFolder.ours + "/metrics"
        switch state {
        case .alive:
            metrics = SystemFiles.contents(of: path + "/" + file)
            obstacle = metrics == nil ? "\(file): \(Errno.current)" : ""
        case .dead: (metrics, obstacle) = (nil, "its rmpfs has died")
        case .hung: (metrics, obstacle) = (nil, "it does not answer")
        case nil: (metrics, obstacle) = (nil, "no rmpfs is mounted here")
        }
    }

    /// Each sample with the label `mount`, and `rmpopt_up` before them.
    var text: String {
        let label = "mount=\"\(Self.escaped(Printable.text(path)))\""
        var text = "# HELP rmpopt_up Whether the mount answers and gives metrics: 1 or 0.\n# TYPE rmpopt_up gauge\n"
        text += "rmpopt_up{\(label)} \(metrics == nil ? 0 : 1)\n"
        for line in String(decoding: metrics ?? [], as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("#") {
                text += line
            } else if let brace = line.firstIndex(of: "{") {
                text += "\(line[..<brace]){\(label),\(line[line.index(after: brace)...])"
            } else if let blank = line.firstIndex(of: " ") {
                text += "\(line[..<blank]){\(label)}\(line[blank...])"
            }
            text += "\n"
        }
        return text
    }

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

    /// Writes the files of some mounts. A mount that is down has a file that says so, for whoever watches it; why is
    /// told on standard error.
    /// - Parameters:
    ///   - folder: the collector's folder.
    ///   - mounts: where they are mounted; nil: all that are here. Files of other mounts are then removed, so that
    ///     nothing goes on telling of a mount that has gone.
    static func write(to folder: String, mounts: [String]?) throws {
        let here = try HostMount.all(under: nil)
        let files: [Textfile]
        if let mounts {
            files = mounts.map { given in
                let path = MountPoint.resolve(given) ?? given
                return Textfile(path, state: here.first { $0.path == path }?.state)
            }
        } else {
            files = here.map { Textfile($0.path, state: $0.state) }
        }
        for file in files {
            try StandardOutput.write(file.text, toFile: folder + "/" + file.fileName)
            if file.metrics != nil { continue }
            StandardError.write("rmpfs: \(Printable.text(file.path)): \(file.obstacle); rmpopt_up is 0\n")
        }
        if mounts != nil { return }
        let kept = Set(files.map(\.fileName))
        for name in SystemFiles.names(in: folder) ?? []
        where name.hasPrefix(prefix) && name.hasSuffix(suffix) && !kept.contains(name) {
            unlink((folder + "/" + name).systemName)
        }
    }
}
