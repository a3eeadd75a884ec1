// SPDX-License-Identifier: Apache-2.0
// The signal settings that a process inherited, for the command that it starts: the command gets them unchanged.

import Glibc

/// The signal settings that a process inherited, for the command that it starts.
struct InheritedSignals: Sendable {
    private let blocked: sigset_t
    /// The ignored ones among the signals that this process handles itself.
    private let ignored: [Int32]

    private static let ownHandling = [SIGPIPE, SIGUSR1, SIGCHLD]

    init() {
        var blocked = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &blocked)
        self.blocked = blocked
        ignored = Self.ownHandling.filter { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
        }
    }

    /// Blocks all signals that end or stop a process: they are meant for the command. A client that exits while it is
    /// answered must not end the host either.
    static func blockAll() {
        var all = sigset_t()
        sigfillset(&all)
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { sigdelset(&all, signal) }
        pthread_sigmask(SIG_SETMASK, &all, nil)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGCHLD, SIG_DFL)
    }

    /// Runs `spawn` so that the new process gets the signals as this one inherited them.
    func handOn<Result>(_ spawn: (_ attributes: inout posix_spawnattr_t) -> Result) -> Result {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = blocked
        posix_spawnattr_setsigmask(&attributes, &mask)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in Self.ownHandling where !ignored.contains(number) { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // posix_spawn cannot make a child ignore a signal; the child can only inherit that. Nothing is missed while
        // this process ignores it: nobody ends the host now.
        let before = ignored.map { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            signal(number, SIG_IGN)
            return (number, action)
        }
        defer {
            for (number, action) in before {
                var action = action
                sigaction(number, &action, nil)
            }
        }
        return spawn(&attributes)
    }
}
