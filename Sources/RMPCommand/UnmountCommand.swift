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
            Refuses a mount that is in use, unless --lazy detaches it; who only reads events_pipe does not count, and \
            comes to the end of the file. Works on mounts whose rmpfs died, too.
            """,
        aliases: ["umount"]
    )

    @Flag(help: "Detach the mount at once; it ends when its last user has gone.")
    var lazy = false

    @Flag(help: "Unmount all that rmpfs list shows and that this user may unmount.")
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
