// SPDX-License-Identifier: Apache-2.0
// `rmpfs unmount`: takes a mount away, alive or dead.

import ArgumentParser
import RMPFS

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Unmount an RMPOPT host.",
        discussion: "Refuses a mount that is in use, unless --lazy detaches it. Works on mounts whose rmpfs died, too.",
        aliases: ["umount"]
    )

    @Flag(help: "Detach the mount at once; it ends when its last user has gone.")
    var lazy = false

    @Argument(help: ArgumentHelp("Where it is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    func run() throws {
        do {
            try Unmount.unmount(mountPoint, lazy: lazy)
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}
