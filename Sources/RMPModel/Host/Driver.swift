// SPDX-License-Identifier: Apache-2.0
// The host's RMPOPT driver: the flag that users see, the kernel thread's loop, and when each region's turn is over.

/// The driver of the series.
struct Driver: Sendable {
    /// Ended passes that are remembered.
    static let recordLimit = 64

    let series: Series
    let costs: CostModel
    /// `rmpopt_in_progress` of series v1: set by a request only, cleared at the end of every pass.
    private(set) var flag = false
    private(set) var running: RunningPass?
    /// The last ended passes, oldest first.
    private(set) var records: [PassRecord] = []
    private var passCount: UInt64 = 0
    private var rowsClearedBefore: UInt64 = 0

    init(series: Series, costs: CostModel) {
        self.series = series
        self.costs = costs
    }

    /// A store of 1. With the flag already set, nothing happens; else it is set and the thread is woken, which does
    /// nothing when it is running already: that pass' end clears the flag, and the request is lost.
    ///
    /// Source: series v1 patch 5/6 (cmpxchg 0 -> 1, then wake).
    ///
    /// - Returns: whether a pass began.
    mutating func request(at now: UInt64, _ platform: borrowing Platform, _ topology: Topology) -> Bool {
        if flag { return false }
        flag = true
        return begin(.request, at: now, platform, topology)
    }

    /// Wakes the thread; false when it is running already.
    mutating func begin(
        _ trigger: PassTrigger,
        at now: UInt64,
        _ platform: borrowing Platform,
        _ topology: Topology
    ) -> Bool {
        if running != nil { return false }
        passCount += 1
        let participants: CPUSet =
            switch series.participants {
            case .oneThreadPerCore: topology.firstOnlineThreads
            case .allOnline: topology.online
            }
        var pass = RunningPass(
            record: PassRecord(number: passCount, trigger: trigger, start: now),
            cores: RunningPass.cores(of: participants, topology, platform.rmpopt),
            regionEnd: regionEnd(platform.rmp.regionCount)
        )
        pass.schedule(after: now, platform, costs)
        running = pass
        return true
    }

    /// Ends the turn of the region at work.
    ///
    /// - Returns: when the next region's turn will end; nil when the pass has ended.
    mutating func step(_ platform: inout Platform) -> UInt64? {
        guard var pass = running else { return nil }
        pass.apply(&platform)
        if pass.region < pass.regionEnd {
            pass.schedule(after: pass.due, platform, costs)
            running = pass
            return pass.due
        }
        running = nil
        var record = pass.record
        record.end = pass.due
        record.regionsLost = platform.rmpopt.rowsCleared &- rowsClearedBefore
        rowsClearedBefore = platform.rmpopt.rowsCleared
        if records.count >= Driver.recordLimit { records.removeFirst() }
        records.append(record)
        flag = false
        return nil
    }

    private func regionEnd(_ regionCount: Int) -> Int {
        guard let limit = series.passLimit else { return regionCount }
        return min(regionCount, Int(truncatingIfNeeded: limit >> 30))
    }
}
