// SPDX-License-Identifier: Apache-2.0
// A question that may never be answered: a file of a stopped server, a table that takes long.

import Glibc

/// A question, asked by a thread of its own, and its answer.
public final class Question<Answer: Sendable>: Sendable {
    private let result = Lock<Answer?>(nil)
    private let done = Semaphore()

    /// Asks. A thread whose answer never comes ends with the process.
    public init(_ question: @escaping @Sendable () -> Answer) {
        Work { [self] in
            let answer = question()
            result.withLock { $0 = answer }
            done.signal()
        }
        .start()
    }

    /// The answer; nil if it does not arrive in time. Nobody else may ask at the same moment.
    public func answer(within seconds: Int) -> Answer? {
        if let answer = result.withLock({ $0 }) { return answer }
        return done.wait(seconds: seconds) ? result.withLock { $0 } : nil
    }
}

/// What a thread does.
private final class Work: Sendable {
    private let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }

    /// Does it on a thread of its own; here, if there can be no more threads.
    func start() {
        var thread = pthread_t()
        let reference = Unmanaged.passRetained(self)
        guard pthread_create(&thread, nil, runWork, reference.toOpaque()) == 0 else {
            reference.takeRetainedValue().run()
            return
        }
        pthread_detach(thread)
    }

    fileprivate func callAsFunction() { run() }
}

private func runWork(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()()
    return nil
}
