// SPDX-License-Identifier: Apache-2.0
// Wakes those who wait for events of a simulated machine. While nobody waits it does nothing and has no thread; while
// somebody does, its thread sleeps until the next thing falls due, or a moment after a command.

import Glibc
import Synchronization

/// Those who wait for a machine's events.
///
/// The machine moves on only when somebody looks. So whoever waits needs somebody who looks at the right time: one
/// thread for all who wait. It asks the machine how long nothing will happen by itself and sleeps so long on the wall
/// clock, if virtual time runs at all.
///
/// Whoever changes the machine must not pay for those who watch: a change only sets an alarm, a moment ahead, and
/// nothing while the thread is going to look anyway. Those who rest are left alone until one of them has rested enough;
/// then all get what there is, so that they come back together and rest together.
final class EventWatch: Sendable {
    private struct Wait: Sendable {
        let next: NextRecord
        var isHurried = false
        let body: @Sendable () -> Void
    }

    private struct State: Sendable {
        var waits: [UInt64: Wait] = [:]
        var next: UInt64 = 0
        var hasThread = false
        /// There from the first wait on.
        var alarm: TimerAlarm?

        /// When the first rest ends; `.max` if nobody waits.
        var earliest: UInt64 { waits.values.reduce(.max) { min($0, $1.next.earliest) } }

        /// Takes out the bodies that are to be called: of those who are in a hurry, and, once one of those for whom
        /// there is something has rested enough, of all of them.
        /// - Parameter look: when to look again for those for whom there is something; unchanged if there are none.
        mutating func takeDue(_ count: UInt64, at now: UInt64, look: inout UInt64) -> [@Sendable () -> Void] {
            let ripe = waits.values.reduce(UInt64.max) { $1.next.place < count ? min($0, $1.next.earliest) : $0 }
            if ripe > now { look = min(look, ripe) }
            var due: [@Sendable () -> Void] = []
            for (number, wait) in waits where wait.isHurried || ripe <= now && wait.next.place < count {
                due.append(wait.body)
                waits[number] = nil
            }
            return due
        }
    }

    /// A machine as the watch sees it at one moment.
    struct View: Sendable {
        /// The number of the next event.
        let count: UInt64
        /// When to look again, in ns of the monotonic clock; nil for not before somebody changes something.
        let next: UInt64?
    }

    private let state = Lock(State())
    /// The state's `earliest`, for those who only want to know whether anybody waits.
    private let earliest = Atomic<UInt64>(.max)
    /// Whether the alarm has been set because of a change at which the thread has not looked yet.
    private let isNoted = Atomic<Bool>(false)

    /// How long after a change the thread looks, in ns: by then whoever changed something has its answer, and mostly
    /// does the next thing.
    private static let delay: UInt64 = 1_000_000
    /// How long the thread stays when nobody waits any more, in ns: readers mostly come back at once.
    private static let patience: UInt64 = 1_000_000_000

    /// Has `body` called when there is an event that somebody waits for, and its rest is over.
    /// - Returns: the number of the wait; nil if there is no thread or no descriptor to be had.
    func wait(for next: NextRecord, on host: SharedMachine, _ body: @escaping @Sendable () -> Void) -> UInt64? {
        state.withLock { state -> UInt64? in
            guard let alarm = state.alarm ?? TimerAlarm() else { return nil }
            state.alarm = alarm
            if !state.hasThread {
                guard start(host, alarm) else { return nil }
                state.hasThread = true
            }
            state.next += 1
            state.waits[state.next] = Wait(next: next, body: body)
            earliest.store(min(earliest.load(ordering: .relaxed), next.earliest), ordering: .releasing)
            alarm.set(next.earliest)
            return state.next
        }
    }

    /// Has the body of a wait called as soon as the thread gets to it.
    func hurry(_ number: UInt64) {
        state.withLock { state in
            state.waits[number]?.isHurried = true
            state.alarm?.set(0)
        }
    }

    /// Somebody has changed the machine or its clock, or has let go of it.
    @inline(__always)
    func noteChange() {
        if earliest.load(ordering: .acquiring) < .max { setAlarm() }
    }

    private func setAlarm() {
        if isNoted.exchange(true, ordering: .acquiringAndReleasing) { return }
        let time = max(HostClock.monotonic + Self.delay, earliest.load(ordering: .acquiring))
        if time < .max { state.withLock { $0.alarm?.set(time) } }
    }

    private func start(_ host: SharedMachine, _ alarm: TimerAlarm) -> Bool {
        let context = Unmanaged.passRetained(Context(watch: self, host: host, alarm: alarm))
        var thread = pthread_t()
        if pthread_create(&thread, nil, watchEvents, context.toOpaque()) != 0 {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    fileprivate func serve(_ host: SharedMachine, _ alarm: TimerAlarm) {
        while true {
            // Before it looks: a change that it may not see sets the alarm again.
            _ = isNoted.exchange(false, ordering: .acquiringAndReleasing)
            let isWanted = earliest.load(ordering: .acquiring) < .max
            let view = isWanted ? host.lookForEvents() : nil
            let now = HostClock.monotonic
            var look = UInt64.max
            let due = state.withLock { state -> [@Sendable () -> Void]? in
                if state.waits.isEmpty && !isWanted {
                    // The second time in turn that nobody waits.
                    state.hasThread = false
                    return nil
                }
                let due = state.takeDue(view?.count ?? 0, at: now, look: &look)
                earliest.store(state.earliest, ordering: .releasing)
                return due
            }
            guard let due else { return }
            for body in due { body() }
            let first = earliest.load(ordering: .acquiring)
            if first == .max {
                look = HostClock.monotonic + Self.patience
            } else if let next = view?.next {
                look = min(look, max(next, first))
            }
            alarm.set(look)
            alarm.sleep()
        }
    }

    fileprivate final class Context: Sendable {
        let watch: EventWatch
        let host: SharedMachine
        let alarm: TimerAlarm

        init(watch: EventWatch, host: SharedMachine, alarm: TimerAlarm) {
            self.watch = watch
            self.host = host
            self.alarm = alarm
        }
    }
}

private func watchEvents(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let context = Unmanaged<EventWatch.Context>.fromOpaque(argument).takeRetainedValue()
    context.watch.serve(context.host, context.alarm)
    return nil
}
