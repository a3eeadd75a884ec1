// SPDX-License-Identifier: Apache-2.0
// A pass of the naive model: one region after the other, each CPU at work executing RMPOPT for itself.

@testable import RMPModel

/// A pass under way or ended.
struct NaivePass: Sendable, Hashable {
    var number: UInt64
    var trigger: PassTrigger
    var start: UInt64
    var end: UInt64?
    var scanned = 0
    var won = 0
    var kept = 0
    var blocked = 0
    var outside = 0
    var lost: UInt64 = 0
    var broadcasts: UInt64 = 0
    /// CPUs that took a #UD.
    var faulting: Set<Int> = []
    var executions: UInt64 = 0
    var executionsInVain: UInt64 = 0
    var interrupts: UInt64 = 0
    var interruptsOffNanoseconds: UInt64 = 0
    var stolen: UInt64 = 0
    var broadcastNanoseconds: UInt64 = 0
    var scanNanoseconds: UInt64 = 0
    var followerNanoseconds: UInt64 = 0

    var range: Range<Int>
    /// Whether the leader or the first scanner is at work, rather than a broadcast.
    var isLed: Bool
    /// The region at work.
    var region: Int
    /// The CPU that the worker runs on, and the one that leads.
    var worker: Int
    var leader: Int?
    /// Whether the leader was in the mask and has to be put back.
    var putsBack = false
    /// Whom a broadcast reaches.
    var followers: Set<Int> = []
    /// Whether a CPU executed RMPOPT for a region outside its window: how long that takes is not compared.
    var hasOutsider = false
    /// What the region at work costs.
    var cost = NaiveCost()
    /// Regions that the leader won, and those that are in its window.
    var ledWon: Set<Int> = []
    var ledInside: Set<Int> = []
    /// How long each CPU has had interrupts off in the one broadcast of a first scanner's pass.
    var stretches: [Int: UInt64] = [:]
    /// When the turn at work will be over.
    var due: UInt64 = 0

    /// The CPUs at work.
    var cpus: [Int] { isLed ? leader.map { [$0] } ?? [] : followers.sorted() }
}

/// What a region takes in one turn.
struct NaiveCost: Sendable, Hashable {
    /// Sending interrupts and waiting.
    var broadcast: UInt64 = 0
    var scan: UInt64 = 0
    var followers: UInt64 = 0
    /// How long a CPU works on a region inside its window, and on one outside.
    var inside: UInt64 = 0
    var outside: UInt64 = 0
    var total: UInt64 { broadcast + scan + followers }
}

extension NaiveMachine {
    // MARK: Begin

    mutating func beginPass(_ trigger: PassTrigger) {
        if setup.facts.allocatesPassMask && setup.configuration.boot.driverFailures.contains(.passCPUMask) { return }
        passCount += 1
        let worker = workerCPU
        let isLed = setup.facts.walk == .leader || setup.facts.walk == .scanner
        var pass = NaivePass(
            number: passCount,
            trigger: trigger,
            start: now,
            range: range,
            isLed: isLed,
            region: range.lowerBound,
            worker: worker
        )
        if isLed { pass.leader = worker }
        let siblings = online.filter { core($0) == core(worker) }
        switch setup.facts.leader {
        case .none: break
        case .putIn:
            mask.remove(worker)
            pass.followers = mask
        case .putBack:
            pass.putsBack = mask.remove(worker) != nil
            pass.followers = mask
        case .checked:
            if mask.contains(worker) {
                pass.followers = mask.subtracting([worker])
            } else if !mask.isDisjoint(with: siblings) {
                pass.followers = mask.subtracting(siblings)
            } else {
                pass.leader = mask.min()
                pass.followers = mask.subtracting(pass.leader.map { [$0] } ?? [])
            }
        case .withoutSiblings: pass.followers = mask.subtracting(siblings)
        }
        // The thread of v1 sets bits in its mask and never clears it.
        if setup.facts.walk == .firstThreads { mask.formUnion(firstThreads) }
        switch setup.facts.walk {
        case .firstThreads: pass.followers = mask
        case .allOnline: pass.followers = online
        case .leader: break
        case .scanner: pass.followers = onlinePrimaries
        }
        // A choice of the model: the code masks each broadcast with the CPUs online at that time; here, the CPUs online
        // when the pass begins stay in it to the end, and take their #UD at the start.
        pass.followers.formIntersection(online)
        pass.faulting = pass.followers.union(pass.leader.map { [$0] } ?? []).filter { !executesRMPOPT($0) }
        opcodeFaults += UInt64(pass.faulting.count)
        self.pass = pass
        beginTurn(at: now, isContended: false)
    }

    /// Begins the next region's turn, whose length follows from what the RMP holds now.
    private mutating func beginTurn(at time: UInt64, isContended: Bool) {
        guard let cost = pass.map({ cost($0, isContended: isContended) }) else { return }
        pass?.cost = cost
        pass?.due = time + cost.total
    }

    // MARK: Cost

    /// Source: docs/fidelity.md, "The cost model".
    private func cost(_ pass: NaivePass, isContended: Bool) -> NaiveCost {
        let costs = setup.configuration.costs
        if pass.cpus.isEmpty { return NaiveCost() }
        // A #UD takes as long as an instruction that stops at once.
        let executing = pass.cpus.filter { !pass.faulting.contains($0) }
        let cores = Set(executing.map(core)).filter { rmpoptTables.isInWindow(pass.region, $0) }.count
        let chunks = cores == 0 ? 0 : UInt64(rmp.firstAssignedChunk(ofRegion: pass.region) ?? 512)
        func slower(_ time: UInt64) -> UInt64 { isContended ? time * (100 + costs.teardownContention) / 100 : time }
        func part(_ whole: UInt64) -> UInt64 { whole * chunks / 512 }
        var cost = NaiveCost()
        cost.outside = slower(costs.instruction)
        if pass.isLed {
            cost.scan = slower(part(costs.fullScan) + costs.instruction)
            cost.inside = cost.scan
            return cost
        }
        switch setup.facts.walk {
        case .leader:
            cost.broadcast = slower(costs.broadcast)
            cost.followers = slower(part(costs.contendedFollower) + costs.instruction)
        case .scanner:
            let number = UInt64(pass.region - pass.range.lowerBound)
            if number == 0 { cost.broadcast = costs.broadcast }
            // Nothing is cached where the first scanner took a #UD.
            let isCached = number < costs.cachedRegions && !pass.faulting.contains(pass.leader ?? -1)
            let whole = isCached ? costs.independentFollower : costs.fullScan
            cost.followers = slower(part(whole) + costs.instruction)
        case .firstThreads, .allOnline:
            cost.broadcast = slower(costs.broadcast)
            cost.scan = slower(part(costs.fullScan) + costs.instruction)
            let isCrowded = executing.count > Set(executing.map(core)).count
            let crowded = isCrowded ? costs.crowdedScan : 0
            if cores > 1 { cost.followers = slower(part(costs.contendedFollower + crowded)) }
        }
        cost.inside = cost.scan + cost.followers
        return cost
    }

    // MARK: Steps

    /// The turn at work is over.
    mutating func stepPass() {
        guard let begun = pass else { return }
        let won = executeTurn()
        guard var pass else { return }
        let region = pass.region
        pass.broadcastNanoseconds += begun.cost.broadcast
        pass.scanNanoseconds += begun.cost.scan
        pass.followerNanoseconds += begun.cost.followers
        // A CPU that took a #UD takes no part.
        let inside = pass.cpus.contains { !pass.faulting.contains($0) && rmpoptTables.isInWindow(region, core($0)) }
        if pass.isLed {
            if won { pass.ledWon.insert(region) }
            if inside { pass.ledInside.insert(region) }
            // smp_call_function_single() is an interrupt, too.
            if setup.facts.callsLeader && pass.leader != nil && pass.leader != pass.worker { pass.interrupts += 1 }
        } else {
            pass.scanned += 1
            if setup.facts.walk != .scanner || region == pass.range.lowerBound {
                pass.broadcasts += 1
                pass.interrupts += UInt64(pass.cpus.filter { $0 != pass.worker }.count)
            }
            if !rmp.isOptimizable(region) {
                pass.blocked += 1
            } else if !inside && !pass.ledInside.contains(region) {
                pass.outside += 1
            } else if won || pass.ledWon.contains(region) {
                pass.won += 1
            } else {
                pass.kept += 1
            }
        }
        pass.region += 1
        if pass.region == pass.range.upperBound && pass.isLed {
            pass.isLed = false
            pass.region = pass.range.lowerBound
        }
        self.pass = pass
        if pass.region == pass.range.upperBound {
            restoreMask(pass)
            passEnded(pass)
        } else {
            beginTurn(at: pass.due, isContended: guests.values.contains { $0.state == .ending })
        }
    }

    /// Each CPU at work executes RMPOPT once, except those that took a #UD.
    ///
    /// - Returns: whether this set any bit of the region.
    private mutating func executeTurn() -> Bool {
        guard var pass else { return false }
        var hasWon = false
        for cpu in pass.cpus {
            let core = core(cpu)
            if pass.faulting.contains(cpu) { continue }
            let isInside = rmpoptTables.isInWindow(pass.region, core)
            let before = rmpoptTables.optimized[pass.region].contains(core)
            _ = try? rmpoptTables.rmpopt(core, UInt64(pass.region) << 30, function: 0, rmp)
            let isNew = !before && rmpoptTables.optimized[pass.region].contains(core)
            pass.executions += 1
            if !isNew { pass.executionsInVain += 1 }
            if !isInside { pass.hasOutsider = true }
            hasWon = hasWon || isNew
            let time = isInside ? pass.cost.inside : pass.cost.outside
            pass.stolen += time
            if setup.facts.walk == .scanner && !pass.isLed {
                pass.stretches[cpu, default: 0] += time
                pass.interruptsOffNanoseconds = max(pass.interruptsOffNanoseconds, pass.stretches[cpu] ?? 0)
            } else if !pass.isLed || setup.facts.callsLeader && pass.leader != pass.worker {
                pass.interruptsOffNanoseconds = max(pass.interruptsOffNanoseconds, time)
            }
        }
        self.pass = pass
        return hasWon
    }

    private mutating func restoreMask(_ pass: NaivePass) {
        let current = online.contains(pass.worker) ? pass.worker : workerCPU
        switch setup.facts.leader {
        case .putIn: mask.insert(current)
        // v4 asks for the CPU again, v5 has remembered it.
        case .putBack where pass.putsBack: mask.insert(setup.facts.locksCPUs ? pass.worker : current)
        default: break
        }
    }

    /// An injected fault: passes stop, or resume by starting the current turn over.
    mutating func holdPasses(_ hold: Bool) {
        if hold == isStuck { return }
        isStuck = hold
        if !hold { beginTurn(at: now, isContended: false) }
    }
}
