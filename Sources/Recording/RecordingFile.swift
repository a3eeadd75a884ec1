// SPDX-License-Identifier: Apache-2.0
// Where a recording's lines go: to the file at once, or in gzip members, each of which is whole when it is written.

import Glibc

/// A file that only grows.
///
/// A plain file has each line when it was appended. A compressed one has it at most two seconds later, or when 64 KB of
/// text have come: small members would not be small.
///
/// Unchecked: `waiting`, `isEnding`, `thread` and `failure` are accessed under the mutex, the rest is constant.
final class RecordingFile: @unchecked Sendable {
    private let descriptor: Int32
    private let isCompressed: Bool
    private let complain: @Sendable (String) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Text of the next member.
    private var waiting: [UInt8] = []
    private var isEnding = false
    private var thread: pthread_t?
    /// The first error: what followed would not be whole.
    private var failure: Int32?

    /// How much text makes a member.
    private static let memberSize = 1 << 16
    /// How long text waits, in ns.
    private static let patience: UInt64 = 2_000_000_000
    /// How much text waits for a disk before whoever appends does, too.
    private static let most = 1 << 22

    /// Makes the file, which must not exist, for its owner alone. It is locked, flock(2), until the process ends: who
    /// waits for the lock reads a recording that is complete.
    /// - Parameter complain: called once if the file ends early.
    init(path: String, isCompressed: Bool, complain: @escaping @Sendable (String) -> Void) throws(RecordingError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        let error = errno
        self.isCompressed = isCompressed
        self.complain = complain
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        if descriptor >= 0 {
            // A file system without locks has a recording all the same.
            _ = flock(descriptor, LOCK_EX | LOCK_NB)
            return
        }
        let remedy = error == EEXIST ? ". A recording does not replace a file: remove it, or give another name" : ""
        throw RecordingError("\(path): \(String(cString: strerror(error)))\(remedy)")
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    private func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Appends text to what was appended before.
    /// - Parameter isUrgent: whether it must not wait; only for the first text.
    func append(_ text: [UInt8], isUrgent: Bool = false) {
        let error = withLock { () -> Int32? in
            if failure != nil { return nil }
            if !isCompressed { return note(send(text)) }
            if isUrgent || thread == nil && !start() { return note(sendMember(text)) }
            while waiting.count >= Self.most && failure == nil { pthread_cond_wait(condition, mutex) }
            let wakes = waiting.isEmpty || waiting.count + text.count >= Self.memberSize
            waiting += text
            if wakes { pthread_cond_broadcast(condition) }
            return nil
        }
        if let error { tell(error) }
    }

    /// Writes what waits. Nothing may be appended afterwards.
    func finish() {
        let thread = withLock {
            isEnding = true
            pthread_cond_broadcast(condition)
            return self.thread
        }
        if let thread { pthread_join(thread, nil) }
    }

    // MARK: Members

    private func start() -> Bool {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        guard pthread_create(&thread, nil, writeMembers, context.toOpaque()) == 0 else {
            context.release()
            return false
        }
        self.thread = thread
        return true
    }

    /// The thread that writes members.
    fileprivate func serve() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            while waiting.isEmpty && !isEnding { pthread_cond_wait(condition, mutex) }
            if waiting.isEmpty { return }
            var end = timespec()
            clock_gettime(CLOCK_MONOTONIC, &end)
            end.tv_sec += Int(Self.patience / 1_000_000_000)
            while waiting.count < Self.memberSize && !isEnding {
                if pthread_cond_timedwait(condition, mutex, &end) != 0 { break }
            }
            let text = waiting
            waiting = []
            pthread_mutex_unlock(mutex)
            let error = sendMember(text)
            pthread_mutex_lock(mutex)
            if let error = note(error) { tell(error) }
            pthread_cond_broadcast(condition)
        }
    }

    private func sendMember(_ text: [UInt8]) -> Int32? {
        guard let member = Gzip.member(text) else { return ENOMEM }
        return send(member)
    }

    // MARK: Writing

    /// - Returns: the error, or nil.
    private func send(_ bytes: [UInt8]) -> Int32? {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return errno
            }
            sent += count
        }
        return nil
    }

    /// - Returns: an error that is to be told: the first one.
    private func note(_ error: Int32?) -> Int32? {
        guard let error, failure == nil else { return nil }
        failure = error
        waiting = []
        return error
    }

    private func tell(_ error: Int32) { complain("the recording ends here: \(String(cString: strerror(error)))") }
}

private func writeMembers(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    // Signals are for the threads that wait for them.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
    Unmanaged<RecordingFile>.fromOpaque(argument).takeRetainedValue().serve()
    return nil
}
