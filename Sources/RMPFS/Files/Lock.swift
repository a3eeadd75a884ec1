// SPDX-License-Identifier: Apache-2.0
// A value behind a POSIX mutex. Not `Synchronization.Mutex`: ThreadSanitizer does not see the standard library's own
// futex calls, and reports each access under such a lock as a race.

import Glibc

/// A value that one thread at a time can access.
///
/// Like `Synchronization.Mutex`: not recursive, not fair, and waiters sleep. It is a pthread_mutex_t, whose calls
/// ThreadSanitizer knows.
///
/// Unchecked: the memory is allocated once, its address never changes (pthread_mutex_t must not move), and the value in
/// it is accessed only between lock and unlock.
struct Lock<Value: Sendable & ~Copyable>: ~Copyable, @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    /// An unlocked lock around `value`.
    init(_ value: consuming Value) {
        // One allocation for both: the value follows the lock at the next aligned address.
        let alignment = max(MemoryLayout<pthread_mutex_t>.alignment, MemoryLayout<Value>.alignment)
        let offset = (MemoryLayout<pthread_mutex_t>.size + alignment - 1) & ~(alignment - 1)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: offset + MemoryLayout<Value>.size,
            alignment: alignment
        )
        mutex = memory.bindMemory(to: pthread_mutex_t.self, capacity: 1)
        self.value = (memory + offset).bindMemory(to: Value.self, capacity: 1)
        pthread_mutex_init(mutex, nil)
        self.value.initialize(to: value)
    }

    deinit {
        value.deinitialize(count: 1)
        pthread_mutex_destroy(mutex)
        UnsafeMutableRawPointer(mutex).deallocate()
    }

    /// Waits for the lock and runs `body` with the value.
    @inline(__always)
    borrowing func withLock<Result: Sendable & ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value.pointee)
    }

    /// Runs `body` with the value if the lock is free.
    /// - Returns: nil if it is not.
    @inline(__always)
    borrowing func withLockIfAvailable<Result: Sendable & ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard pthread_mutex_trylock(mutex) == 0 else { return nil }
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value.pointee)
    }
}
