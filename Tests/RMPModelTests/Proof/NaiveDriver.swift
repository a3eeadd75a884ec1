// SPDX-License-Identifier: Apache-2.0
// Passes of the naive model: when they begin, and one region after the other, each core of those at work for itself.

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
    var faulting = 0
    /// The cores that take part, the leader first if there is one.
    var cores: [Int]
    /// The turns that are left, the one at work first.
    var turns: [NaiveTurn] = []
    /// Regions that the leader won.
    var leaderWon: Set<Int> = []
    /// When the turn at work will be over.
    var due: UInt64 = 0
}

/// Some cores' turn at a region.
struct NaiveTurn: Sendable, Hashable {
    var turn: PassTurn
    var region: Int
    var cores: [Int]
}

/// A pass that is to come.
struct NaivePending: Sendable, Hashable {
    var due: UInt64
    var trigger: PassTrigger
    var absorbed: UInt64 = 0
    var isQueued = false
}

extension NaiveMachine {
    // MARK: Requests

    @discardableResult
    mutating func requestPass(_ trigger: PassTrigger) -> RequestOutcome {
        let outcome = decide(trigger)
        requests[outcome, default: 0] += 1
        return outcome
    }

    private mutating func decide(_ trigger: PassTrigger) -> RequestOutcome {
        guard isSetUp, let delay = setup.series.delays[trigger] else { return .ignored }
        if setup.series.worker == .thread {
            // cmpxchg of the flag, then a wake-up that does nothing to a thread that is awake.
            if trigger == .request && setup.series.hasConfigfs {
                if flag { return .absorbed }
                flag = true
            }
            if pass != nil || now < awakeUntil { return .lost }
            beginPass(trigger)
            return .begun
        }
        guard let waiting = pending else {
            pending = NaivePending(due: now + delay, trigger: trigger)
            return .scheduled
        }
        pending?.absorbed += 1
        if trigger == .request {
            if !waiting.isQueued { pending?.due = now + delay }
            return .scheduled
        }
        if setup.series.worker == .workqueue(.firstRequest) { return .absorbed }
        pending?.due = now + delay
        pending?.isQueued = false
        return .scheduled
    }

    /// The pending pass' delay is over.
    mutating func firePending() {
        guard let waiting = pending else { return }
        if pass != nil {
            pending?.isQueued = true
        } else {
            pending = nil
            beginPass(waiting.trigger)
        }
    }

    /// The CPUs of a rule that are online now, ascending.
    func onlineThreads(_ rule: PassParticipants, atSetUp: Bool = false) -> [Int] {
        let cpus = online.sorted()
        let places = setup.configuration.topology.places
        switch rule {
        case .allOnline: return cpus
        case .firstOnlineThreads:
            return cpus.filter { cpu in cpus.first { places[$0].core == places[cpu].core } == cpu }
        case .primaryThreadsAtSetUp:
            return cpus.filter { atSetUp ? places[$0].thread == 0 : threadsAtSetUp.contains($0) }
        }
    }

    // MARK: A pass

    private mutating func beginPass(_ trigger: PassTrigger) {
        passCount += 1
        let cpus = onlineThreads(setup.series.participants)
        let places = setup.configuration.topology.places
        let faulting = cpus.filter { !tables.isEnabled(places[$0].core) }.count
        let cores = Set(cpus.map { places[$0].core }).filter { tables.isEnabled($0) }.sorted()
        var pass = NaivePass(number: passCount, trigger: trigger, start: now, cores: cores)
        pass.faulting = faulting
        opcodeFaults += UInt64(faulting)
        func turns(_ turn: PassTurn, _ cores: [Int]) -> [NaiveTurn] {
            range.map { NaiveTurn(turn: turn, region: $0, cores: cores) }
        }
        if setup.series.order == .leaderFirst {
            pass.turns = turns(.leader, Array(cores.prefix(1))) + turns(.followers, Array(cores.dropFirst()))
        } else {
            pass.turns = turns(setup.series.participants == .allOnline ? .allThreads : .oneThreadPerCore, cores)
        }
        pass.due = now + cost(pass.turns[0], isContended: false)
        self.pass = pass
    }

    /// The regions that a pass walks over.
    private var range: Range<Int> {
        let first = Int(setup.configuration.memory.start.rawValue >> 30)
        let limit = setup.configuration.windows == .series ? setup.series.passLimit : nil
        return first..<min(rmp.regionCount, limit.map { first + Int($0 >> 30) } ?? rmp.regionCount)
    }

    /// What a turn takes, by what the RMP holds as it begins. The model's formula is taken as given; what goes into it
    /// is not.
    private func cost(_ turn: NaiveTurn, isContended: Bool) -> UInt64 {
        if turn.turn == .followers && turn.cores.isEmpty { return 0 }
        return setup.configuration.costs.region(
            turn.turn,
            firstAssignedFrame: rmp.firstAssignedFrame(ofRegion: turn.region),
            cores: turn.cores.count { tables.isInWindow(turn.region, $0) },
            isContended: isContended
        ).total
    }

    /// The turn at work is over.
    mutating func stepPass() {
        guard var pass, let turn = pass.turns.first else { return }
        let region = turn.region
        let before = tables.optimized[region]
        for core in turn.cores where tables.isInWindow(region, core) {
            _ = try? tables.rmpopt(core, UInt64(region) << 30, function: 0, rmp)
        }
        let won = tables.optimized[region] != before
        if turn.turn == .leader {
            if won { pass.leaderWon.insert(region) }
        } else {
            pass.scanned += 1
            pass.broadcasts += 1
            if !rmp.isOptimizable(region) {
                pass.blocked += 1
            } else if !pass.cores.contains(where: { tables.isInWindow(region, $0) }) {
                pass.outside += 1
            } else if won || pass.leaderWon.contains(region) {
                pass.won += 1
            } else {
                pass.kept += 1
            }
        }
        pass.turns.removeFirst()
        if let next = pass.turns.first {
            pass.due += cost(next, isContended: guests.values.contains { $0.state == .ending })
            self.pass = pass
        } else {
            end(pass)
        }
    }

    private mutating func end(_ pass: NaivePass) {
        var ended = pass
        ended.end = pass.due
        ended.lost = tables.rowsCleared - rowsClearedBefore
        rowsClearedBefore = tables.rowsCleared
        passes = Array((passes + [ended]).suffix(64))
        self.pass = nil
        flag = false
        if setup.series.worker == .thread {
            awakeUntil = pass.due + setup.configuration.costs.threadSleep
            if awakeUntil > now { sleepDue = awakeUntil }
        }
        if pending?.isQueued == true { firePending() }
    }

    /// A fault: passes stand still, or go on with the turn at work begun anew.
    mutating func holdPasses(_ hold: Bool) {
        if hold == isStuck { return }
        isStuck = hold
        guard !hold, let turn = pass?.turns.first else { return }
        let due = now + cost(turn, isContended: false)
        pass?.due = due
    }
}
