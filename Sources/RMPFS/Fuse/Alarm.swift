// SPDX-License-Identifier: Apache-2.0
// Lets one thread sleep until a time of the monotonic clock, or until another thread wakes it earlier.

import Glibc

/// An alarm clock for one thread.
///
/// Unchecked: the memory is allocated once and accessed only by calls of pthread(7), which are thread-safe; the flag is
/// accessed only under the mutex.
final class Alarm: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var hasRung = false

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // The wall clock may be set; that must not affect delays.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Nanoseconds of the monotonic clock.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Wakes the sleeper, or keeps it from falling asleep.
    func ring() {
        pthread_mutex_lock(mutex)
        hasRung = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Sleeps until it rings, or until the given time; nil for no limit.
    func sleep(until moment: UInt64?) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !hasRung {
            guard let moment else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            var end = timespec(tv_sec: Int(moment / 1_000_000_000), tv_nsec: Int(moment % 1_000_000_000))
            if pthread_cond_timedwait(condition, mutex, &end) != 0 { break }
        }
        hasRung = false
    }
}
