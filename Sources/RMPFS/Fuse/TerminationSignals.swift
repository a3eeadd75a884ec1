// SPDX-License-Identifier: Apache-2.0
// Receives SIGINT, SIGTERM and SIGHUP on one thread, so that none reaches a thread that cannot end the mount.

import Glibc

/// The signals that end a mount.
public enum TerminationSignals {
    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGINT, SIGTERM] { sigaddset(&set, signal) }
        // nohup(1) ignores SIGHUP for its child, which must continue when the terminal closes.
        if !isIgnored(SIGHUP) { sigaddset(&set, SIGHUP) }
        return set
    }

    /// Whether the process ignores a signal, according to /proc/self/status.
    private static func isIgnored(_ signal: Int32) -> Bool {
        let status = String(decoding: SystemFiles.contents(of: "/proc/self/status") ?? [], as: UTF8.self)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
            let mask = UInt64(line.dropFirst("SigIgn:".count).drop { $0 == "\t" }, radix: 16)
        else { return false }
        return mask >> UInt64(signal - 1) & 1 != 0
    }

    /// Blocks the signals for this thread and all that it starts. Call it before any other thread exists.
    ///
    /// Also ignores SIGPIPE: a client that exits while a reply is written must not end the daemon.
    public static func block() {
        var signals = set
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Starts a thread that waits for these signals and runs `handler` with the number of each.
    public static func watch(_ handler: @escaping @Sendable (Int32) -> Void) throws(Errno) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Handler(handler))
        let failure = pthread_create(&thread, nil, watchSignals, box.toOpaque())
        if failure != 0 {
            box.release()
            throw Errno(rawValue: failure)
        }
        pthread_detach(thread)
    }

    fileprivate final class Handler: Sendable {
        let run: @Sendable (Int32) -> Void

        init(_ run: @escaping @Sendable (Int32) -> Void) {
            self.run = run
        }

        func loop() {
            var signals = TerminationSignals.set
            while true {
                var number: Int32 = 0
                if sigwait(&signals, &number) == 0 { run(number) }
            }
        }
    }
}

private func watchSignals(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<TerminationSignals.Handler>.fromOpaque(argument).takeRetainedValue().loop()
    return nil
}
