// SPDX-License-Identifier: Apache-2.0
// Notices that a mount has been detached: whoever waits for a stream would keep it alive, and wait for ever.

import CFuse
import Glibc

/// Watches the mount table from the first open of a stream on. umount2(2) with MNT_DETACH tells the daemon nothing: the
/// session ends when the last file is closed. But poll(2) on /proc/self/mountinfo returns when the table has changed
/// (proc(5)).
final class DetachWatch: Sendable {
    private struct State: Sendable {
        /// The number of the mounted file system; nil until it is known, and for a mount that nobody can find.
        var device: String?
        var thread: WatchThread?
    }

    private let state = Lock(State())
    /// A pipe whose reading end says that the thread is to end.
    private let stop: (read: Int32, write: Int32)

    init() {
        var ends: [Int32] = [-1, -1]
        if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
        stop = (ends[0], ends[1])
    }

    deinit {
        close(stop.read)
        close(stop.write)
    }

    /// Which file system it is.
    func set(device: String?) { state.withLock { $0.device = device } }

    /// Has those who wait for a stream told when the mount is in nobody's reach any more.
    func watch(for waiting: WaitingRequests) {
        state.withLock { state in
            guard state.thread == nil, let device = state.device else { return }
            state.thread = WatchThread { [stop] in
                Self.wait(for: device, stop.read) {
                    waiting.endRest()
                    waiting.end()
                }
            }
        }
    }

    /// Must be called before the session ends.
    func end() {
        let thread = state.withLock { state in
            state.device = nil
            return state.thread.take()
        }
        guard let thread else { return }
        write(stop.write, "x", 1)
        thread.join()
    }

    private static func wait(for device: String, _ stop: Int32, _ body: () -> Void) {
        let table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        if table < 0 { return }
        defer { close(table) }
        var items = [
            pollfd(fd: table, events: Int16(POLLPRI), revents: 0), pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            if !MountTable.entries().contains(where: { $0.device == device }) { return body() }
            while poll(&items, 2, -1) < 0 { if errno != EINTR { return } }
            if items[1].revents != 0 { return }
        }
    }
}

/// A thread that can be waited for.
private struct WatchThread: Sendable {
    private let thread: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// nil if the system has no thread.
    init?(_ body: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context.toOpaque()
        )
        if failure != 0 {
            context.release()
            return nil
        }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}
