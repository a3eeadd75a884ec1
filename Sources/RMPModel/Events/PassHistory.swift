// SPDX-License-Identifier: Apache-2.0
// A record of passes and of requests for them, from events alone.

/// The last passes, and the outcomes of requests since the kernel started.
struct PassHistory: Sendable {
    /// The number of ended passes that are kept.
    static let limit = 64

    /// The last ended passes, oldest first.
    private(set) var records: [PassRecord] = []
    /// How many passes have begun.
    private(set) var count: UInt64 = 0
    /// How many requests had each outcome.
    private(set) var outcomes: [RequestOutcome: UInt64] = [:]
    /// Totals over all passes that have ended.
    private(set) var totals = PassTotals()
    /// Regions that RMPUPDATE has un-optimized since the last pass ended.
    private(set) var regionsLost: UInt64 = 0

    mutating func note(_ event: MachineEvent) {
        switch event {
        case .kernelStarted: self = PassHistory()
        case .passRequested(_, let outcome): outcomes[outcome, default: 0] += 1
        case .passBegan: count += 1
        case .regionCleared: regionsLost &+= 1
        case .passEnded(let record):
            if records.count >= PassHistory.limit { records.removeFirst() }
            records.append(record)
            totals.add(record)
            regionsLost = 0
        default: break
        }
    }
}

/// Totals over the ended passes of a kernel.
public struct PassTotals: Sendable, Hashable {
    /// The upper limits of ``durationCounts``, in ns.
    public static let durationLimits: [UInt64] = [
        1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000,
        2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000,
    ]
    /// How many passes took longer than the limit before and not longer than their own; the last has no limit.
    public private(set) var durationCounts = [UInt64](repeating: 0, count: durationLimits.count + 1)
    /// The sum of their durations, in ns.
    package private(set) var nanoseconds: UInt64 = 0
    /// Broadcasts.
    public private(set) var broadcasts: UInt64 = 0
    /// Interrupts to single CPUs.
    public private(set) var interrupts: UInt64 = 0
    /// RMPOPT instructions executed.
    public private(set) var executions: UInt64 = 0
    /// Executions that set no new bit.
    public private(set) var executionsInVain: UInt64 = 0
    /// CPU time taken from everything else, in ns.
    package private(set) var stolenNanoseconds: UInt64 = 0
    /// The longest time for which a core had interrupts off without a break, in ns.
    package private(set) var interruptsOffNanoseconds: UInt64 = 0

    init() {}

    /// Totals that somebody else has added up.
    /// - Parameter durationCounts: one for each of ``durationLimits``, and one more.
    package init(
        durationCounts: [UInt64],
        nanoseconds: UInt64,
        broadcasts: UInt64,
        interrupts: UInt64,
        executions: UInt64,
        executionsInVain: UInt64,
        stolenNanoseconds: UInt64,
        interruptsOffNanoseconds: UInt64
    ) {
        self.durationCounts = durationCounts
        self.nanoseconds = nanoseconds
        self.broadcasts = broadcasts
        self.interrupts = interrupts
        self.executions = executions
        self.executionsInVain = executionsInVain
        self.stolenNanoseconds = stolenNanoseconds
        self.interruptsOffNanoseconds = interruptsOffNanoseconds
    }

    mutating func add(_ record: PassRecord) {
        let time = (record.end ?? record.start) - record.start
        nanoseconds = nanoseconds.addingClamped(time)
        durationCounts[PassTotals.durationLimits.firstIndex { time <= $0 } ?? PassTotals.durationLimits.count] += 1
        broadcasts &+= record.broadcasts
        interrupts &+= record.interrupts
        executions &+= record.executions
        executionsInVain &+= record.executionsInVain
        stolenNanoseconds = stolenNanoseconds.addingClamped(record.stolenNanoseconds)
        interruptsOffNanoseconds = max(interruptsOffNanoseconds, record.interruptsOffNanoseconds)
    }
}
