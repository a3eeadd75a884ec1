// SPDX-License-Identifier: Apache-2.0
// A counting semaphore of POSIX, for threads that wait for an event of another one.

import Glibc

/// sem_t as an object.
///
/// Unchecked: the memory is allocated once and touched only by sem_wait(3) and sem_post(3), which are made for threads.
final class Semaphore: @unchecked Sendable {
    private let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    /// A semaphore at 0.
    init() {
        sem_init(raw, 0, 0)
    }

    deinit {
        sem_destroy(raw)
        raw.deallocate()
    }

    /// Counts up and wakes one waiter.
    func signal() {
        sem_post(raw)
    }

    /// Waits until it can count down, but not longer than some seconds.
    /// - Returns: whether it counted down.
    func wait(seconds: Int) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += seconds
        while sem_timedwait(raw, &end) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }

    /// Waits until it can count down.
    func wait() {
        while sem_wait(raw) != 0 && errno == EINTR {}
    }
}
