// SPDX-License-Identifier: Apache-2.0
// Reads and polls that wait for a stream's next record: kept aside without a thread, and answered by the stream's.

import CFuse
import Glibc

/// The requests of one mount that wait for records of a stream.
///
/// A read is answered when there is something and the reader has rested, when its client is interrupted (EINTR), or
/// when the mount ends or is detached (what there is, or 0 bytes, the end of the file). Replies are sent under the
/// lock, so that none is on its way when the session ends; sending one waits for no client.
///
/// Locks: libfuse holds a lock of the request around ``interrupt(_:)`` and takes others inside its replies, never the
/// first inside the second.
final class WaitingRequests: Sendable {
    private struct Read: Sendable {
        let request: SendableRequest
        let stream: OpenStream
        let size: Int
        /// The number of the wait at the source, once there is one.
        var wait: UInt64?
        var isInterrupted = false
        /// Whether libfuse knows whom to tell of an interrupt. Until then only ``keep(_:_:size:)`` has the request.
        var isReady = false
    }

    private struct Poll: Sendable {
        let handle: SendablePoll
        let stream: OpenStream
    }

    private struct State: Sendable {
        var reads: [UInt64: Read] = [:]
        /// The last poll of each open file.
        var polls: [ObjectIdentifier: Poll] = [:]
        var next: UInt64 = 0
        /// Streams whose last read was kept and has been answered, and when, in ns of the monotonic clock.
        var away: [ObjectIdentifier: UInt64] = [:]
        /// Whether readers may rest: no more when the end is near.
        var mayRest = true
        var hasEnded = false
    }

    private let state = Lock(State())
    /// Rings when nobody is away any more.
    private let returned = Alarm()

    // MARK: Reads

    /// Answers a read that found nothing, or whose reader rests; or keeps it, if its client can wait.
    func answer(_ request: fuse_req_t, _ stream: OpenStream, size: Int, mayWait: Bool) {
        let (mayRest, hasEnded) = state.withLock { ($0.mayRest, $0.hasEnded) }
        noteReturn(of: stream)
        if mayWait && mayRest { return keep(request, stream, size: size) }
        if Self.answer(request, stream, size) { return }
        if mayWait || hasEnded { return keep(request, stream, size: size) }
        Reply.error(request, .tryAgain)
    }

    /// Answers a read if there is something for it.
    /// - Returns: whether it is answered.
    private static func answer(_ request: fuse_req_t, _ stream: OpenStream, _ size: Int) -> Bool {
        do throws(Errno) {
            try stream.readNow(size).withBytes { bytes in
                _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
        } catch {
            if error == .tryAgain { return false }
            Reply.error(request, error)
        }
        return true
    }

    private func keep(_ request: fuse_req_t, _ stream: OpenStream, size: Int) {
        let read = Read(request: SendableRequest(pointer: request), stream: stream, size: size)
        let number = state.withLock { state -> UInt64? in
            if state.hasEnded { return nil }
            state.next += 1
            state.reads[state.next] = read
            return state.next
        }
        guard let number else { return Self.answerEnd(request) }
        // libfuse may call back at once.
        fuse_req_interrupt_func(request, interruptRead, UnsafeMutableRawPointer(bitPattern: UInt(number)))
        let isLate = state.withLock { state in
            state.reads[number]?.isReady = true
            return state.reads[number] == nil
        }
        if isLate { Self.answerEnd(request) } else { wait(number, stream) }
    }

    private func wait(_ number: UInt64, _ stream: OpenStream) {
        // Who has come since ``endRest()`` does not rest.
        let (next, mayRest) = (stream.next, state.withLock { $0.mayRest })
        let wait = stream.source.wait(for: mayRest ? next : NextRecord(place: next.place, earliest: 0)) { [self] in
            serve(number)
        }
        let isLate = state.withLock { state -> Bool in
            guard let wait else {
                // Without a thread nobody would answer later.
                if let read = state.reads.removeValue(forKey: number) { Reply.error(read.request.pointer, .tryAgain) }
                return false
            }
            state.reads[number]?.wait = wait
            return state.reads[number]?.isInterrupted == true
        }
        if isLate, let wait { stream.source.hurry(wait) }
    }

    /// Answers a read; on the source's thread.
    private func serve(_ number: UInt64) {
        let again = state.withLock { state -> OpenStream? in
            guard let read = state.reads[number] else { return nil }
            let request = read.request.pointer
            if read.isInterrupted {
                state.reads[number] = nil
                Reply.error(request, .interrupted)
                return nil
            }
            if !Self.answer(request, read.stream, read.size) { return read.stream }
            state.reads[number] = nil
            state.away[ObjectIdentifier(read.stream)] = Alarm.now
            return nil
        }
        // It was called early, or another thread with the same descriptor has read what there was.
        if let again { wait(number, again) }
    }

    /// The client of a read wants to continue without its answer. Runs on a thread of libfuse that holds a lock of the
    /// request: nothing may be answered here.
    fileprivate func interrupt(_ number: UInt64) {
        let (stream, wait) = state.withLock { state in
            state.reads[number]?.isInterrupted = true
            return (state.reads[number]?.stream, state.reads[number]?.wait)
        }
        if let stream, let wait { stream.source.hurry(wait) }
    }

    private static func answerEnd(_ request: fuse_req_t) { fuse_reply_buf(request, nil, 0) }

    // MARK: Polls

    /// Answers a poll. If there is nothing to read, the kernel is told when there is; `handle` is nil if it does not
    /// want to know.
    func poll(_ request: fuse_req_t, _ stream: OpenStream, _ handle: OpaquePointer?) {
        if let handle { keep(handle, stream) }
        let isReadable = stream.isReadable(mayRest: handle != nil)
        if isReadable { forget(stream) } else if handle != nil { wait(for: stream) }
        fuse_reply_poll(request, isReadable ? UInt32(POLLIN | POLLRDNORM) : 0)
    }

    private func keep(_ handle: OpaquePointer, _ stream: OpenStream) {
        let old = state.withLock { state -> Poll? in
            if state.hasEnded {
                stream.end()
                return Poll(handle: SendablePoll(pointer: handle), stream: stream)
            }
            let poll = Poll(handle: SendablePoll(pointer: handle), stream: stream)
            return state.polls.updateValue(poll, forKey: ObjectIdentifier(stream))
        }
        if let old { fuse_pollhandle_destroy(old.handle.pointer) }
    }

    private func wait(for stream: OpenStream) {
        _ = stream.source.wait(for: stream.next) { [self] in wake(stream) }
    }

    /// Tells the kernel that a stream may be read; on the source's thread.
    private func wake(_ stream: OpenStream) {
        if !stream.isReadable(mayRest: false) {
            if state.withLock({ $0.polls[ObjectIdentifier(stream)] != nil }) { wait(for: stream) }
            return
        }
        state.withLock { state in
            guard let poll = state.polls.removeValue(forKey: ObjectIdentifier(stream)) else { return }
            fuse_lowlevel_notify_poll(poll.handle.pointer)
            fuse_pollhandle_destroy(poll.handle.pointer)
        }
    }

    /// A stream is closed, or nobody waits for it any more.
    func forget(_ stream: OpenStream) {
        noteReturn(of: stream)
        let poll = state.withLock { $0.polls.removeValue(forKey: ObjectIdentifier(stream)) }
        if let poll { fuse_pollhandle_destroy(poll.handle.pointer) }
    }

    // MARK: The end

    /// Gives readers who rest what there is, and lets nobody rest any more. To be called before ``end()``.
    func endRest() {
        state.withLock { state in
            state.mayRest = false
            for (number, read) in state.reads where read.isReady {
                if !Self.answer(read.request.pointer, read.stream, read.size) { continue }
                state.reads[number] = nil
                state.away[ObjectIdentifier(read.stream)] = Alarm.now
            }
        }
    }

    /// Waits for those who have just got something: they come back for more and find the end. Without it they would
    /// find a dead connection.
    func waitForReaders() {
        let now = Alarm.now
        // Who has not come back by now does something else.
        state.withLock { state in state.away = state.away.filter { $1 + Self.patience > now } }
        while Alarm.now < now + Self.patience, state.withLock({ !$0.away.isEmpty }) {
            returned.sleep(until: now + Self.patience)
        }
    }

    private func noteReturn(of stream: OpenStream) {
        let isLast = state.withLock { $0.away.removeValue(forKey: ObjectIdentifier(stream)) != nil && $0.away.isEmpty }
        if isLast { returned.ring() }
    }

    /// How long somebody who has got something takes to come back, at most, in ns.
    private static let patience: UInt64 = 20_000_000

    /// Answers all that wait, and all that come, with the end of the file. Afterwards nothing here uses the session by
    /// itself.
    func end() {
        state.withLock { state in
            state.hasEnded = true
            for read in state.reads.values {
                read.stream.end()
                if read.isReady { Self.answerEnd(read.request.pointer) }
            }
            for poll in state.polls.values {
                poll.stream.end()
                fuse_lowlevel_notify_poll(poll.handle.pointer)
                fuse_pollhandle_destroy(poll.handle.pointer)
            }
            (state.reads, state.polls) = ([:], [:])
        }
    }
}

/// POLL. Files other than streams are always ready, as in the kernel where a file has no poll method.
func poll(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?,
    _ handle: OpaquePointer?
) {
    guard let request, let tree = MountedTree.of(request) else { return }
    guard let stream = HandleReference.load(OpenFile.self, from: info) as? OpenStream else {
        if let handle { fuse_pollhandle_destroy(handle) }
        // DEFAULT_POLLMASK of <linux/poll.h>.
        fuse_reply_poll(request, UInt32(POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM))
        return
    }
    tree.waiting.poll(request, stream, handle)
}

private func interruptRead(_ request: fuse_req_t?, _ number: UnsafeMutableRawPointer?) {
    guard let request, let tree = MountedTree.of(request) else { return }
    tree.waiting.interrupt(UInt64(UInt(bitPattern: number)))
}

/// libfuse's request as a value that can be passed between threads.
///
/// Unchecked: an opaque C pointer; any thread may send the reply, once.
private struct SendableRequest: @unchecked Sendable {
    let pointer: fuse_req_t
}

/// libfuse's poll handle as a value that can be passed between threads.
///
/// Unchecked: an opaque C pointer; whoever takes it out of the table uses it, and destroys it.
private struct SendablePoll: @unchecked Sendable {
    let pointer: OpaquePointer
}
