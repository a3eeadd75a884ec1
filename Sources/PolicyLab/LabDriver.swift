// SPDX-License-Identifier: Apache-2.0
// The driver's decisions about requests, as the machine's driver takes them, for triggers that need not be a version's.

import RMPModel

/// Decides what a request leads to.
struct LabDriver: Sendable {
    let trigger: Trigger
    let plan: PassPlan
    private let costs: CostModel
    let range: Range<Int>
    private(set) var running: LabPass? {
        didSet { runningDue = running?.due ?? .max }
    }
    /// When the running pass is done with its region: asked for at every event, where a copy of the pass would cost.
    private var runningDue: UInt64 = .max
    /// When the pending pass begins; nil for none.
    private(set) var pendingDue: UInt64?
    /// Whether its delay is over and it waits for the running pass to end.
    private var isQueued = false
    private var awakeUntil: UInt64 = 0
    /// Regions of which pages went back since they were last visited.
    private var dirty: [Bool]
    private var dirtyCount = 0
    private(set) var counts = PassCounts()

    init(_ trigger: Trigger, _ outline: HostOutline, _ costs: CostModel) {
        self.trigger = trigger
        self.costs = costs
        plan = PassPlan(trigger.series, outline.crew, costs)
        range = outline.range
        dirty = [Bool](repeating: false, count: outline.firstAssigned.count)
    }

    /// When the driver has something to do next; .max for nothing. In the same ns a region's turn comes first.
    var next: UInt64 { min(runningDue, isQueued ? .max : pendingDue ?? .max) }

    /// Notes that pages of a region went back.
    @inline(__always)
    mutating func noteReturn(_ region: Int) {
        if trigger.scope == .dirty && !dirty[region] && range.contains(region) {
            dirty[region] = true
            dirtyCount += 1
        }
    }

    /// Counts from now on.
    mutating func resetCounts() { counts = PassCounts() }

    /// Requests a pass.
    mutating func request(_ request: Trigger.Request, at now: UInt64, _ table: inout RegionTable) {
        if trigger.series.worker == .thread {
            // Waking a thread that is awake does nothing.
            if running == nil && now >= awakeUntil { begin(at: now, &table) }
            return
        }
        if pendingDue == nil {
            pendingDue = now.advanced(clamping: request.delay)
            isQueued = false
        } else if request.batching == .lastRequest {
            pendingDue = now.advanced(clamping: request.delay)
            isQueued = false
        }
    }

    private mutating func begin(at now: UInt64, _ table: inout RegionTable) {
        var list: [Int]?
        if trigger.scope == .dirty {
            list = dirtyCount == 0 ? [] : range.filter { dirty[$0] }
        }
        var pass = LabPass(plan, range, list: list)
        if pass.isEmpty { return }
        counts.passes += 1
        pass.schedule(after: now, &table, isContended: false)
        running = pass
    }

    private mutating func fire(at now: UInt64, _ table: inout RegionTable) {
        if running != nil {
            isQueued = true
            return
        }
        pendingDue = nil
        isQueued = false
        begin(at: now, &table)
    }

    /// Does what is due at `next`, and what else the running pass does by `horizon`.
    mutating func step(
        until horizon: UInt64,
        _ table: inout RegionTable,
        isContended: Bool,
        optimized: (Int, UInt64, inout RegionTable) -> Void
    ) {
        guard var pass = running, pass.due <= (isQueued ? .max : pendingDue ?? .max) else {
            if let due = pendingDue, !isQueued { fire(at: due, &table) }
            return
        }
        running = nil
        var limit = horizon
        if !isQueued, let pendingDue { limit = min(limit, pendingDue) }
        let usesDirty = trigger.scope == .dirty
        let progress = pass.run(
            until: max(limit, pass.due),
            &table,
            &counts,
            isContended: isContended,
            visited: { region in
                // A region that is visited while pages of it are assigned becomes dirty again when these go back.
                if usesDirty && dirty[region] {
                    dirty[region] = false
                    dirtyCount -= 1
                }
            },
            optimized: optimized
        )
        if progress.goesOn {
            running = pass
            return
        }
        if trigger.series.worker == .thread { awakeUntil = progress.last.advanced(clamping: costs.threadSleep) }
        if isQueued { fire(at: progress.last, &table) }
    }
}
