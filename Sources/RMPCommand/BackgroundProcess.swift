// SPDX-License-Identifier: Apache-2.0
// Puts the daemon into the background: the program starts itself again, in a session of its own, and waits to hear that
// the mount answers. A fork would leave threads of the runtime behind.

import Glibc
import RMPFS

enum BackgroundProcess {
    /// The hidden flag of the second process.
    static let flag = "background-process"

    /// Where the second process says that the mount answers.
    private static let readyDescriptor: Int32 = 3

    /// Starts this program again with `arguments` and waits until its mount answers or it has ended.
    /// - Returns: the exit status: 0, or that of the process, which has told its error itself.
    static func spawn(arguments: [String]) -> Int32 {
        let line: (parent: Int32, child: Int32)
        do {
            line = try ParentLine.make()
        } catch {
            return fail("socketpair", error.rawValue)
        }
        defer { close(line.parent) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // As its end may be number 3 already, where dup2 would change nothing, it goes by way of another number.
        let writeEnd = fcntl(line.child, F_DUPFD_CLOEXEC, 10)
        close(line.child)
        guard writeEnd >= 0 else { return fail("fcntl", errno) }
        posix_spawn_file_actions_adddup2(&actions, writeEnd, readyDescriptor)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(newSession))

        // Behind the subcommand: at the end it could be behind a `--`.
        let own = ["rmpfs"] + arguments.prefix(1) + ["--\(flag)"] + arguments.dropFirst()
        var vector: [UnsafeMutablePointer<CChar>?] = own.map { strdup($0) }
        vector.append(nil)
        defer { for argument in vector { free(argument) } }
        var process = pid_t()
        let failure = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, vector, environ)
        close(writeEnd)
        guard failure == 0 else { return fail("posix_spawn", failure) }

        var byte: UInt8 = 0
        var count = read(line.parent, &byte, 1)
        while count < 0 && errno == EINTR { count = read(line.parent, &byte, 1) }
        if count == 1 { return 0 }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let exited = status & 0x7F == 0
        return exited ? max(1, (status >> 8) & 0xFF) : 128 + (status & 0x7F)
    }

    /// POSIX_SPAWN_SETSID, which Swift does not import.
    private static let newSession: Int32 = 0x80

    /// Lets go of every descriptor that the caller left open but the standard ones: a daemon that keeps them keeps
    /// locks and pipes alive.
    /// - Returns: whether it was this program that started the process.
    static func begin() -> Bool {
        guard ParentLine.isHere(readyDescriptor) else { return false }
        for name in SystemFiles.names(in: "/proc/self/fd") ?? [] {
            if let number = Int32(name), number > readyDescriptor { close(number) }
        }
        return true
    }

    /// Tells the first process that the mount answers, and lets go of everything of its that is still held.
    static func reportReady() {
        _ = chdir("/")
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        if null >= 0 {
            dup2(null, STDERR_FILENO)
            if null != STDERR_FILENO { close(null) }
        }
        var byte = UInt8(ascii: "R")
        let told = send(readyDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
        close(readyDescriptor)
        // Who asked for the mount has gone, as by Ctrl-C: nobody wants it any more.
        if told != 1 { kill(getpid(), SIGTERM) }
    }

    private static func fail(_ call: String, _ error: Int32) -> Int32 {
        StandardError.write("rmpfs: cannot start in the background: \(call): \(String(cString: strerror(error)))\n")
        return 1
    }
}
