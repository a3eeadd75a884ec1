// SPDX-License-Identifier: Apache-2.0
// The one way by which anything learns what happened: whoever does something publishes it, and the consumers take what
// they want. Nobody looks into another's inside for it.

/// The stream of a machine's events, with those who consume it.
struct EventStream: Sendable {
    /// The version whose kernel writes the log.
    private let series: Series
    /// The time of what happens now, in ns; whoever lets time pass sets it.
    var time: UInt64 = 0

    // The consumers that every machine has.
    private(set) var log = KernelLog()
    private(set) var passes = PassHistory()
    /// How many #UD faults the kernel has taken because it executed RMPOPT on a core whose RMPOPT_EN is 0.
    private(set) var opcodeFaults: UInt64 = 0
    /// Grows with each event after which a text about CPUs or windows can be another one.
    private(set) var generation: UInt64 = 0
    /// The consumer that only some machines have.
    private(set) var recorder: EventRecorder?

    init(series: Series) { self.series = series }

    /// Whether somebody wants the events that nobody else needs.
    var isRecorded: Bool { recorder != nil }

    /// Tells all consumers what happened.
    mutating func publish(_ event: MachineEvent) {
        log.note(event, at: time)
        passes.note(event)
        switch event {
        case .undefinedOpcodes(let count): opcodeFaults &+= UInt64(count)
        case .cpuOnline, .snpEnabled, .passesCancelled: generation &+= 1
        default: break
        }
        recorder?.note(TimedEvent(time: time, event: event))
    }

    /// Has the kernel write a line, if its version has it.
    ///
    /// - Returns: whether it does.
    @discardableResult
    mutating func say(_ message: KernelMessage) -> Bool {
        guard let level = message.level(in: series) else { return false }
        publish(.line(level, message.text(in: series)))
        return true
    }

    /// CPUs that executed RMPOPT with RMPOPT_EN 0: #UD each, of which the kernel's log shows the first.
    mutating func noteFaults(_ count: Int) {
        if count == 0 { return }
        let first = opcodeFaults &+ 1
        publish(.undefinedOpcodes(count))
        say(.invalidOpcode(number: Int(truncatingIfNeeded: first), cpu: 0))
    }

    /// Begins to record, or stops and forgets.
    mutating func record(limit: Int?) { recorder = limit.map { EventRecorder(limit: $0) } }

    /// The recorded events, which are forgotten then.
    mutating func takeRecorded() -> (events: [TimedEvent], lost: UInt64) {
        guard var taken = recorder else { return ([], 0) }
        recorder = EventRecorder(limit: taken.limit)
        return taken.take()
    }
}

/// Keeps events for whoever fetches them, at most so many.
struct EventRecorder: Sendable {
    let limit: Int
    private var events: [TimedEvent] = []
    private var lost: UInt64 = 0

    init(limit: Int) { self.limit = max(limit, 1) }

    mutating func note(_ event: TimedEvent) {
        if events.count >= limit {
            // A quarter at a time: dropping one would move all others at each event.
            let count = max(limit / 4, 1)
            events.removeFirst(count)
            lost &+= UInt64(count)
        }
        events.append(event)
    }

    mutating func take() -> (events: [TimedEvent], lost: UInt64) { (events, lost) }
}
