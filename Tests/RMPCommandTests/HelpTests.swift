// SPDX-License-Identifier: Apache-2.0
// Compares the help texts with the files in Golden/. RMPFS_UPDATE_GOLDEN=1 rewrites them.

import Foundation
import Testing

@Suite struct HelpTests {
    private static let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    private static let rewrites = ProcessInfo.processInfo.environment["RMPFS_UPDATE_GOLDEN"] == "1"

    @Test(arguments: [
        ("rmpfs", []), ("mount", ["mount"]), ("unmount", ["unmount"]), ("doctor", ["doctor"]), ("status", ["status"]),
        ("map", ["map"]), ("list", ["list"]), ("series", ["series"]), ("figures", ["figures"]), ("run", ["run"]),
        ("machine", ["machine"]), ("rmp", ["rmp"]), ("simulate", ["simulate"]), ("report", ["report"]),
        ("wait", ["wait"]), ("trace", ["trace"]), ("replay", ["replay"]),
    ])
    func help(name: String, words: [String]) throws {
        let ending = try Program.run(words + ["--help"])
        #expect(ending.status == 0)
        #expect(ending.errors.isEmpty)
        let file = Self.golden.appending(path: "help-\(name).txt")
        if Self.rewrites { try ending.output.write(to: file, atomically: true, encoding: .utf8) }
        let expected = try String(contentsOf: file, encoding: .utf8)
        #expect(ending.output == expected, "RMPFS_UPDATE_GOLDEN=1 writes the help texts anew")
    }

    @Test func version() throws {
        let ending = try Program.run(["--version"])
        #expect(ending.status == 0)
        #expect(ending.output.split(separator: ".").count == 3)
    }

    @Test(arguments: [
        (["mount"], "mountpoint"), (["mount", "--cpus", "0", "/x"], "0 CPUs"),
        (["mount", "--cpus", "x", "/x"], "cpus"),
        (["mount", "--cpus", "8193", "/x"], "8193 CPUs"), (["mount", "--memory", "1M", "/x"], "1048576 bytes"),
        (["mount", "--memory", "65T", "/x"], "bytes of memory"), (["mount", "--memory", "1GB", "/x"], "1GB"),
        (["mount", "--memory", "1073745920", "/x"], "multiple of 2 MB"), (["mount", "--pace", "-1", "/x"], "pace"),
        (["mount", "--pace", "slow", "/x"], "slow"), (["mount", "-o", "wrong", "/x"], "mount option 'wrong'"),
        (["mount", "-o", "ro,uid=x", "/x"], "mount option 'uid=x'"), (["mount", "--nonsense", "/x"], "--nonsense"),
        (["mount", "--machine", "laptop", "--cpus", "16", "/x"], "leave out --cpus and --memory"),
        (["mount", "--machine", "laptop", "--memory", "16G", "/x"], "leave out --cpus and --memory"),
        (["mount", "/x", "/y"], "/y"), (["unmount"], "mountpoint"), (["unmount", "--force", "/x"], "--force"),
        (["run"], "behind --"), (["run", "--cpus", "0", "--", "true"], "0 CPUs"), (["nonsense"], "nonsense"),
    ])
    func usageErrorsExitWith64(words: [String], named: String) throws {
        let ending = try Program.run(words)
        #expect(ending.status == 64)
        #expect(ending.output.isEmpty)
        #expect(ending.errors.contains(named), "\(ending.errors)")
    }
}
