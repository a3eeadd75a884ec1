// SPDX-License-Identifier: Apache-2.0
// When passes begin in the naive model: requests, delays, the thread's sleep.

@testable import RMPModel

/// A pass still to come.
struct NaivePending: Sendable, Hashable {
    var due: UInt64
    var trigger: PassTrigger
    var absorbed: UInt64 = 0
    var isQueued = false
}

extension NaiveMachine {
    /// The CPU on which unbound work, a thread or a timer lands.
    var workerCPU: Int {
        let wanted = setup.configuration.boot.workerCPU
        return online.contains(wanted) ? wanted : online.min() ?? 0
    }

    /// Whether a CPU is the first thread of its core by APIC ID.
    func isPrimary(_ cpu: Int) -> Bool { setup.configuration.topology.places[cpu].thread == 0 }

    func core(_ cpu: Int) -> Int { setup.configuration.topology.places[cpu].core }

    /// The first online thread of each core.
    var firstThreads: Set<Int> {
        Set(online.filter { cpu in !online.contains { core($0) == core(cpu) && $0 < cpu } })
    }

    var onlinePrimaries: Set<Int> { online.filter(isPrimary) }

    // MARK: Requests

    private func delay(_ trigger: PassTrigger) -> UInt64? {
        switch trigger {
        case .boot: setup.facts.bootDelay
        case .firmwareInit: setup.facts.initDelay
        case .guestEnd: setup.facts.guestEndDelay
        // A write to one of rmpfs's own files, in all versions.
        case .request: 0
        }
    }

    @discardableResult
    mutating func requestPass(_ trigger: PassTrigger) -> RequestOutcome {
        let outcome = decide(trigger)
        requests[outcome, default: 0] += 1
        return outcome
    }

    private mutating func decide(_ trigger: PassTrigger) -> RequestOutcome {
        guard isSetUp, let delay = delay(trigger) else { return .ignored }
        if setup.facts.worker == .thread {
            // v1: cmpxchg of the flag, then a wake-up that does nothing to a thread that is awake.
            if trigger == .request && setup.facts.name == "v1" {
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
            if !waiting.isQueued { pending?.due = now }
            return .scheduled
        }
        // queue_delayed_work() leaves pending work alone; mod_delayed_work() takes it and restarts its timer.
        if setup.facts.worker == .queue { return .absorbed }
        pending?.due = now + delay
        pending?.isQueued = false
        return .scheduled
    }

    /// A guest has reached a point in its end: `snp_perform_rmp_optimization()`, `snp_rmpopt_all_physmem()`,
    /// `snp_enable_rmpopt()`.
    mutating func guestCame(to point: NaiveSeries.GuestEnd) {
        if setup.facts.guestEnd != point { return }
        if setup.facts.setUp == .bootThenEachRequest { enableOnRequest() }
        requestPass(.guestEnd)
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

    /// What follows a pass.
    mutating func passEnded(_ pass: NaivePass) {
        var ended = pass
        ended.end = pass.due
        ended.lost = rmpoptTables.rowsCleared - rowsClearedBefore
        rowsClearedBefore = rmpoptTables.rowsCleared
        passes = Array((passes + [ended]).suffix(64))
        self.pass = nil
        flag = false
        if setup.facts.worker == .thread {
            awakeUntil = pass.due + setup.configuration.costs.threadSleep
            if awakeUntil > now { sleepDue = awakeUntil }
        }
        if pending?.isQueued == true { firePending() }
    }
}
