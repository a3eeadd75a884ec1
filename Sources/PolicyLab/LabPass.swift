// SPDX-License-Identifier: Apache-2.0
// A pass over regions whose state is kept as sums: the same turns, times and counts as the machine's, and a few
// nanoseconds a region.

import RMPModel

/// What passes have cost, by the cost model.
public struct PassCounts: Sendable, Hashable {
    /// Passes that have begun.
    public var passes: UInt64 = 0
    /// RMPOPT instructions executed.
    public var executions: UInt64 = 0
    /// Executions that set no new bit.
    public var executionsInVain: UInt64 = 0
    /// Broadcasts.
    public var broadcasts: UInt64 = 0
    /// Interrupts to single CPUs.
    public var interrupts: UInt64 = 0
    /// The longest time for which a core had interrupts off without a break, in ns.
    public var interruptsOffMax: UInt64 = 0
    /// CPU time taken from everything else, in ns.
    public var stolenTime: UInt64 = 0

    mutating func add(_ other: PassCounts) {
        passes += other.passes
        executions += other.executions
        executionsInVain += other.executionsInVain
        broadcasts += other.broadcasts
        interrupts += other.interrupts
        interruptsOffMax = max(interruptsOffMax, other.interruptsOffMax)
        stolenTime += other.stolenTime
    }
}

/// Who executes RMPOPT, in which order, at what cost: the same for all passes of a host.
struct PassPlan: Sendable {
    let order: PassOrder
    let crew: PassOutline
    /// The turn of the others.
    let followers: PassTurn
    let costs: PassCosts
    let broadcast: UInt64
    let instruction: UInt64
    /// How many regions at the start of a pass have their result cached.
    let cached: Int

    init(_ series: Series, _ crew: PassOutline, _ costs: CostModel) {
        order = series.order
        self.crew = crew
        followers =
            switch series.order {
            case .broadcastEachRegion: crew.isCrowded ? .allThreads : .oneThreadPerCore
            case .leaderThenEachRegion: .followers
            case .leaderThenWholeRange: .independent
            }
        self.costs = PassCosts(costs, followers: followers)
        broadcast = costs.broadcast
        instruction = costs.instruction
        cached = crew.hasLeader ? Int(clamping: costs.cachedRegions) : 0
    }

    /// The turn of the region number `index` of the range.
    @inline(__always)
    func turn(isLeader: Bool, index: Int) -> PassCosts.Turn {
        isLeader ? .leader : index < cached ? .cached : .uncached
    }
}

/// A pass under way.
struct LabPass: Sendable {
    let plan: PassPlan
    /// The regions that it visits, ascending, unless it visits all of the range.
    private let list: [Int]
    private let isWhole: Bool
    private let range: Range<Int>
    private let regionCount: Int
    private(set) var isLeading: Bool
    /// The number of the current region among those that it visits.
    private var index = 0
    /// When the current region will be done.
    private(set) var due: UInt64 = 0
    private var cost = TurnCost(total: 0, handler: 0)
    private var interruptsOff: UInt64 = 0

    init(_ plan: PassPlan, _ range: Range<Int>, list: [Int]?) {
        self.plan = plan
        self.list = list ?? []
        isWhole = list == nil
        self.range = range
        regionCount = list?.count ?? range.count
        isLeading = plan.order != .broadcastEachRegion && plan.crew.hasLeader
    }

    var isEmpty: Bool { regionCount == 0 }
    @inline(__always)
    private var region: Int { isWhole ? range.lowerBound + index : list[index] }

    /// Cores at work in this turn that have a region in their window.
    @inline(__always)
    private func coresInside(_ region: Int, _ table: RegionTable) -> Int {
        let crew = table.crew[region]
        if isLeading { return crew.leader ? 1 : 0 }
        return crew.others + (plan.crew.leaderFollows && crew.leader ? 1 : 0)
    }

    /// Works out when the current region will be done, from what is assigned at the beginning of its turn.
    @inline(__always)
    mutating func schedule(after now: UInt64, _ table: inout RegionTable, isContended: Bool) {
        let region = region
        // An empty mask interrupts no CPU.
        if !isLeading && plan.crew.executors == 0 && plan.crew.interrupted == 0 {
            cost = TurnCost(total: 0, handler: 0)
            due = now
            return
        }
        let cores = coresInside(region, table)
        let stop = cores == 0 ? 0 : table.firstAssigned(region)
        let place = region - range.lowerBound
        let turn = plan.turn(isLeader: isLeading, index: place)
        cost = plan.costs.cost(turn, stop: stop, cores: cores, isContended: isContended)
        if !isLeading && plan.followers == .independent && index == 0 { cost.total += plan.broadcast }
        due = now.advanced(clamping: cost.total)
    }

    /// Ends the turn of the current region, and of all further ones that are done by `horizon`.
    ///
    /// - Parameter optimized: is told of each region whose bits are all set now, and when.
    /// - Returns: when the last of them was done, and whether more remain.
    mutating func run(
        until horizon: UInt64,
        _ table: inout RegionTable,
        _ counts: inout PassCounts,
        isContended: Bool,
        visited: (Int) -> Void,
        optimized: (Int, UInt64, inout RegionTable) -> Void
    ) -> (last: UInt64, goesOn: Bool) {
        var last = due
        repeat {
            skip(until: horizon, table, &counts, isContended: isContended)
            if due > horizon { return (last, true) }
            last = due
            let region = region
            var won = 0
            if table.isOptimizable(region) && !table.isWhollySet(region) {
                table.integrals.advance(to: last)
                // A core that leads and follows has set its bit already.
                won = table.set(region, leader: isLeading || plan.crew.leaderFollows, others: !isLeading)
                if won > 0 && table.isWhollySet(region) { optimized(region, last, &table) }
            }
            if !isLeading || plan.crew.otherCores == 0 { visited(region) }
            note(region, won: won, table, &counts)
            index += 1
            if index == regionCount {
                if !isLeading { return (last, false) }
                isLeading = false
                index = 0
            }
            schedule(after: last, &table, isContended: isContended)
        } while due <= horizon
        return (last, true)
    }

    /// Ends the turns of regions of which nothing can be set, in a tight loop: nearly all that a pass visits.
    ///
    /// It stops at a region that waits for its bit, at one whose lowest assigned chunk must be looked for, before the
    /// last one of the turn, and at the horizon.
    private mutating func skip(
        until horizon: UInt64,
        _ table: RegionTable,
        _ counts: inout PassCounts,
        isContended: Bool
    ) {
        let crew = plan.crew
        let executors = isLeading ? 1 : crew.executors
        // The first region of a turn can cost a broadcast.
        if !isWhole || index == 0 || executors == 0 { return }
        let (isLed, all) = (isLeading, isLeading ? 1 : crew.otherCores)
        let isIndependent = plan.followers == .independent
        let keepsInterruptsOff = !isLed || crew.isLeaderCalled
        let first = range.lowerBound
        var (index, due, cost, interruptsOff) = (index, due, cost, interruptsOff)
        var (stolen, longest) = (counts.stolenTime, counts.interruptsOffMax)
        let start = index
        plan.costs.withTable { costs in
            table.withLook { table in
                @inline(__always)
                func inside(_ region: Int) -> Int {
                    let own = table.crew(region)
                    if isLed { return own.leader ? 1 : 0 }
                    return own.others + (crew.leaderFollows && own.leader ? 1 : 0)
                }
                // What changes only with the cores that have the region in their window, and at the last cached region:
                // where in the table the cost stands, how many CPUs pay it, and what the others pay.
                var working = -1
                var (base, payers, rest): (Int, UInt64, UInt64) = (0, 0, 0)
                @inline(__always)
                func look(at index: Int) {
                    let cores = inside(first &+ index)
                    if cores == working && index != plan.cached { return }
                    working = cores
                    let turn = plan.turn(isLeader: isLed, index: index)
                    base = PassCosts.place(turn, stop: 0, cores: working, isContended: isContended)
                    let isMixed = working != 0 && working != all
                    let share = isMixed ? executors * working / all : executors
                    payers = UInt64(share)
                    rest = isMixed ? plan.instruction &* UInt64(executors - share) : 0
                }
                look(at: index)
                while index + 1 < regionCount && due <= horizon {
                    let region = first &+ index
                    guard !table.isWaiting(region), let stop = table.firstAssigned(region &+ 1) else { break }
                    stolen &+= cost.handler &* payers &+ rest
                    interruptsOff = isIndependent && !isLed ? interruptsOff &+ cost.handler : cost.handler
                    if keepsInterruptsOff { longest = max(longest, interruptsOff) }
                    index &+= 1
                    look(at: index)
                    cost = costs[base &+ (working == 0 ? 0 : stop)]
                    due = due.advanced(clamping: cost.total)
                }
            }
        }
        let count = UInt64(index - start)
        self.index = index
        self.due = due
        self.cost = cost
        if !isLed { self.interruptsOff = interruptsOff }
        counts.stolenTime = stolen
        counts.interruptsOffMax = longest
        counts.executions &+= count &* UInt64(executors)
        counts.executionsInVain &+= count &* UInt64(executors)
        if isLed {
            if crew.isLeaderCalled { counts.interrupts &+= count }
        } else if !isIndependent {
            counts.broadcasts &+= count
            counts.interrupts &+= count &* UInt64(crew.interrupted)
        }
    }

    @inline(__always)
    private mutating func note(_ region: Int, won: Int, _ table: RegionTable, _ counts: inout PassCounts) {
        let executors = isLeading ? 1 : plan.crew.executors
        counts.executions &+= UInt64(executors)
        counts.executionsInVain &+= UInt64(executors - won)
        if executors > 0 { counts.stolenTime &+= time(region, executors, table) }
        if isLeading {
            if plan.crew.isLeaderCalled {
                counts.interrupts &+= 1
                counts.interruptsOffMax = max(counts.interruptsOffMax, cost.handler)
            }
            return
        }
        if plan.followers != .independent || index == 0 {
            counts.broadcasts &+= 1
            counts.interrupts &+= UInt64(plan.crew.interrupted)
        }
        if executors == 0 { return }
        interruptsOff = plan.followers == .independent ? interruptsOff &+ cost.handler : cost.handler
        counts.interruptsOffMax = max(counts.interruptsOffMax, interruptsOff)
    }

    /// The cost of the current region, summed over all CPUs that execute RMPOPT: those whose window does not hold it
    /// answer at once.
    @inline(__always)
    private func time(_ region: Int, _ executors: Int, _ table: RegionTable) -> UInt64 {
        let inside = coresInside(region, table)
        let cores = isLeading ? 1 : plan.crew.otherCores
        if inside == 0 || inside == cores { return cost.handler &* UInt64(executors) }
        let working = executors * inside / cores
        return cost.handler &* UInt64(working) &+ plan.instruction &* UInt64(executors - working)
    }
}

extension UInt64 {
    /// The sum, or the largest value: due times must never wrap into the past.
    @inline(__always)
    func advanced(clamping duration: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(duration)
        return overflow ? .max : sum
    }
}
