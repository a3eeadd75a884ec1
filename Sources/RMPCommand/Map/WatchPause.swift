// SPDX-License-Identifier: Apache-2.0
// The pause between two pictures of `rmpfs map --watch`. A signal or the key q ends it, and the command.

import Glibc

/// While it exists, the terminal delivers keys without Enter and does not echo them.
struct WatchPause: ~Copyable {
    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    /// The terminal's settings before; nil if no keys can be asked for.
    private let settings: termios?

    init() {
        var set = sigset_t()
        sigemptyset(&set)
        for number in Self.signals {
            sigaddset(&set, number)
            signal(number) { _ in }
        }
        // They are delivered only in wait(), so that no picture is cut off.
        pthread_sigmask(SIG_BLOCK, &set, nil)
        var before = termios()
        // Changing a terminal's settings from the background would stop this process.
        guard tcgetpgrp(STDIN_FILENO) == getpgrp(), tcgetattr(STDIN_FILENO, &before) == 0 else {
            settings = nil
            return
        }
        settings = before
        before.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &before)
    }

    deinit {
        if var settings { tcsetattr(STDIN_FILENO, TCSANOW, &settings) }
    }

    /// Waits for so many microseconds, or for the end.
    /// - Returns: whether to draw another picture.
    borrowing func wait(microseconds: UInt32) -> Bool {
        let end = Self.now + UInt64(microseconds) * 1000
        var none = sigset_t()
        sigemptyset(&none)
        var hears = settings != nil
        while true {
            let now = Self.now
            if now >= end { return true }
            var left = timespec(tv_sec: Int((end - now) / 1_000_000_000), tv_nsec: Int((end - now) % 1_000_000_000))
            // Bit 0 is standard input.
            var keys = fd_set()
            keys.__fds_bits.0 = 1
            let count = hears ? pselect(1, &keys, nil, nil, &left, &none) : pselect(0, nil, nil, nil, &left, &none)
            if count == 0 { return true }
            if count < 0 { return errno != EINTR }
            var key: UInt8 = 0
            if read(STDIN_FILENO, &key, 1) != 1 { hears = false }
            if key == UInt8(ascii: "q") || key == UInt8(ascii: "Q") { return false }
        }
    }

    /// The monotonic clock, in ns.
    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
