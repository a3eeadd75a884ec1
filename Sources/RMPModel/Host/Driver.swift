// SPDX-License-Identifier: Apache-2.0
// The host's RMPOPT driver: when passes begin, what becomes of requests, and when each region's turn is over.

/// What became of a request for a pass.
public enum RequestOutcome: Sendable, Hashable, CaseIterable {
    /// A pass began.
    case begun
    /// A pass is pending and will begin later.
    case scheduled
    /// One was requested or pending already: nothing more comes of this request.
    case absorbed
    /// Series v1 and v2: the thread was awake, so the wake-up did nothing.
    case lost
    /// The version does nothing at this trigger, or the driver is not set up.
    case ignored
}

/// A pass that is pending.
public struct PendingPass: Sendable, Hashable {
    /// When its delay is over, in ns of virtual time.
    public internal(set) var due: UInt64
    /// What asked for it first.
    public let trigger: PassTrigger
    /// Requests since then that started nothing of their own.
    public internal(set) var absorbed: UInt64 = 0
    /// Whether the delay is over and it waits for the running pass to end (a workqueue runs an item once at a time).
    public internal(set) var isQueued = false
}

/// The driver of the series.
struct Driver: Sendable {
    /// Ended passes that are remembered.
    static let recordLimit = 64

    let series: Series
    let costs: CostModel
    private let failures: Set<DriverFailure>
    /// The regions that a pass walks over.
    let range: Range<Int>
    /// `rmpopt_in_progress` of series v1: set by a request only, cleared at the end of every pass.
    private(set) var flag = false
    private(set) var running: RunningPass?
    /// The delayed work item of series v3 and later.
    private(set) var pending: PendingPass?
    /// Until when a thread is awake after its pass.
    private(set) var awakeUntil: UInt64 = 0
    /// Whether the driver is set up: its thread or workqueue exists.
    private(set) var isSetUp = false
    /// Whether the file `rmpopt-table` was made and not removed.
    private(set) var hasTable = false
    /// Whether `action` and `description` are in configfs: series v1 registers them once its thread exists.
    var hasConfigfs: Bool { isSetUp && series.hasConfigfs && !fails(.configfs) }
    /// The primary threads that were online at set-up.
    private(set) var threadsAtSetUp: CPUSet
    /// Whether passes stand still: a fault that a client asked for.
    var isStuck = false
    /// The last ended passes, oldest first.
    private(set) var records: [PassRecord] = []
    private(set) var passCount: UInt64 = 0
    /// How many requests had each outcome.
    private(set) var outcomes: [RequestOutcome: UInt64] = [:]
    private var rowsClearedBefore: UInt64

    /// - Parameter rowsCleared: rows of the tables that RMPUPDATE has cleared before the driver's kernel booted.
    init(_ configuration: MachineConfiguration, rowsCleared: UInt64 = 0) {
        series = configuration.series
        failures = configuration.boot.driverFailures
        rowsClearedBefore = rowsCleared
        costs = configuration.costs
        threadsAtSetUp = CPUSet(limit: configuration.topology.cpuCount)
        let first = Int(truncatingIfNeeded: configuration.memory.start.region)
        let end = configuration.memory.regionCount
        // The proposed windows cover memory beyond 2 TB, so their passes do.
        let limit = configuration.windows == .series ? configuration.series.passLimit : nil
        range = first..<(limit.map { min(end, first + Int(truncatingIfNeeded: $0 >> 30)) } ?? end)
    }

    /// The bytes of the range, as the kernel prints them.
    var bytes: Range<UInt64> { UInt64(range.lowerBound) << 30..<UInt64(range.upperBound) << 30 }

    // MARK: Set-up and clean-up

    /// Whether set-up returns early because it was done before.
    var isGuarded: Bool { series.hasReinitGuard && isSetUp }

    mutating func setUp(_ topology: Topology) {
        isSetUp = true
        hasTable = series.table != nil
        threadsAtSetUp = topology.onlinePrimaryThreads
    }

    /// What `rmpopt_cleanup()` does but for the MSRs.
    ///
    /// Source: series v5 and later: cancel the delayed work and wait for a running pass, destroy the workqueue.
    mutating func cleanUp() {
        pending = nil
        running = nil
        isSetUp = false
        hasTable = false
        flag = false
    }

    // MARK: Requests

    /// Asks for a pass.
    ///
    /// - Returns: what became of it. `begun` and `scheduled` leave something for the caller to put into its queue.
    mutating func request(
        _ trigger: PassTrigger,
        at now: UInt64,
        _ platform: borrowing Platform,
        _ topology: Topology
    ) -> RequestOutcome {
        let outcome = decide(trigger, at: now, platform, topology)
        outcomes[outcome, default: 0] += 1
        return outcome
    }

    private mutating func decide(
        _ trigger: PassTrigger,
        at now: UInt64,
        _ platform: borrowing Platform,
        _ topology: Topology
    ) -> RequestOutcome {
        guard isSetUp, let delay = series.delays[trigger] else { return .ignored }
        switch series.worker {
        case .thread:
            // Series v1 patch 5/6: cmpxchg 0 -> 1, then wake. Only v1 has the flag.
            if trigger == .request && series.hasConfigfs {
                if flag { return .absorbed }
                flag = true
            }
            // Waking a thread that is awake does nothing: it goes to sleep all the same.
            if running != nil || now < awakeUntil { return .lost }
            begin(trigger, at: now, platform, topology)
            return .begun
        case .workqueue(let batching):
            guard var waiting = pending else {
                pending = PendingPass(due: now.addingClamped(delay), trigger: trigger)
                return .scheduled
            }
            waiting.absorbed += 1
            // Our own request is for now: it brings the pending pass forward in every version.
            let moves = batching == .lastRequest || trigger == .request
            if moves && !(trigger == .request && waiting.isQueued) {
                waiting.due = now.addingClamped(delay)
                waiting.isQueued = false
            }
            pending = waiting
            return moves ? .scheduled : .absorbed
        }
    }

    /// Whether each pass finds no memory for its mask.
    var skipsPasses: Bool { fails(.passCPUMask) }

    /// Whether the version asks for something that the kernel has no memory for.
    func fails(_ failure: DriverFailure) -> Bool { failures.contains(failure) && failure.strikes(series) }

    /// The delay of the pending pass is over, and it cannot begin: nothing takes its place.
    mutating func skipPending() { pending = nil }

    /// The delay of the pending pass is over.
    ///
    /// - Returns: whether a pass began; if not, it waits for the running one.
    mutating func fire(at now: UInt64, _ platform: borrowing Platform, _ topology: Topology) -> Bool {
        guard let waiting = pending else { return false }
        if running != nil {
            pending?.isQueued = true
            return false
        }
        pending = nil
        begin(waiting.trigger, at: now, platform, topology)
        return true
    }

    private mutating func begin(
        _ trigger: PassTrigger,
        at now: UInt64,
        _ platform: borrowing Platform,
        _ topology: Topology
    ) {
        passCount += 1
        let participants = participants(topology)
        var record = PassRecord(number: passCount, trigger: trigger, start: now)
        var cores = [UInt64](repeating: 0, count: platform.rmpopt.wordsPerRow)
        participants.forEachRun { run in
            for cpu in run {
                let core = topology.coreOfCPU[cpu]
                if platform.rmpopt.bases[core].isEnabled {
                    cores[core >> 6] |= 1 << UInt64(core & 63)
                } else {
                    record.faultingCPUs += 1
                }
            }
        }
        let turn: PassTurn =
            switch series.order {
            case .leaderFirst: .leader
            case .broadcast: series.participants == .allOnline ? .allThreads : .oneThreadPerCore
            }
        var pass = RunningPass(record: record, cores: cores, turn: turn, range: range)
        pass.schedule(after: now, platform, costs, isContended: false)
        running = pass
    }

    /// The CPUs that a pass which begins now interrupts.
    func participants(_ topology: Topology) -> CPUSet {
        switch series.participants {
        case .firstOnlineThreads: topology.firstOnlineThreads
        case .allOnline: topology.online
        case .primaryThreadsAtSetUp: threadsAtSetUp.intersection(topology.online)
        }
    }

    // MARK: The running pass

    /// Ends the turn of the region at work, and of all further ones that are done at `horizon`.
    ///
    /// - Returns: when the last of them was done, and when the next region's turn will end; nil when the pass has
    ///   ended.
    mutating func step(
        _ platform: inout Platform,
        until horizon: UInt64,
        isContended: Bool
    ) -> (last: UInt64, next: UInt64?)? {
        guard var pass = running else { return nil }
        // So that nothing of it is copied at the first change.
        running = nil
        let progress = pass.run(until: horizon, &platform, costs, isContended: isContended)
        if progress.goesOn {
            running = pass
            return (progress.last, pass.due)
        }
        var record = pass.record
        record.end = progress.last
        record.regionsLost = platform.rmpopt.rowsCleared &- rowsClearedBefore
        rowsClearedBefore = platform.rmpopt.rowsCleared
        if records.count >= Driver.recordLimit { records.removeFirst() }
        records.append(record)
        flag = false
        if series.worker == .thread { awakeUntil = progress.last.addingClamped(costs.threadSleep) }
        return (progress.last, nil)
    }

    /// A pass that was stuck goes on: the region at work is done `delay` later than it would have been.
    mutating func resume(at now: UInt64, _ platform: borrowing Platform) {
        running?.schedule(after: now, platform, costs, isContended: false)
    }
}
