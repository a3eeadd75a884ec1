// SPDX-License-Identifier: Apache-2.0
// The only way to learn what happened: code that does something publishes it, and consumers take what they want. No
// part looks inside another for it.

/// The stream of a machine's events, with its consumers.
struct EventStream: Sendable {
    /// The version whose kernel writes the log.
    private var series: Series { _read { yield boxedSeries.value } }
    private let boxedSeries: Boxed<Series>
    /// The current time, in ns; the code that advances time sets it.
    var time: UInt64 = 0

    // The consumers that every machine has.
    private(set) var log = KernelLog()
    private(set) var passes = PassHistory()
    private(set) var history = EventLog()
    /// How many #UD faults the kernel has taken by executing RMPOPT on a core whose RMPOPT_EN is 0.
    private(set) var opcodeFaults: UInt64 = 0
    /// Grows with each event that can change a text about CPUs or windows.
    private(set) var generation: UInt64 = 0
    /// The consumer that only some machines have.
    private(set) var recorder: EventRecorder?

    init(series: Series) { boxedSeries = Boxed(series) }

    /// Whether anyone wants the events that only a recording uses.
    var isRecorded: Bool { recorder != nil }

    /// Passes an event to all consumers.
    mutating func publish(_ event: MachineEvent) {
        log.note(event, at: time)
        passes.note(event)
        history.note(event, at: time)
        switch event {
        case .undefinedOpcodes(let count): opcodeFaults &+= UInt64(count)
        case .cpuOnline, .snpEnabled, .passesCancelled: generation &+= 1
        default: break
        }
        recorder?.note(TimedEvent(time: time, event: event))
    }

    /// Ends what a command has begun.
    mutating func settle() { history.settle() }

    /// Makes the kernel write a line, if its version has it.
    ///
    /// - Returns: whether it does.
    @discardableResult
    mutating func say(_ message: KernelMessage) -> Bool {
        guard let level = message.level(in: series) else { return false }
        publish(.line(level, message.text(in: series)))
        return true
    }

    /// CPUs that executed RMPOPT with RMPOPT_EN 0: a #UD each, of which the kernel's log shows the first.
    mutating func noteFaults(_ count: Int) {
        if count == 0 { return }
        let first = opcodeFaults &+ 1
        publish(.undefinedOpcodes(count))
        say(.invalidOpcode(number: Int(truncatingIfNeeded: first), cpu: 0))
    }

    /// Starts recording, or stops and forgets.
    mutating func record(limit: Int?) { recorder = limit.map { EventRecorder(limit: $0) } }

    /// Returns the recorded events and forgets them.
    mutating func takeRecorded() -> (events: [TimedEvent], lost: UInt64) {
        guard var taken = recorder else { return ([], 0) }
        recorder = EventRecorder(limit: taken.limit)
        return taken.take()
    }
}

/// Keeps a limited number of events until they are fetched.
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
