// SPDX-License-Identifier: Apache-2.0
// Runs the daemon in the background: the program starts itself again and waits until the mount answers. A plain fork
// would lose the runtime's threads.
//
// The daemon stays in the caller's process group until the mount is made: who mounts for autofs, as systemd does for
// x-systemd.automount, is known to the kernel by its process group, and everybody else who comes to the mount point
// waits for the mount (Linux v6.18, fs/autofs/autofs_i.h, autofs_oz_mode()).

import Glibc
import RMPFS

enum BackgroundProcess {
    /// The hidden option of the second process. Its value is the PID of the first one's caller.
    static let flag = "background-process"

    /// Whether the mount ends with the caller.
    private static func hasParent(_ words: [String]) -> Bool { words.contains("--\(MountCommand.dieWithParent)") }

    /// The descriptor on which the second process reports that the mount answers.
    private static let readyDescriptor: Int32 = 3

    /// Starts this program again with `arguments` and waits until its mount answers or it has ended.
    /// - Returns: the exit status: 0, or that of the process, which has printed its error itself.
    static func spawn(arguments: [String]) -> Int32 {
        let caller = getppid()
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
        // Its end may already be descriptor 3, where dup2 would keep close-on-exec set, so use another number first.
        let writeEnd = fcntl(line.child, F_DUPFD_CLOEXEC, readyDescriptor + 1)
        close(line.child)
        guard writeEnd >= 0 else { return fail("fcntl", errno) }
        posix_spawn_file_actions_adddup2(&actions, writeEnd, readyDescriptor)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)

        // Behind the subcommand: at the end it could be behind a `--`.
        let own = ["rmpfs"] + arguments.prefix(1) + ["--\(flag)=\(caller)"] + arguments.dropFirst()
        var vector: [UnsafeMutablePointer<CChar>?] = own.map { strdup($0.systemName) }
        vector.append(nil)
        defer { for argument in vector { free(argument) } }
        var process = pid_t()
        let failure = posix_spawn(&process, "/proc/self/exe", &actions, nil, vector, environ)
        close(writeEnd)
        guard failure == 0 else { return fail("posix_spawn", failure) }

        var byte: UInt8 = 0
        var count = read(line.parent, &byte, 1)
        while count < 0 && errno == EINTR { count = read(line.parent, &byte, 1) }
        if count == 1 {
            // The daemon knows the process whose end is to end the mount only by its PID.
            if Self.hasParent(arguments), getppid() != caller { kill(process, SIGTERM) }
            return 0
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let exited = status & 0x7F == 0
        return exited ? max(1, (status >> 8) & 0xFF) : 128 + (status & 0x7F)
    }

    /// Lets go of every descriptor that the caller left open but the standard ones: a daemon that keeps them keeps
    /// locks and pipes alive.
    /// - Returns: whether this program started the process.
    static func begin() -> Bool {
        guard ParentLine.isHere(readyDescriptor) else { return false }
        for name in SystemFiles.names(in: "/proc/self/fd") ?? [] {
            if let number = Int32(name), number > readyDescriptor { close(number) }
        }
        return true
    }

    /// Tells the first process that the mount answers, and lets go of everything of its that is still held: its session
    /// with the terminal, too.
    static func reportReady() {
        setsid()
        _ = chdir("/")
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        if null >= 0 {
            dup2(null, STDERR_FILENO)
            if null != STDERR_FILENO { close(null) }
        }
        var byte = UInt8(ascii: "R")
        let told = send(readyDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
        close(readyDescriptor)
        // The caller has gone, for instance by Ctrl-C, so nobody wants the mount any more.
        if told != 1 { kill(getpid(), SIGTERM) }
    }

    private static func fail(_ call: String, _ error: Int32) -> Int32 {
        StandardError.write("rmpfs: cannot start in the background: \(call): \(String(cString: strerror(error)))\n")
        return 1
    }
}
