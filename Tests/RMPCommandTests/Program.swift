// SPDX-License-Identifier: Apache-2.0
// Runs the built `rmpfs` as a child process, with every wait bounded.

import Foundation
import Glibc
import Testing

/// A child process.
final class Program {
    let process: pid_t
    private let output: URL
    private let errors: URL
    private var status: Int32?

    /// The built executable: RMPFS_TEST_PROGRAM, or `rmpfs` next to the test bundle.
    static let path: String = {
        if let given = ProcessInfo.processInfo.environment["RMPFS_TEST_PROGRAM"] { return given }
        let bundle = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appending(path: "rmpfs").path
    }()

    /// The machine files shipped with rmpfs.
    static let machines = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Machines")
        .standardizedFileURL.path

    /// How a process ended.
    struct Ending {
        /// The exit status; nil if a signal ended it, or it had to be killed.
        let status: Int32?
        let output: String
        let errors: String
    }

    struct CannotStart: Error {
        let program: String
        let number: Int32
    }

    /// Starts a program, by default `rmpfs`, in a process group of its own.
    /// - Parameter blocking: signals that are blocked from its start; it does not inherit those blocked in the test's
    ///   threads.
    init(
        _ arguments: [String],
        program: String = Program.path,
        folder: String? = nil,
        blocking: [Int32] = []
    ) throws {
        let base = FileManager.default.temporaryDirectory.appending(path: "rmpfs-test-\(UUID().uuidString)")
        output = base.appendingPathExtension("out")
        errors = base.appendingPathExtension("err")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.path, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in blocking { sigaddset(&mask, number) }
        posix_spawnattr_setsigmask(&attributes, &mask)
        var words = [program] + arguments
        if let folder { words = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, folder] + words }
        var vector: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        vector.append(nil)
        // Help texts are as wide as the terminal.
        let settings = [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS=80", "LC_ALL=C", "RMPFS_MACHINES=\(Program.machines)",
        ]
        var environment: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0) }
        environment.append(nil)
        defer { for text in vector + environment { free(text) } }
        var process = pid_t()
        let failure = posix_spawn(&process, words[0], &actions, &attributes, vector, environment)
        guard failure == 0 else {
            // The child opened these files before it failed.
            for file in [output, errors] { unlink(file.path) }
            throw CannotStart(program: program, number: failure)
        }
        self.process = process
    }

    deinit {
        if status == nil, waitpid(process, nil, WNOHANG) == 0 {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        for file in [output, errors] { unlink(file.path) }
    }

    /// Runs a program to its end.
    static func run(
        _ arguments: [String],
        program: String = Program.path,
        folder: String? = nil,
        seconds: Double = 20
    ) throws -> Ending {
        try Program(arguments, program: program, folder: folder).wait(seconds: seconds)
    }

    func signal(_ number: Int32) {
        if status == nil { kill(process, number) }
    }

    /// Waits for the end; kills a process that takes longer, and records an issue.
    func wait(seconds: Double = 20) -> Ending {
        if !hasEnded(within: seconds) {
            Issue.record("\(Program.path) did not end within \(seconds) s; killed. It said: \(read(errors))")
            kill(process, SIGKILL)
            _ = hasEnded(within: 5)
        }
        let ended = status ?? -1
        return Ending(status: ended & 0x7F == 0 ? (ended >> 8) & 0xFF : nil, output: read(output), errors: read(errors))
    }

    func hasEnded(within seconds: Double) -> Bool {
        eventually(within: seconds) {
            if status != nil { return true }
            var now: Int32 = 0
            if waitpid(process, &now, WNOHANG) == process { status = now }
            return status != nil
        }
    }

    /// Its output on standard error so far.
    var said: String { read(errors) }

    private func read(_ file: URL) -> String {
        (try? Data(contentsOf: file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// Waits until `condition` holds, for at most `seconds`.
func eventually(within seconds: Double, _ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
    while !condition() {
        if ContinuousClock.now > end { return condition() }
        usleep(5000)
    }
    return true
}
