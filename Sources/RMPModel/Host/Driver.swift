// SPDX-License-Identifier: Apache-2.0
// The host's RMPOPT driver: when passes begin, what requests lead to, when each region's turn ends. It owns its
// schedule: the code that advances time asks when the next step is due and runs it, without knowing what it is.

/// The outcome of a request for a pass.
public enum RequestOutcome: Sendable, Hashable, CaseIterable {
    /// A pass began.
    case begun
    /// A pass is pending and will begin later.
    case scheduled
    /// A pass was already requested or pending: this request has no further effect.
    case absorbed
    /// Series v1 and v2: the thread was awake, so the wake-up did nothing.
    case lost
    /// This version does nothing at this trigger, or the driver is not set up.
    case ignored
}

/// A pass that is pending.
public struct PendingPass: Sendable, Hashable {
    /// When its delay is over, in ns of virtual time.
    public internal(set) var due: UInt64
    /// What requested it first.
    public let trigger: PassTrigger
    /// Later requests that started nothing of their own.
    public internal(set) var absorbed: UInt64 = 0
    /// Whether the delay is over and it waits for the running pass to end (a workqueue never runs an item twice at
    /// once).
    public internal(set) var isQueued = false
}

/// The driver of the series.
struct Driver: Sendable {
    var series: Series { _read { yield boxedSeries.value } }
    private let boxedSeries: Boxed<Series>
    let costs: CostModel
    private let failures: Set<DriverFailure>
    /// The CPU on which work runs while it is online.
    private let workerCPU: Int
    /// The regions that the driver may ever walk over, from the start of memory to its end.
    private let regions: (first: Int, limit: Int?)
    /// The regions that a pass walks over.
    private(set) var range: Range<Int>
    /// `rmpopt_in_progress` of series v1: set only by a request, cleared at the end of every pass.
    private(set) var flag = false
    private(set) var running: RunningPass?
    /// The delayed work item of versions with a workqueue.
    private(set) var pending: PendingPass?
    /// Until when a thread stays awake after its pass.
    private(set) var awakeUntil: UInt64 = 0
    /// Whether the driver is set up: its thread or workqueue exists.
    private(set) var isSetUp = false
    /// Whether the file `rmpopt-table` was made and has not been removed.
    private(set) var hasDebugfsTable = false
    /// How many tables have existed: one that is removed and made again counts as a new one.
    private(set) var debugfsTablesMade = 0
    /// Whether configfs has `action` and `description`: series v1 registers them once its thread exists.
    var hasConfigfs: Bool { isSetUp && series.hasConfigfs && !fails(.configfs) }
    /// The CPUs that take part in passes, in versions that decide it at set-up.
    private(set) var mask: CPUSet
    /// Whether passes are held: a fault that a client requested.
    private(set) var isStuck = false
    /// When the running pass will have kept a per-CPU worker's CPU for so long that the workqueue complains.
    private var hogDue: UInt64?
    private var hogs: UInt64 = 0

    /// How long a per-CPU worker may keep its CPU: `wq_cpu_intensive_thresh_us`, 10 ms.
    private static let hogThreshold: UInt64 = 10_000_000
    /// The number of times from which the workqueue complains: `wq_cpu_intensive_warning_thresh`.
    private static let hogWarnings: UInt64 = 4

    init(_ configuration: MachineConfiguration) {
        boxedSeries = Boxed(configuration.series)
        failures = configuration.boot.driverFailures
        workerCPU = configuration.boot.workerCPU
        costs = configuration.costs
        mask = CPUSet(limit: configuration.topology.cpuCount)
        let first = configuration.memory.start.region
        // The proposed windows cover memory beyond 2 TB, and so do their passes.
        let limit = configuration.windows == .series ? configuration.series.passLimit : nil
        regions = (first, limit.map { first + Int(truncatingIfNeeded: $0 >> 30) })
        range = first..<first
    }

    /// The range in bytes, as the kernel prints it.
    var bytes: Range<UInt64> { UInt64(range.lowerBound) << 30..<UInt64(range.upperBound) << 30 }

    // MARK: Set-up and clean-up

    /// Whether set-up returns early because it has already been done.
    var isGuarded: Bool { series.hasReinitGuard && isSetUp }

    /// - Parameter endOfMemory: the region after the last.
    mutating func setUp(_ topology: Topology, at moment: Moment, endOfMemory: Int) {
        isSetUp = true
        // INIT_DELAYED_WORK(): a second set-up (v4) forgets the pending pass.
        pending = nil
        if series.debugfsTable?.creation == moment {
            if !hasDebugfsTable { debugfsTablesMade += 1 }
            hasDebugfsTable = true
        }
        if series.rangeMoment == moment {
            range = regions.first..<max(regions.first, min(endOfMemory, regions.limit ?? endOfMemory))
        }
        if series.maskMoment == .setUp { mask = mask.union(topology.select(series.passCPUs)) }
    }

    /// What the version cleans up at a shutdown that clears SNP_EN, except for registers.
    mutating func cleanUp(_ events: inout EventStream) {
        switch series.cleanUp {
        case .none: return
        case .cancelOnly: cancel(&events)
        case .all:
            cancel(&events)
            isSetUp = false
            if series.debugfsTable?.isRemoved == true { hasDebugfsTable = false }
            mask = CPUSet(limit: mask.limit)
            range = regions.first..<regions.first
        }
    }

    /// Abandons the running and the pending pass.
    mutating func cancel(_ events: inout EventStream) {
        pending = nil
        running = nil
        hogDue = nil
        flag = false
        awakeUntil = min(awakeUntil, events.time)
        sleepDue = nil
        events.publish(.passesCancelled)
    }

    /// Whether the version asks for something that the kernel cannot allocate.
    func fails(_ failure: DriverFailure) -> Bool { failures.contains(failure) && failure.strikes(series) }

    // MARK: Schedule

    private enum Task { case region, pending, sleep }

    /// What is due next; in the same nanosecond a region's turn comes before the pending pass.
    private var nextTask: (due: UInt64, task: Task)? {
        var next: (due: UInt64, task: Task)?
        func offer(_ due: UInt64?, _ task: Task) {
            if let due, next.map({ due < $0.due }) ?? true { next = (due, task) }
        }
        if !isStuck { offer(running?.due, .region) }
        if let pending, !pending.isQueued { offer(pending.due, .pending) }
        offer(sleepDue, .sleep)
        return next
    }

    /// When a thread whose pass has ended goes to sleep, if that is still to come.
    private var sleepDue: UInt64?

    /// When the driver next has something to do, in ns; nil if nothing.
    var next: UInt64? { nextTask?.due }

    /// When the driver next does something other than a region's turn; nil if nothing.
    var nextMoment: UInt64? {
        let waiting = pending.flatMap { $0.isQueued ? nil : $0.due }
        return [waiting, sleepDue, running == nil || isStuck ? nil : hogDue].compactMap { $0 }.min()
    }

    /// Does what is due next, and all further turns of regions that end by `horizon`; until then nothing else changes
    /// anything.
    ///
    /// - Returns: when the last of it was done.
    mutating func step(
        until horizon: UInt64,
        _ platform: inout Platform,
        _ topology: Topology,
        isContended: Bool
    ) -> UInt64 {
        guard let (due, task) = nextTask else { return platform.events.time }
        switch task {
        case .region:
            var limit = horizon
            if let pending, !pending.isQueued { limit = min(limit, pending.due) }
            if let hogDue { limit = min(limit, hogDue) }
            return walk(until: max(limit, due), &platform, topology, isContended: isContended)
        case .pending: fire(&platform, topology)
        case .sleep:
            sleepDue = nil
            platform.events.publish(.threadSlept)
        }
        return due
    }

    // MARK: Requests

    /// Requests a pass and publishes the outcome.
    mutating func request(_ trigger: PassTrigger, _ platform: inout Platform, _ topology: Topology) -> RequestOutcome {
        let outcome = decide(trigger, &platform, topology)
        platform.events.publish(.passRequested(trigger, outcome))
        if outcome == .begun { begin(trigger, &platform, topology) }
        return outcome
    }

    private mutating func decide(
        _ trigger: PassTrigger,
        _ platform: inout Platform,
        _ topology: Topology
    ) -> RequestOutcome {
        guard isSetUp, let request = series.request(at: trigger) else { return .ignored }
        let now = platform.events.time
        if series.worker == .thread {
            // Series v1 patch 5/6: cmpxchg 0 -> 1, then wake.
            if trigger == .request && series.hasProgressFlag {
                if flag { return .absorbed }
                flag = true
            }
            // Waking a thread that is awake does nothing: it still goes to sleep.
            return running != nil || now < awakeUntil ? .lost : .begun
        }
        guard var waiting = pending else {
            pending = PendingPass(due: now.addingClamped(request.delay), trigger: trigger)
            return .scheduled
        }
        waiting.absorbed += 1
        let moves = request.batching == .lastRequest
        // A user's request means now: a pass that waits for the running one need not be brought forward.
        if moves && !(trigger == .request && waiting.isQueued) {
            waiting.due = now.addingClamped(request.delay)
            waiting.isQueued = false
        }
        pending = waiting
        return moves ? .scheduled : .absorbed
    }

    // MARK: Passes

    /// The delay of the pending pass is over: the pass begins, or waits for the running one.
    private mutating func fire(_ platform: inout Platform, _ topology: Topology) {
        guard let waiting = pending else { return }
        if running != nil {
            pending?.isQueued = true
            return
        }
        pending = nil
        begin(waiting.trigger, &platform, topology)
    }

    /// The CPUs that take part in a pass that begins now.
    private mutating func passMask(_ topology: Topology) -> CPUSet {
        switch series.maskMoment {
        case .setUp: return mask.intersection(topology.online)
        case .pass: return topology.select(series.passCPUs)
        case .passAndBefore:
            mask = mask.union(topology.select(series.passCPUs))
            return mask.intersection(topology.online)
        }
    }

    private mutating func begin(_ trigger: PassTrigger, _ platform: inout Platform, _ topology: Topology) {
        let skips = fails(.passCPUMask)
        if series.announcesFirst || !skips { platform.events.say(.passBegins(bytes)) }
        if skips {
            platform.events.say(.passSkipped)
            return
        }
        let number = platform.events.passes.count + 1
        let crew = PassCrew(series, mask: passMask(topology), workerCPU: workerCPU, platform, topology)
        if case .anyCPU(joinsMask: true) = series.leader { mask.insert(crew.sender) }
        platform.events.publish(.passBegan(number: number, trigger))
        platform.events.noteFaults(crew.faulting)
        let now = platform.events.time
        var record = PassRecord(number: number, trigger: trigger, start: now)
        record.faultingCPUs = crew.faulting
        if range.isEmpty {
            end(record, at: now, &platform, topology)
            return
        }
        var pass = RunningPass(record: record, crew: crew, order: series.order, range: range)
        pass.schedule(after: now, platform, costs, isContended: false)
        platform.events.publish(.passTurn(number: number, pass.turn, pass.interruptsOffAtWork, pass.cpusAtWork))
        running = pass
        if series.worker == .perCPUWorkqueue { hogDue = now.addingClamped(Driver.hogThreshold) }
    }

    /// Ends the turn of the current region, and of all further ones that are done by `horizon`.
    private mutating func walk(
        until horizon: UInt64,
        _ platform: inout Platform,
        _ topology: Topology,
        isContended: Bool
    ) -> UInt64 {
        guard var pass = running else { return platform.events.time }
        // Avoids a copy at the first change.
        running = nil
        let progress = pass.run(until: horizon, &platform, costs, isContended: isContended)
        if progress.goesOn {
            running = pass
            // The timer's tick finds interrupts off during the broadcast, until the pass has ended.
            if let hogDue, progress.last >= hogDue, pass.isInterruptible { noteHog(&platform.events) }
        } else {
            end(pass.record, at: progress.last, &platform, topology)
        }
        return progress.last
    }

    private mutating func end(
        _ ended: PassRecord,
        at time: UInt64,
        _ platform: inout Platform,
        _ topology: Topology
    ) {
        var record = ended
        record.end = time
        record.regionsLost = platform.events.passes.regionsLost
        platform.events.publish(.passEnded(record))
        if hogDue != nil && time - record.start >= Driver.hogThreshold { noteHog(&platform.events) }
        hogDue = nil
        flag = false
        if series.worker == .thread {
            awakeUntil = time.addingClamped(costs.threadSleep)
            if awakeUntil > time { sleepDue = awakeUntil }
        }
        // Runs the work item that waited for this run to end.
        if pending?.isQueued == true { fire(&platform, topology) }
    }

    /// The workqueue counts a worker that keeps its CPU for too long, and complains at the 4th, 5th, 7th, 11th ...
    /// time.
    ///
    /// Source: Linux kernel/workqueue.c, wq_cpu_intensive_report(); unbound workqueues are exempt. That the kernel is
    /// built with CONFIG_WQ_CPU_INTENSIVE_REPORT is a choice.
    private mutating func noteHog(_ events: inout EventStream) {
        hogDue = nil
        hogs += 1
        let over = hogs &+ 1 &- Driver.hogWarnings
        if hogs >= Driver.hogWarnings && over.nonzeroBitCount == 1 { events.say(.hogged(times: hogs)) }
    }

    // MARK: Faults that clients ask for

    /// While held, passes neither continue nor end; after that the current region starts over.
    mutating func hold(_ holds: Bool, _ platform: borrowing Platform) {
        if holds == isStuck { return }
        isStuck = holds
        if !holds { running?.schedule(after: platform.events.time, platform, costs, isContended: false) }
    }
}
