// SPDX-License-Identifier: Apache-2.0
// Requests that faults delay: kept aside, and carried out when they are due, by a thread of their own. The threads that
// answer other requests never wait for them.

import CFuse
import Glibc
import Synchronization

/// The delayed requests of one mount.
///
/// A request is carried out when its delays are over, or as soon as the fault that delays it is removed. It ends with
/// EINTR when its client is interrupted: a killed client could not exit otherwise. The thread starts with the first
/// request.
final class DelayedRequests: Sendable {
    /// What to do with a request when it is due.
    typealias Operation = @Sendable (fuse_req_t) -> Void

    private struct Job: Sendable {
        let request: RequestPointer
        let arrived: UInt64
        /// The faults that delay it, and by how many ns.
        var delays: [(fault: FaultTable.ID, nanoseconds: UInt64)]
        let operation: Operation
        var isInterrupted = false
        /// Whether it is in `order` yet.
        var isQueued = false

        /// When it is due, in ns of the monotonic clock.
        var due: UInt64 { isInterrupted ? 0 : delays.reduce(arrived) { $0 + $1.nanoseconds } }
    }

    private struct State: Sendable {
        var jobs: [UInt64: Job] = [:]
        /// When to look at which job, the soonest last. A job whose time was moved forward is in it twice.
        var order: [(due: UInt64, job: UInt64)] = []
        var next: UInt64 = 1
        var hasEnded = false
        /// Another job for the thread.
        var errand: (@Sendable () -> Void)?
        var thread: pthread_t?

        mutating func enqueue(_ id: UInt64) {
            guard let due = jobs[id]?.due else { return }
            var (low, high) = (0, order.count)
            while low < high {
                let middle = (low + high) / 2
                if order[middle].due > due { low = middle + 1 } else { high = middle }
            }
            order.insert((due, id), at: low)
        }

        /// Removes and returns the jobs that are due.
        mutating func take(at now: UInt64) -> [Job] {
            if hasEnded {
                defer { (jobs, order) = ([:], []) }
                return Array(jobs.values)
            }
            var due: [Job] = []
            while let soonest = order.last, soonest.due <= now {
                order.removeLast()
                if let job = jobs.removeValue(forKey: soonest.job) { due.append(job) }
            }
            return due
        }
    }

    private let state = Lock(State())
    private let alarm = Alarm()

    /// Carries `operation` out later.
    func add(_ request: fuse_req_t, _ strike: FaultStrike, _ operation: @escaping Operation) {
        let job = Job(
            request: RequestPointer(pointer: request),
            arrived: Alarm.now,
            delays: strike.delays.map { ($0.fault, $0.milliseconds * 1_000_000) },
            operation: operation
        )
        let id = state.withLock { state -> UInt64? in
            guard !state.hasEnded, hasThread(&state) else { return nil }
            let id = state.next
            state.next += 1
            state.jobs[id] = job
            return id
        }
        // Without a thread nobody could answer later.
        guard let id else { return operation(request) }
        // libfuse may call back at once, or from another thread at any time until the reply; the number may be stale
        // then.
        fuse_req_interrupt_func(request, interruptDelayed, UnsafeMutableRawPointer(bitPattern: UInt(id)))
        state.withLock { state in
            state.jobs[id]?.isQueued = true
            state.enqueue(id)
        }
        alarm.ring()
    }

    /// The client of a request wants to continue without its answer.
    fileprivate func interrupt(_ id: UInt64) {
        state.withLock { state in
            state.jobs[id]?.isInterrupted = true
            if state.jobs[id]?.isQueued == true { state.enqueue(id) }
        }
        alarm.ring()
    }

    /// Releases what a fault delays.
    private func release(_ fault: FaultTable.ID) {
        state.withLock { state in
            for id in Array(state.jobs.keys) where state.jobs[id]?.delays.contains(where: { $0.fault == fault }) == true
            {
                state.jobs[id]?.delays.removeAll { $0.fault == fault }
                if state.jobs[id]?.isQueued == true { state.enqueue(id) }
            }
        }
        alarm.ring()
    }

    /// The listener for the faults of `tree`. It holds the tree until the mount ends and takes it back
    /// (``Mount/wait()``): with a weak reference to the tree, each request would pay for the count of them.
    func listener(for tree: MountedTree) -> FaultTable.Listener {
        FaultTable.Listener(
            released: { tree.delayed.release($0) },
            mustForget: { tree.delayed.run { KernelMemory.forgetWhatFaultsConcern(in: tree) } }
        )
    }

    /// Makes the thread run something soon; replaces an errand that has not begun.
    private func run(_ errand: @escaping @Sendable () -> Void) {
        state.withLock { state in
            if !state.hasEnded && hasThread(&state) { state.errand = errand }
        }
        alarm.ring()
    }

    /// Answers all remaining and all new requests with ENOTCONN. Returns when nobody uses the session.
    func end() {
        let thread = state.withLock { state in
            state.hasEnded = true
            state.errand = nil
            return state.thread.take()
        }
        alarm.ring()
        if let thread { pthread_join(thread, nil) }
    }

    private func hasThread(_ state: inout State) -> Bool {
        if state.thread != nil { return true }
        var thread = pthread_t()
        let own = Unmanaged.passRetained(self)
        if pthread_create(&thread, nil, serveDelayed, own.toOpaque()) != 0 {
            own.release()
            return false
        }
        state.thread = thread
        return true
    }

    fileprivate func serve() {
        while true {
            let (jobs, errand, next, hasEnded) = state.withLock { state in
                let jobs = state.take(at: Alarm.now)
                return (jobs, state.errand.take(), state.order.last?.due, state.hasEnded)
            }
            for job in jobs {
                if hasEnded {
                    Reply.error(job.request.pointer, .notConnected)
                } else if job.isInterrupted {
                    Reply.error(job.request.pointer, .interrupted)
                } else {
                    job.operation(job.request.pointer)
                }
            }
            if hasEnded { return }
            errand?()
            alarm.sleep(until: next)
        }
    }
}

/// Runs on a thread of libfuse that holds a lock of the request: nothing may be answered here.
private func interruptDelayed(_ request: fuse_req_t?, _ id: UnsafeMutableRawPointer?) {
    guard let request, let tree = MountedTree.of(request) else { return }
    tree.delayed.interrupt(UInt64(UInt(bitPattern: id)))
}

private func serveDelayed(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<DelayedRequests>.fromOpaque(argument).takeRetainedValue().serve()
    return nil
}

/// libfuse's request as a value that can be passed between threads.
///
/// Unchecked: an opaque C pointer; any thread may send the reply, once.
private struct RequestPointer: @unchecked Sendable {
    let pointer: fuse_req_t
}
