// SPDX-License-Identifier: Apache-2.0
// Machine files on the command line: found by path and by name, checked, mounted, and refused in one line.

import Foundation
import Glibc
import Testing

/// A temporary file for one test.
private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
    let file = FileManager.default.temporaryDirectory.appending(path: "rmpfs-test-\(UUID().uuidString).yaml")
    try text.write(to: file, atomically: false, encoding: .utf8)
    defer { unlink(file.path) }
    return try body(file.path)
}

@Suite struct MachineCommandTests {
    @Test func listsWhatComesWithIt() throws {
        let ending = try Program.run(["machine"])
        #expect(ending.status == 0)
        let names = ending.output.split(separator: "\n").compactMap { $0.split(separator: ":").first }
        let files = try FileManager.default.contentsOfDirectory(atPath: Program.machines)
        #expect(names.map { $0 + ".yaml" }.sorted() == files.sorted())
    }

    @Test func tellsOfEach() throws {
        let ending = try Program.run(["machine", "laptop", Program.machines + "/venice-1p.yaml"])
        #expect(ending.status == 0)
        #expect(ending.errors.isEmpty)
        #expect(ending.output.hasPrefix("name: laptop\n"))
        #expect(ending.output.contains("\n\nname: venice-1p\n"))
        #expect(ending.output.contains("\nmemory: 1T, 1038 regions\n"))
    }

    @Test func goesOnBehindAWrongOne() throws {
        try withFile("cpus: 1\n") { path in
            let ending = try Program.run(["machine", path, "laptop"])
            #expect(ending.status == 1)
            #expect(ending.errors.hasPrefix("rmpfs: \(path):1: cpus: '1' is not valid; give a mapping of packages"))
            #expect(ending.errors.split(separator: "\n").count == 1)
            #expect(ending.output.contains("name: laptop\n"))
        }
    }

    @Test(arguments: [
        ("/nowhere.yaml", "rmpfs: /nowhere.yaml: No such file or directory\n"),
        ("/", "rmpfs: /: this is not a regular file; give a file that can be read twice\n"),
        ("/dev/zero", "rmpfs: /dev/zero: this is not a regular file; give a file that can be read twice\n"),
    ])
    func cannotBeRead(_ path: String, said: String) throws {
        let ending = try Program.run(["machine", path])
        #expect(ending.status == 1)
        #expect(ending.errors == said)
    }

    @Test func unknownNamesTellTheKnownOnes() throws {
        let ending = try Program.run(["machine", "desktop"])
        #expect(ending.status == 1)
        #expect(
            ending.errors.hasPrefix("rmpfs: desktop: no machine of this name comes with rmpfs; give laptop, server-2t")
        )
    }

    @Test func aFIFOHoldsNothingUp() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "rmpfs-test-\(UUID().uuidString).yaml").path
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        #expect(try Program.run(["machine", path]).errors.contains("not a regular file"))
    }

    @Test func aFileLongerThanAllowedIsNotReadWhole() throws {
        try withFile(String(repeating: "#", count: 3 << 20)) { path in
            let ending = try Program.run(["machine", path])
            #expect(ending.errors == "rmpfs: \(path): 1048577 bytes are too many; a file has at most 1048576\n")
        }
    }
}

@Suite(.enabled(if: Mounting.isPossible, Mounting.reason), .serialized)
struct MachineMountTests {
    @Test func showsTheSampleOfTheDebugfsPatch() throws {
        try withMount(["--machine", "venice-1p", "--pace", "0"]) { mount in
            let table = try slurp(mount.path("debug/rmpopt/rmpopt-table"))
            #expect(
                table.hasPrefix(
                    """
                    Memory @  0GB: CPU(s): none
                    Memory @  1GB: CPU(s): none
                    Memory @  2GB: CPU(s): 0-1023
                    Memory @  3GB: CPU(s): 0-1023
                    Memory @  4GB: CPU(s): none
                    Memory @  5GB: CPU(s): 0-1023

                    """
                )
            )
            #expect(table.hasSuffix("\nMemory @1037GB: CPU(s): 0-1023\nMemory @1038GB: CPU(s): none\n"))
        }
    }

    @Test(arguments: [[], ["-f"]]) func aWrongFileKeepsFromMounting(flags: [String]) throws {
        let folder = try MountFolder()
        defer { folder.clean() }
        let file = FileManager.default.temporaryDirectory.appending(path: "rmpfs-test-\(UUID().uuidString).yaml")
        try "cpus: {cores_per_package: 2}\nmemory: [{size: 8GB}]\n".write(to: file, atomically: false, encoding: .utf8)
        defer { unlink(file.path) }
        let ending = try Program.run(["mount"] + flags + ["--machine", file.path, folder.path])
        #expect(ending.status == 1)
        #expect(ending.errors.hasPrefix("rmpfs: \(file.path):2: memory[0].size: '8GB' is not valid; give 2M to 64T"))
        #expect(ending.errors.split(separator: "\n").count == 1)
        #expect(!folder.isMounted)
    }

    @Test func theSeriesOfTheCommandLineGoesBeforeTheFile() throws {
        try withFile("cpus: {cores_per_package: 2}\nmemory: [{size: 8G}]\nseries: v6\n") { path in
            try withMount(["--machine", path, "--pace", "0"]) { mount in
                #expect(access(mount.path("rmpopt/action"), F_OK) != 0, "v6 has no such file")
            }
            try withMount(["--machine", path, "--series", "v1", "--pace", "0"]) { mount in
                #expect(access(mount.path("rmpopt/action"), F_OK) == 0)
            }
        }
    }
}
