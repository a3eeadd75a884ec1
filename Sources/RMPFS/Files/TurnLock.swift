// SPDX-License-Identifier: Apache-2.0
// A lock for a value that somebody changes for long, in pieces: between two pieces whoever waits comes first.

import Glibc
import Synchronization

/// A value that is touched by one thread at a time, with a way to let others go first.
///
/// A free POSIX mutex goes to whoever asks at that moment, which is nearly always the thread that has just released it:
/// those who sleep would not get it between two pieces.
final class TurnLock<Value: Sendable>: Sendable {
    private struct Held: Sendable {
        var value: Value
        /// How many of those who wait come before the one that gives way.
        var first = 0
    }

    private let lock: Lock<Held>
    /// How many wait for the lock.
    private let waiting = Atomic<Int>(0)
    /// Counts up when those that come first have been.
    private let mayGoOn = Semaphore()

    /// A free lock around `value`.
    init(_ value: Value) { lock = Lock(Held(value: value)) }

    /// Waits for the lock and runs `body` with the value; whoever has to wait says so first.
    func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if let result = try lock.withLockIfAvailable({ held throws(Failure) in try body(&held.value) }) {
            return result
        }
        LongWork.announce()
        waiting.add(1, ordering: .acquiringAndReleasing)
        return try lock.withLock { held throws(Failure) in
            waiting.subtract(1, ordering: .acquiringAndReleasing)
            defer {
                if held.first > 0 {
                    held.first -= 1
                    if held.first == 0 { mayGoOn.signal() }
                }
            }
            return try body(&held.value)
        }
    }

    /// Returns when everybody who waits for the lock now has had it. For one thread at a time, which does not hold it.
    func giveWay() {
        let others = lock.withLock { held in
            held.first = waiting.load(ordering: .acquiring)
            return held.first
        }
        if others > 0 { mayGoOn.wait() }
    }
}
