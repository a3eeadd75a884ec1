// SPDX-License-Identifier: Apache-2.0
// `rmpfs unmount`: takes a mount away, alive or dead.

import ArgumentParser
import Glibc
import RMPFS

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Unmount an RMPOPT host.",
        discussion: """
            Refuses a mount that is in use, unless --lazy detaches it. Readers of events_pipe do not count as users: \
            they reach the end of the file. Mounts whose rmpfs died can be unmounted, too.
            """,
        aliases: ["umount"]
    )

    @Flag(help: "Detach the mount at once; it ends with its last user.")
    var lazy = false

    @Flag(help: "Unmount everything that rmpfs list shows and this user may unmount.")
    var all = false

    @Option(
        help: ArgumentHelp("With --all: only in this folder and below it.", valueName: "dir"),
        completion: .directory
    )
    var under: String?

    @Argument(help: ArgumentHelp("Where it is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String?

    func validate() throws {
        if all == (mountPoint != nil) { throw ValidationError("give either a mountpoint or --all") }
        if under != nil && !all { throw ValidationError("--under: only with --all") }
    }

    func run() throws {
        var failed = false
        do {
            for path in try mountPoints {
                do {
                    try Unmount.unmount(path, lazy: lazy)
                } catch {
                    StandardError.write("rmpfs: \(error)\n")
                    failed = true
                }
            }
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            failed = true
        }
        if failed { throw ExitCode.failure }
    }

    /// Later mounts first: they may be mounted on earlier ones.
    private var mountPoints: [String] {
        get throws(MountError) {
            if let mountPoint { return [mountPoint] }
            let mounts = try MountTable.ours(under: under).reversed()
            return mounts.filter { geteuid() == 0 || $0.user == getuid() }.map(\.mountPoint)
        }
    }
}
