// SPDX-License-Identifier: Apache-2.0
// `rmpfs list`: the mounts of rmpfs that this process can see, with what is known of each.

import ArgumentParser
import Glibc
import RMPFS

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the mounts of rmpfs.",
        discussion: """
            Shows whether each one answers, its version of the series, how long it has been mounted, by whom, and \
            where. '-' marks what this user may not see.
            """
    )

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Option(help: ArgumentHelp("Only mounts in this folder and below it.", valueName: "dir"), completion: .directory)
    var under: String?

    func run() throws {
        do {
            let mounts = try HostMount.all(under: under)
            try StandardOutput.write(json ? Self.json(mounts).text : Self.text(mounts))
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    private static func text(_ mounts: [HostMount]) -> String {
        let head = ["STATE", "SERIES", "AGE", "OWNER", "MOUNTPOINT"]
        let rows =
            [head]
            + mounts.map { mount in
                [
                    mount.state.rawValue, mount.series ?? "-", mount.age.map(age) ?? "-", mount.owner ?? "-",
                    Printable.text(mount.path),
                ]
            }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.dropLast().enumerated().map { column, cell in
                cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return (cells + row.suffix(1)).joined(separator: "  ") + "\n"
        }.joined()
    }

    /// `59s`, `12m`, `5h` or `3d`.
    static func age(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<86_400: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// Described in docs/interface.md.
    private static func json(_ mounts: [HostMount]) -> JSON {
        .members([
            "version": .number(1),
            "mounts": .array(
                mounts.map { mount in
                    .members([
                        "mountpoint": .string(mount.path),
                        "source": .string(mount.source),
                        "state": .string(mount.state.rawValue),
                        "series": mount.series.map { .string($0) } ?? .null,
                        "age_seconds": mount.age.map { .number($0) } ?? .null,
                        "owner": mount.owner.map { .string($0) } ?? .null,
                        "uid": mount.user.map { .number(UInt64($0)) } ?? .null,
                    ])
                }
            ),
        ])
    }
}
