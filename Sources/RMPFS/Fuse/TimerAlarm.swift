// SPDX-License-Identifier: Apache-2.0
// Wakes a thread at a time that other threads may bring forward without waking it first, unlike `Alarm`: whoever is in
// the middle of a request pays for one system call, and not for the sleeper's turn on the processor.

import CFuse
import Glibc

/// A timer of the kernel for one thread that sleeps.
final class TimerAlarm: Sendable {
    private let timer: Int32
    /// When it goes off, in ns of the monotonic clock; `.max` for never.
    private let moment = Lock(UInt64.max)

    /// nil if the system has no descriptor for it.
    init?() {
        timer = rmpfs_make_timer()
        if timer < 0 { return nil }
    }

    deinit { close(timer) }

    /// Has it go off at a time in ns of the monotonic clock, or at once if that is past, unless it does so earlier.
    func set(_ time: UInt64) {
        moment.withLock { moment in
            if time >= moment { return }
            moment = time
            // 0 would stop it.
            rmpfs_set_timer(timer, max(time, 1))
        }
    }

    /// Sleeps until it goes off. Who changes something and then sets it can be sure that the sleeper looks after that:
    /// it may find that it has gone off once too often.
    func sleep() {
        var count: UInt64 = 0
        while Glibc.read(timer, &count, 8) < 0 && errno == EINTR {}
        moment.withLock { $0 = .max }
    }
}
