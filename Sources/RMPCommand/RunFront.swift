// SPDX-License-Identifier: Apache-2.0
// The process that the user started with `rmpfs run`: it starts the host and its command in namespaces of their own,
// passes signals on, and ends as the command does.

import Glibc
import RMPFS

/// The outer half of `rmpfs run`; the inner one is ``PrivateHost``.
///
/// All processes stay in the caller's process group: what a terminal sends reaches the command by itself, and only what
/// was sent to this process alone has to be passed on. It stops when the command has.
enum RunFront {
    /// The hidden option of the second process, with the number of its end of the line.
    static let option = "private-host"

    /// What a user may send to a command.
    private static let passedOn = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT]
    /// What a terminal stops whole groups by; this process stops when the command has.
    private static let stops = [SIGTTIN, SIGTTOU]

    /// Starts this program again with `arguments`, in namespaces of its own, and waits until it has ended.
    /// - Returns: the exit status.
    static func run(arguments: [String], as identity: PrivateNamespace.Identity) throws(RunError) -> Int32 {
        signal(SIGCHLD, SIG_DFL)
        let terminal = ForegroundTerminal()
        defer { terminal.restore() }
        try PrivateNamespace.enter(as: identity)
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw .noProcess(call: "socketpair", .current)
        }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let host = try start(arguments, line: ends[1])
        close(ends[1])
        return waitFor(host, line: ends[0])
    }

    private static func start(_ arguments: [String], line: Int32) throws(RunError) -> pid_t {
        // Behind the subcommand: at the end it would be the command's.
        let own = ["rmpfs"] + arguments.prefix(1) + ["--\(option)=\(line)"] + arguments.dropFirst()
        var vector: [UnsafeMutablePointer<CChar>?] = own.map { strdup($0) }
        vector.append(nil)
        defer { for argument in vector { free(argument) } }
        var process = pid_t()
        let failure = posix_spawn(&process, "/proc/self/exe", nil, nil, vector, environ)
        if failure != 0 { throw .noProcess(call: "posix_spawn", Errno(rawValue: failure)) }
        return process
    }

    /// Waits for the host, and passes on what comes for the command.
    private static func waitFor(_ host: pid_t, line: Int32) -> Int32 {
        var awaited = sigset_t()
        sigemptyset(&awaited)
        for signal in passedOn + stops + [SIGCHLD, SIGIO] { sigaddset(&awaited, signal) }
        pthread_sigmask(SIG_BLOCK, &awaited, nil)
        signal(SIGPIPE, SIG_IGN)
        // From here on each notice comes with a SIGIO.
        _ = fcntl(line, F_SETOWN, getpid())
        _ = fcntl(line, F_SETFL, fcntl(line, F_GETFL) | O_ASYNC)
        var ending: Int32?
        while true {
            var status: Int32 = 0
            let hasEnded = waitpid(host, &status, WNOHANG) == host
            while let notice = CommandNotice.next(from: line) {
                switch notice {
                case .ended(let signal): ending = signal
                case .stopped(let signal): if !hasEnded { stop(by: signal) }
                }
            }
            if hasEnded { return end(status, commandEndedBy: ending) }
            var information = siginfo_t()
            let number = sigwaitinfo(&awaited, &information)
            // A terminal's signals go to the whole group.
            if passedOn.contains(number) && information.si_code <= 0 {
                var byte = UInt8(number)
                _ = write(line, &byte, 1)
            }
        }
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
