// SPDX-License-Identifier: Apache-2.0
// Wakes those who wait for events of a simulated machine. While nobody waits it does nothing and has no thread; while
// somebody does, its thread sleeps until the next thing falls due, or a command comes.

import Glibc
import Synchronization

/// Those who wait for a machine's events.
///
/// The machine moves on only when somebody looks. So whoever waits needs somebody who looks at the right time: one
/// thread for all who wait. It asks the machine how long nothing will happen by itself and sleeps so long on the wall
/// clock, if virtual time runs at all.
final class EventWatch: Sendable {
    private struct Wait: Sendable {
        let place: UInt64
        var isHurried = false
        let body: @Sendable () -> Void
    }

    private struct State: Sendable {
        var waits: [UInt64: Wait] = [:]
        var next: UInt64 = 0
        var hasThread = false
    }

    /// A machine as the watch sees it at one moment.
    struct View: Sendable {
        /// The number of the next event.
        let count: UInt64
        /// When to look again, in ns of the monotonic clock; nil for not before somebody changes something.
        let next: UInt64?
    }

    private let state = Lock(State())
    /// How many wait, for those who only want to know whether anybody does.
    private let waiting = Atomic<Int>(0)
    private let alarm = Alarm()

    /// How long the thread stays when nobody waits any more, in ns: readers mostly come back at once.
    private static let patience: UInt64 = 1_000_000_000

    /// Has `body` called when there is an event number `place`.
    /// - Returns: the number of the wait; nil if there is no thread to be had.
    func wait(for place: UInt64, on host: SharedMachine, _ body: @escaping @Sendable () -> Void) -> UInt64? {
        let number = state.withLock { state -> UInt64? in
            if !state.hasThread {
                guard start(host) else { return nil }
                state.hasThread = true
            }
            state.next += 1
            state.waits[state.next] = Wait(place: place, body: body)
            waiting.store(state.waits.count, ordering: .releasing)
            return state.next
        }
        if number != nil { alarm.ring() }
        return number
    }

    /// Has the body of a wait called as soon as the thread gets to it.
    func hurry(_ number: UInt64) {
        state.withLock { $0.waits[number]?.isHurried = true }
        alarm.ring()
    }

    /// Somebody has changed the machine or its clock, or has let go of it.
    @inline(__always)
    func noteChange() {
        if waiting.load(ordering: .acquiring) > 0 { alarm.ring() }
    }

    private func start(_ host: SharedMachine) -> Bool {
        let context = Unmanaged.passRetained(Context(watch: self, host: host))
        var thread = pthread_t()
        if pthread_create(&thread, nil, watchEvents, context.toOpaque()) != 0 {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    fileprivate func serve(_ host: SharedMachine) {
        while true {
            var next: UInt64?
            var view: View?
            if waiting.load(ordering: .acquiring) > 0 {
                view = host.lookForEvents()
                next = view?.next
            }
            let due = state.withLock { state -> [@Sendable () -> Void]? in
                if state.waits.isEmpty && view == nil {
                    // The second time in turn that nobody waits.
                    state.hasThread = false
                    return nil
                }
                var due: [@Sendable () -> Void] = []
                for (number, wait) in state.waits where wait.isHurried || wait.place < view?.count ?? 0 {
                    due.append(wait.body)
                    state.waits[number] = nil
                }
                waiting.store(state.waits.count, ordering: .releasing)
                return due
            }
            guard let due else { return }
            for body in due { body() }
            let isWanted = waiting.load(ordering: .acquiring) > 0
            alarm.sleep(until: isWanted ? next : HostClock.monotonic + Self.patience)
        }
    }

    fileprivate final class Context: Sendable {
        let watch: EventWatch
        let host: SharedMachine

        init(watch: EventWatch, host: SharedMachine) {
            self.watch = watch
            self.host = host
        }
    }
}

private func watchEvents(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let context = Unmanaged<EventWatch.Context>.fromOpaque(argument).takeRetainedValue()
    context.watch.serve(context.host)
    return nil
}
