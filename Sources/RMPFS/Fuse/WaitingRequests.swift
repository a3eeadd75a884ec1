// SPDX-License-Identifier: Apache-2.0
// Reads and polls that wait for a stream's next record: kept aside without a thread, and answered by the stream's.

import CFuse
import Glibc

/// The requests of one mount that wait for records of a stream.
///
/// A read is answered when there is something, when its client is interrupted (EINTR), or when the mount ends or is
/// detached (0 bytes, the end of the file). Replies are sent under the lock, so that none is on its way when the
/// session ends; sending one waits for no client.
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
        var hasEnded = false
    }

    private let state = Lock(State())

    // MARK: Reads

    /// Keeps a read that found nothing.
    func keep(_ request: fuse_req_t, _ stream: OpenStream, size: Int) {
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
        wait(number, stream)
    }

    /// Whether there is nothing more to wait for.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    private func wait(_ number: UInt64, _ stream: OpenStream) {
        let wait = stream.source.wait(for: stream.place) { [self] in serve(number) }
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
            do throws(Errno) {
                let slice = try read.stream.read(at: 0, size: read.size)
                state.reads[number] = nil
                slice.withBytes { bytes in
                    _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
                }
            } catch {
                if error == .tryAgain { return read.stream }
                state.reads[number] = nil
                Reply.error(request, error)
            }
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
        let isReadable = stream.isReadable
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
        _ = stream.source.wait(for: stream.place) { [self] in wake(stream) }
    }

    /// Tells the kernel that a stream may be read; on the source's thread.
    private func wake(_ stream: OpenStream) {
        if !stream.isReadable {
            if state.withLock({ $0.polls[ObjectIdentifier(stream)] != nil }) { wait(for: stream) }
            return
        }
        state.withLock { state in
            guard let poll = state.polls.removeValue(forKey: ObjectIdentifier(stream)) else { return }
            fuse_lowlevel_notify_poll(poll.handle.pointer)
            fuse_pollhandle_destroy(poll.handle.pointer)
        }
    }

    /// Nobody waits for a stream any more.
    func forget(_ stream: OpenStream) {
        let poll = state.withLock { $0.polls.removeValue(forKey: ObjectIdentifier(stream)) }
        if let poll { fuse_pollhandle_destroy(poll.handle.pointer) }
    }

    // MARK: The end

    /// Answers all that wait, and all that come, with the end of the file. Afterwards nothing here uses the session by
    /// itself.
    func end() {
        state.withLock { state in
            state.hasEnded = true
            for read in state.reads.values {
                read.stream.end()
                Self.answerEnd(read.request.pointer)
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
