// SPDX-License-Identifier: Apache-2.0
// A pass under way: one region at a time, each with its own due time, so that a reader can see it half done.

/// A pass that is walking over the range.
///
/// Source: `PassOrder` and `LeaderRule` of the version.
struct RunningPass: Sendable {
    var record: PassRecord
    let crew: PassCrew
    let order: PassOrder
    let range: Range<Int>
    private(set) var turn: PassTurn
    /// The current region.
    private(set) var region: Int
    /// When the current region will be done.
    private(set) var due: UInt64 = 0
    private var cost = RegionCost(broadcast: 0, scan: 0, followers: 0)
    /// The cost of RMPOPT on a core that answers at once.
    private var instruction: UInt64 = 0
    /// Which regions the leader has newly optimized in its turn, from the first of the range on; empty in a pass
    /// without a leader.
    private var leaderWon: [Bool]
    /// Which regions were in the leader's window in its turn; also empty without a leader.
    private var leaderInside: [Bool]
    /// How long a core has had interrupts off since the broadcast.
    private var interruptsOff: UInt64 = 0

    init(record: PassRecord, crew: PassCrew, order: PassOrder, range: Range<Int>) {
        self.record = record
        self.crew = crew
        self.order = order
        self.range = range
        region = range.lowerBound
        turn = order != .broadcastEachRegion ? .leader : crew.isCrowded ? .allThreads : .oneThreadPerCore
        leaderWon = [Bool](repeating: false, count: turn == .leader ? range.count : 0)
        leaderInside = leaderWon
    }

    /// The cores that have their turn now.
    var coresAtWork: CoreSet { turn == .leader ? crew.leaderCores : crew.otherCores }
    /// The CPUs that have their turn now.
    var cpusAtWork: CPUSet {
        guard turn == .leader else { return crew.others }
        return CPUSet(crew.leader.map { $0..<($0 + 1) } ?? 0..<0, limit: crew.others.limit)
    }
    /// When the CPUs that have their turn now have interrupts off: while a call runs on them (Linux kernel/smp.c).
    var interruptsOffAtWork: InterruptsOff {
        switch turn {
        case .leader: crew.isLeaderCalled ? .eachRegion : .never
        case .independent: .wholeTurn
        case .followers, .oneThreadPerCore, .allThreads: .eachRegion
        }
    }
    /// Whether interrupts are on at the CPU that runs the pass.
    var isInterruptible: Bool { turn == .leader || order != .leaderThenWholeRange }
    /// Whether no CPU has a turn now, and how many CPUs execute RMPOPT in the turn.
    var isIdle: Bool { turn == .leader ? crew.leader == nil : crew.others.isEmpty }
    private var executors: Int { turn == .leader ? (crew.leaderCores.isEmpty ? 0 : 1) : crew.executors }
    /// Whether a broadcast is sent at the current region.
    private var isBroadcast: Bool {
        switch turn {
        case .leader: false
        case .independent: region == range.lowerBound
        case .followers, .oneThreadPerCore, .allThreads: true
        }
    }

    /// Works out when the current region will be done, from the contents of the RMP at the beginning of its turn.
    mutating func schedule(after now: UInt64, _ platform: borrowing Platform, _ costs: CostModel, isContended: Bool) {
        // An empty mask interrupts no CPU.
        if isIdle {
            cost = RegionCost(broadcast: 0, scan: 0, followers: 0)
            due = now
            return
        }
        cost = costs.region(
            turn,
            firstAssignedChunk: platform.rmp.firstAssignedChunk(ofRegion: region),
            cores: platform.rmpopt.coresWithWindow(over: region, of: coresAtWork),
            isCached: isCached(region, costs),
            isContended: isContended
        )
        if turn == .independent && isBroadcast { cost.broadcast = costs.broadcast }
        instruction = costs.instruction
        due = now.addingClamped(cost.total)
    }

    /// Whether the others find the leader's result for a region.
    func isCached(_ region: Int, _ costs: CostModel) -> Bool {
        !crew.leaderCores.isEmpty && UInt64(region - range.lowerBound) < costs.cachedRegions
    }

    /// Ends the turn of the current region, and of all further ones that are done by `horizon`; until then only the
    /// pass changes anything.
    ///
    /// - Returns: when the last of them was done, and whether more remain.
    mutating func run(
        until horizon: UInt64,
        _ platform: inout Platform,
        _ costs: CostModel,
        isContended: Bool
    ) -> (last: UInt64, goesOn: Bool) {
        var last: UInt64
        repeat {
            last = due
            platform.events.time = last
            if !apply(&platform) { return (last, false) }
            schedule(after: last, platform, costs, isContended: isContended)
            if let skipped = skipOutside(until: horizon, platform) {
                last = skipped
                schedule(after: last, platform, costs, isContended: isContended)
            }
        } while due <= horizon
        return (last, true)
    }

    /// Ends the turns of regions outside every window that are done by `horizon`, except the last of the range. They do
    /// not change, and each costs the same as the current one; so they are counted, not visited.
    ///
    /// - Returns: when the last of them was done; nil if there are none.
    private mutating func skipOutside(until horizon: UInt64, _ platform: borrowing Platform) -> UInt64? {
        guard due <= horizon, turn != .independent || !isBroadcast else { return nil }
        var count = min(platform.rmpopt.regionsOutside(from: region), range.upperBound - 1 - region)
        if cost.total > 0 { count = Int(clamping: min(UInt64(clamping: count), (horizon - due) / cost.total + 1)) }
        guard count > 0 else { return nil }
        let times = UInt64(count)
        note(regions: times, won: 0, platform)
        if turn != .leader {
            let blocked = platform.rmp.blockedRegions(in: region..<(region + count))
            record.regionsScanned += count
            // Once in the leader's window, now in none: SNP_EN was cleared in the middle of the pass.
            let kept = leaderInside.isEmpty ? 0 : (region..<(region + count)).count { wasInside($0, platform) }
            record.regionsBlocked += blocked
            record.regionsKept += kept
            record.regionsOutside += count - blocked - kept
        }
        region += count
        return due.addingClamped(cost.total.multipliedClamped(by: times - 1))
    }

    private func wasInside(_ region: Int, _ platform: borrowing Platform) -> Bool {
        leaderInside[region - range.lowerBound] && platform.rmp.isOptimizable(region)
    }

    /// Counts the cost of some regions, each the same as the current one, and the new bits.
    private mutating func note(regions times: UInt64, won: Int, _ platform: borrowing Platform) {
        record.broadcastNanoseconds = record.broadcastNanoseconds.addingClamped(
            cost.broadcast.multipliedClamped(by: times)
        )
        record.scanNanoseconds = record.scanNanoseconds.addingClamped(cost.scan.multipliedClamped(by: times))
        record.followerNanoseconds = record.followerNanoseconds.addingClamped(
            cost.followers.multipliedClamped(by: times)
        )
        let executions = UInt64(executors) * times
        record.executions &+= executions
        record.executionsInVain &+= executions - UInt64(won)
        if executors > 0 {
            let each = times.multipliedClamped(by: time(ofAll: platform))
            record.stolenNanoseconds = record.stolenNanoseconds.addingClamped(each)
        }
        if turn == .leader {
            if crew.isLeaderCalled {
                record.interrupts &+= times
                if executors > 0 {
                    record.interruptsOffNanoseconds = max(record.interruptsOffNanoseconds, cost.handler)
                }
            }
            return
        }
        if isBroadcast {
            record.broadcasts &+= times
            record.interrupts &+= UInt64(crew.interrupted) * times
        }
        if executors == 0 { return }
        interruptsOff =
            turn == .independent
            ? interruptsOff.addingClamped(cost.handler.multipliedClamped(by: times)) : cost.handler
        record.interruptsOffNanoseconds = max(record.interruptsOffNanoseconds, interruptsOff)
    }

    /// The cost of the current region, summed over all CPUs that execute RMPOPT: those whose window does not hold it
    /// answer at once.
    private func time(ofAll platform: borrowing Platform) -> UInt64 {
        let cores = coresAtWork.count
        let inside = platform.rmpopt.coresWithWindow(over: region, of: coresAtWork)
        if inside == 0 || inside == cores { return cost.handler.multipliedClamped(by: UInt64(executors)) }
        let working = executors * inside / cores
        let idle = instruction.multipliedClamped(by: UInt64(executors - working))
        return cost.handler.multipliedClamped(by: UInt64(working)).addingClamped(idle)
    }

    /// Executes RMPOPT for the current region on the cores whose turn it is, and moves on to the next region.
    ///
    /// - Returns: whether there is a next one.
    private mutating func apply(_ platform: inout Platform) -> Bool {
        let isBlocked = !platform.rmp.isOptimizable(region)
        let won = isBlocked ? 0 : platform.rmpopt.set(region: region, cores: coresAtWork)
        if won > 0 && platform.events.isRecorded { platform.events.publish(.regionOptimized(region, cores: won)) }
        note(regions: 1, won: won, platform)
        if turn == .leader {
            if won > 0 { leaderWon[region - range.lowerBound] = true }
            leaderInside[region - range.lowerBound] =
                platform.rmpopt.coresWithWindow(over: region, of: crew.leaderCores) > 0
        } else {
            record.regionsScanned += 1
            let leader = !leaderWon.isEmpty && leaderWon[region - range.lowerBound]
            let isInside = !leaderInside.isEmpty && leaderInside[region - range.lowerBound]
            if isBlocked {
                record.regionsBlocked += 1
            } else if !isInside && platform.rmpopt.coresWithWindow(over: region, of: crew.otherCores) == 0 {
                record.regionsOutside += 1
            } else if won > 0 || leader {
                record.regionsWon += 1
            } else {
                record.regionsKept += 1
            }
        }
        region += 1
        if region < range.upperBound { return true }
        guard turn == .leader else { return false }
        turn = order == .leaderThenWholeRange ? .independent : .followers
        region = range.lowerBound
        platform.events.publish(.passTurn(number: record.number, turn, interruptsOffAtWork, cpusAtWork))
        return true
    }
}
