// SPDX-License-Identifier: Apache-2.0
// The threads that take requests from a FUSE session: one reads and answers, the others stand by for the time when an
// answer takes long.

import CFuse
import Glibc
import Synchronization

/// Threads that serve one session until it ends.
///
/// Requests are taken by one thread at a time and answered in the order in which they came: a request costs one wake-up
/// of one thread, always the same. Before a rule does something long (``LongWork``) its thread hands the reading over
/// to one that stands by. No thread ever waits for a client.
///
/// libfuse's own multi-threaded loop has all its threads in read(2), which the kernel wakes in turn, makes and ends
/// threads all the time, and in 3.14 is never ended by a signal that lands on another thread. Here ``stop()`` sets the
/// session's exit flag and interrupts the read(2).
final class WorkerPool: Sendable {
    /// One that reads, and others that may be at something long. They cost nothing while they stand by.
    static let threadCount = 16
    /// There are more while so many clients wait for something long, each of which keeps a thread.
    static let threadLimit = 1_024

    private let session: SessionPointer
    private let log = RequestLog()
    private let threads: Lock<[pthread_t]>
    private let running: Atomic<Int>
    /// How many stand by and have not been told to read.
    private let standingBy = Atomic<Int>(0)
    /// The error that reading ended with, if it was not the end of the mount.
    private let readError = Atomic<Int32>(0)
    private let allLeft = Semaphore()
    /// Counts up when there is nobody who reads: whoever gets through is the reader.
    private let reading = Semaphore()

    /// Starts the threads.
    /// - Throws: the errno of pthread_create(3) if not even one could be made.
    init(session: SessionPointer) throws(Errno) {
        self.session = session
        threads = Lock([])
        running = Atomic(0)
        // Interrupts a read(2) and does nothing else: without SA_RESTART the call returns EINTR.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(Self.wakeSignal, &action, nil)
        for _ in 0..<Self.threadCount {
            let failure = addThread()
            if failure == 0 { continue }
            if threads.withLock({ $0.isEmpty }) { throw Errno(rawValue: failure) }
            break
        }
        callReader()
    }

    /// Makes one more thread that stands by.
    /// - Returns: 0, or the error.
    private func addThread() -> Int32 {
        threads.withLock { threads in
            if threads.count >= Self.threadLimit { return EAGAIN }
            var thread = pthread_t()
            let worker = Unmanaged.passRetained(Worker(pool: self))
            running.add(1, ordering: .relaxed)
            let failure = pthread_create(&thread, nil, runWorker, worker.toOpaque())
            if failure != 0 {
                running.subtract(1, ordering: .relaxed)
                worker.release()
                return failure
            }
            threads.append(thread)
            standingBy.add(1, ordering: .relaxed)
            return 0
        }
    }

    /// Has one of the threads that stand by read from here on.
    private func callReader() {
        standingBy.subtract(1, ordering: .relaxed)
        reading.signal()
    }

    private static let wakeSignal = SIGUSR1

    /// Whether all threads have left.
    var hasEnded: Bool { running.load(ordering: .acquiring) == 0 }

    /// What ended the session, if it was neither an unmount nor ``stop()``.
    var failure: Errno? {
        let error = readError.load(ordering: .acquiring)
        return error == 0 ? nil : Errno(rawValue: error)
    }

    /// Waits until the session has ended: unmounted, or stopped.
    func wait() {
        allLeft.wait()
        threads.withLock { threads in
            for thread in threads { pthread_join(thread, nil) }
            threads = []
        }
        log?.close()
    }

    /// Ends the session; each thread finishes the request it is at. Returns when all have left.
    func stop() {
        fuse_session_exit(session.pointer)
        // A signal that comes just before the read(2) is lost, so it is sent until everyone has left. Requests end by
        // themselves; this loop ends with the last of them.
        while running.load(ordering: .acquiring) > 0 {
            threads.withLock { threads in
                for thread in threads { pthread_kill(thread, Self.wakeSignal) }
            }
            usleep(1000)
        }
    }

    /// Lets one of the threads that stand by read from here on; one more, if none is left. If there can be no more, the
    /// next one that is done with something long reads.
    fileprivate func handOver() {
        if standingBy.load(ordering: .relaxed) <= 0 { _ = addThread() }
        callReader()
    }

    /// Whether the session has ended.
    fileprivate var isEnding: Bool { fuse_session_exited(session.pointer) != 0 }

    /// One thread's life: wait for its turn to read, then take requests and answer them until it hands over.
    fileprivate func serve(_ worker: Worker) {
        // Whoever started the daemon may have blocked the signal that interrupts the read(2).
        var wake = sigset_t()
        sigemptyset(&wake)
        sigaddset(&wake, Self.wakeSignal)
        pthread_sigmask(SIG_UNBLOCK, &wake, nil)
        var buffer = fuse_buf()
        while true {
            reading.wait()
            worker.isReader = true
            while worker.isReader && fuse_session_exited(session.pointer) == 0 {
                let length = fuse_session_receive_buf(session.pointer, &buffer)
                if length == -EINTR || length == -EAGAIN { continue }
                if length <= 0 {
                    // Unmounted, or the device is broken: the others end too.
                    if length < 0 { readError.store(-Int32(length), ordering: .releasing) }
                    fuse_session_exit(session.pointer)
                    break
                }
                log?.note(buffer)
                fuse_session_process_buf(session.pointer, &buffer)
                worker.doWhatFollows()
            }
            if isEnding { break }
            standingBy.add(1, ordering: .relaxed)
        }
        free(buffer.mem)
        // The next one that stands by sees the end as this one did.
        reading.signal()
        if running.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { allLeft.signal() }
    }
}

/// One of the threads.
private final class Worker: RequestThread {
    private let pool: WorkerPool
    /// Whether it is this thread's turn to read. Touched by this thread alone.
    var isReader = false

    init(pool: WorkerPool) {
        self.pool = pool
    }

    override func willTakeLong() {
        guard isReader else { return }
        isReader = false
        pool.handOver()
    }

    /// What is to be done behind the answer. Touched by this thread alone.
    private var following: (@Sendable () -> Void)?

    override func follow(_ work: @escaping @Sendable () -> Void) -> Bool {
        if following != nil { return false }
        following = work
        return true
    }

    func doWhatFollows() {
        guard let work = following.take() else { return }
        willTakeLong()
        work()
    }

    override var isEnding: Bool { pool.isEnding }

    func run() {
        LongWork.withThread(self) { pool.serve(self) }
    }
}

private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}

/// libfuse's session as a value that may go from thread to thread.
///
/// Unchecked: an opaque C pointer. The functions called on it from several threads (receive, process, exit, exited) are
/// made for that.
struct SessionPointer: @unchecked Sendable {
    let pointer: OpaquePointer
}
