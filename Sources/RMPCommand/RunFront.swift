// SPDX-License-Identifier: Apache-2.0
// The process that the user started with `rmpfs run`: it starts the host and the command in namespaces of their own,
// passes signals on, and ends as the command does.

import Glibc
import RMPFS

/// The process in front of a ``PrivateHost`` and a ``PrivateCommand``.
///
/// The command stays in the caller's process group: what a terminal sends reaches it by itself, and only what was sent
/// to this process alone has to be passed on. It stops when the command has.
enum RunFront {
    /// What a user may send to a command.
    private static let passedOn = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT]
    /// What a terminal stops whole groups by; this process stops when the command has.
    private static let stops = [SIGTTIN, SIGTTOU]

    /// Starts this program again, twice, in namespaces of its own, and waits until both have ended.
    /// - Returns: the exit status.
    static func run(as identity: PrivateNamespace.Identity) throws(RunError) -> Int32 {
        signal(SIGCHLD, SIG_DFL)
        let terminal = ForegroundTerminal()
        defer { terminal.restore() }
        try PrivateNamespace.enter(as: identity)
        let line = try makeLine()
        let hostLine = try makeLine()
        // The host comes first: it stays outside the command's PID namespace.
        let host = try start(.host(line: hostLine.child))
        close(hostLine.child)
        try PrivateNamespace.startProcesses()
        let command = try start(.command(line: line.child, host: hostLine.parent))
        close(line.child)
        close(hostLine.parent)
        return waitFor(command, host, line: line.parent)
    }

    private static func makeLine() throws(RunError) -> (parent: Int32, child: Int32) {
        do {
            return try ParentLine.make()
        } catch {
            throw .noProcess(call: "socketpair", error)
        }
    }

    private static func start(_ part: RunPart) throws(RunError) -> pid_t {
        for descriptor in part.descriptors { _ = fcntl(descriptor, F_SETFD, 0) }
        defer { for descriptor in part.descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        if case .host = part {
            // Signals that the command or a terminal sends to its process group must not reach the host.
            posix_spawnattr_setflags(&attributes, Int16(newSession))
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        }
        var process = pid_t()
        let failure = ArgumentVector.with(option: part.word) { vector in
            posix_spawn(&process, "/proc/self/exe", &actions, &attributes, vector, environ)
        }
        if failure != 0 { throw .noProcess(call: "posix_spawn", Errno(rawValue: failure)) }
        return process
    }

    /// POSIX_SPAWN_SETSID, which Swift does not import.
    private static let newSession: Int32 = 0x80

    /// Waits for the command and for the host, and forwards signals to the command.
    private static func waitFor(_ command: pid_t, _ host: pid_t, line: Int32) -> Int32 {
        var awaited = sigset_t()
        sigemptyset(&awaited)
        for signal in passedOn + stops + [SIGCHLD, SIGIO] { sigaddset(&awaited, signal) }
        pthread_sigmask(SIG_BLOCK, &awaited, nil)
        signal(SIGPIPE, SIG_IGN)
        // From here on each notice raises SIGIO.
        _ = fcntl(line, F_SETOWN, getpid())
        _ = fcntl(line, F_SETFL, fcntl(line, F_GETFL) | O_ASYNC)
        var ending: Int32?
        var hostHasEnded = false
        while true {
            var status: Int32 = 0
            let commandHasEnded = waitpid(command, &status, hostHasEnded ? 0 : WNOHANG) == command
            while let notice = CommandNotice.next(from: line) {
                switch notice {
                case .ended(let signal): ending = signal
                case .stopped(let signal): if !commandHasEnded { stop(by: signal) }
                }
            }
            if commandHasEnded {
                if !hostHasEnded { endProcess(host) }
                return end(status, commandEndedBy: ending)
            }
            if waitpid(host, &status, WNOHANG) == host {
                // It cannot serve, or was killed: else it ends behind the command's process, which is gone by now.
                if status != 0 {
                    endProcess(command)
                    return end(status, commandEndedBy: nil)
                }
                hostHasEnded = true
            }
            if hostHasEnded { continue }
            var information = siginfo_t()
            let number = sigwaitinfo(&awaited, &information)
            // The terminal signals the whole group.
            if passedOn.contains(number) && information.si_code <= 0 {
                var byte = UInt8(number)
                _ = write(line, &byte, 1)
            }
        }
    }

    /// Kills a process and waits for it.
    private static func endProcess(_ process: pid_t) {
        var status: Int32 = 0
        kill(process, SIGKILL)
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }

    /// Stops this process as the command was stopped: what the shell does that waits for this one, it does not before
    /// the command has stopped to read from the terminal.
    private static func stop(by number: Int32) {
        kill(getpid(), number)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        var before = sigset_t()
        pthread_sigmask(SIG_UNBLOCK, &set, &before)
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    private static func end(_ status: Int32, commandEndedBy ending: Int32?) -> Int32 {
        let signal = status & 0x7F
        if signal != 0 {
            StandardError.write(
                "rmpfs: the simulated host was ended by signal \(signal), and the command with it. Run it again\n"
            )
            return 128 + signal
        }
        // A shell that runs this in a loop ends the loop only if it sees the signal of Ctrl-C itself.
        if ending == SIGINT { endByInterrupt() }
        return (status >> 8) & 0xFF
    }

    private static func endByInterrupt() {
        signal(SIGINT, SIG_DFL)
        kill(getpid(), SIGINT)
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &interrupt, nil)
    }
}

/// The terminal, if this process has it: a shell in there takes it for groups of processes that end with it.
private struct ForegroundTerminal {
    private let group: pid_t?

    init() {
        let own = getpgrp()
        group = tcgetpgrp(STDIN_FILENO) == own ? own : nil
    }

    /// Takes the terminal back.
    func restore() {
        guard let group, tcgetpgrp(STDIN_FILENO) != group else { return }
        // Whoever is not in front and says who is, is stopped for it, unless it blocks the signal.
        var stop = sigset_t()
        sigemptyset(&stop)
        sigaddset(&stop, SIGTTOU)
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &stop, &before)
        tcsetpgrp(STDIN_FILENO, group)
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}
