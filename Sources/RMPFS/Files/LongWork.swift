// SPDX-License-Identifier: Apache-2.0
// How a rule that may take long says so to whoever runs it, so that others are served meanwhile.

import Glibc

/// A thread that answers requests, as the rules see it.
public class RequestThread {
    /// Called on the thread itself before it does something that may take longer than a few hundred microseconds.
    func willTakeLong() {}
    /// Takes work that the thread does behind its answer. Returns whether it will.
    func follow(_ work: @escaping @Sendable () -> Void) -> Bool { false }
    /// Whether nobody will ask for anything any more.
    var isEnding: Bool { false }

    init() {}
}

/// Work that may take long: a store that changes a lot, much that fell due at once, waiting for somebody who does such
/// a thing.
public enum LongWork {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Says that this thread may be busy for long from here on. Elsewhere than on a request's thread this does nothing.
    public static func announce() { thread?.willTakeLong() }

    /// Has this thread do `work` when it has answered the request it is at.
    /// - Returns: whether it will; elsewhere than on a request's thread it does not.
    static func follow(_ work: @escaping @Sendable () -> Void) -> Bool { thread?.follow(work) ?? false }

    /// Whether what this thread is at is of no use any more.
    static var isUnwanted: Bool { thread?.isEnding ?? false }

    private static var thread: RequestThread? {
        pthread_getspecific(key).map { Unmanaged<RequestThread>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Makes `thread` the one that announcements on this thread go to, while `body` runs.
    static func withThread(_ thread: RequestThread, _ body: () -> Void) {
        pthread_setspecific(key, Unmanaged.passUnretained(thread).toOpaque())
        body()
        pthread_setspecific(key, nil)
    }
}

extension Lock {
    /// As `withLock`, for a lock that is sometimes held during long work: whoever has to wait says so first.
    func withPatientLock<Result: Sendable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if let result = try withLockIfAvailable({ value throws(Failure) in try body(&value) }) { return result }
        LongWork.announce()
        return try withLock { value throws(Failure) in try body(&value) }
    }
}
