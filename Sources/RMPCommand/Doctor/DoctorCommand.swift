// SPDX-License-Identifier: Apache-2.0
// `rmpfs doctor`: can this machine mount, and does it have what RMPOPT needs.

import ArgumentParser

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check whether this machine can mount, and whether it has SNP and RMPOPT.",
        discussion: """
            Begins with the verdict. Each check passes, fails with a hint, is skipped because of an earlier failure, \
            or does not apply: \
            simulated hosts need neither SNP nor RMPOPT. Exits 1 if a check failed.
            """
    )

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Flag(help: "Also show checks that do not apply.")
    var all = false

    @Option(
        help: ArgumentHelp("Look at a tree of files that stands for another machine.", valueName: "dir"),
        completion: .directory
    )
    var sysroot: String?

    @Option(
        help: ArgumentHelp("The machine that you want to mount: a file, or a name.", valueName: "file"),
        completion: .file(extensions: ["yaml"])
    )
    var machine: String?

    @Argument(help: ArgumentHelp("Where you want to mount.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String?

    func validate() throws {
        if let sysroot, !Host().isFolder(sysroot) {
            throw ValidationError("--sysroot \(sysroot): no such folder. Give one with dev, proc and sys in it")
        }
    }

    func run() throws {
        let diagnosis = Diagnosis(of: Host(sysroot: sysroot, mountPoint: mountPoint, machine: machine))
        do {
            try StandardOutput.write(json ? diagnosis.json.text : diagnosis.text(on: .current, all: all))
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
        if diagnosis.hasFailures { throw ExitCode.failure }
    }
}
