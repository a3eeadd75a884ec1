// SPDX-License-Identifier: Apache-2.0
// Runs a sequence on the machine and on the naive model side by side, and stops at the first difference.

@testable import RMPModel

/// Where the machine and the naive model differ, or where the machine contradicts itself.
struct Difference: Error, Sendable, CustomStringConvertible {
    /// The number of the step, from 0.
    var step: Int
    var what: String

    var description: String { "step \(step): \(what)" }
}

/// Both models at the same point of a sequence.
struct Executor: Sendable {
    private(set) var machine: Machine
    /// The same machine, advanced only when a command needs it: in few large time steps.
    private(set) var twin: Machine?
    private(set) var naive: NaiveMachine
    private(set) var coverage = Coverage()
    private(set) var stepNumber = 0
    private var invariants: StepInvariants

    /// How many steps lie between comparisons of whole states.
    static let wholeEvery = 1_000
    private static let eventLimit = 1_000_000

    /// - Parameter hasTwin: whether a second machine follows in large time steps.
    init(_ start: Start, hasTwin: Bool) {
        machine = start.machine
        naive = start.naive
        if hasTwin {
            machine.recordEvents(limit: Executor.eventLimit)
            twin = machine
        }
        invariants = start.invariants
    }

    /// Runs one step and compares its result and what it touched; each `wholeEvery` steps, everything.
    private mutating func run(_ step: Step, _ kind: String) throws(Difference) {
        naive.rmp.changes.removeAll(keepingCapacity: true)
        let time = naive.now + step.after
        if step.after > 0 {
            let ending = naive.guests.values.count { $0.state == .ending }
            coverage.note(ending: ending, naive.setup.configuration.series)
        }
        naive.advance(to: time)
        let action = naive.isForbidden(step.action) ? .wait : step.action
        if step.after > 1 { machine.advance(to: machine.now + step.after / 2) }
        let given = machine.outcome(of: action, at: time)
        var launch: LaunchGiven?
        if case .perform(.startGuest(let id)) = action { launch = machine.given(id) }
        let expected = naive.outcome(of: action, at: time, given: launch)
        coverage.note(kind, expected.name)
        coverage.note(naive.rmp.changes)
        try require(given == expected, "\(Literal.of(action)) gave \(given), expected \(expected)")
        if twin != nil, action != .wait {
            let late = twin?.outcome(of: action, at: time)
            try require(late == expected, "\(Literal.of(action)) later gave \(String(describing: late))")
        }
        try compareTouched(action)
        stepNumber += 1
        if stepNumber.isMultiple(of: Executor.wholeEvery) { try compareAll() }
    }

    /// The first difference that a step makes; nil when there is none.
    ///
    /// - Parameter kind: under which its outcome is counted.
    mutating func difference(after step: Step, kind: String = "") -> Difference? {
        do {
            try run(step, kind)
            return nil
        } catch {
            return error
        }
    }

    /// The first difference of whole states, unless they were just compared; nil when there is none.
    mutating func wholeDifference() -> Difference? {
        if stepNumber > 0 && stepNumber.isMultiple(of: Executor.wholeEvery) { return nil }
        do {
            try compareAll()
            return nil
        } catch {
            return error
        }
    }

    /// Compares whole states and runs the whole invariant checker.
    private mutating func compareAll() throws(Difference) {
        coverage.noteComparison()
        try report(naive.differences(from: machine))
        try report(InvariantChecker.violations(in: machine))
        if twin == nil { return }
        // The twin may already have done what is due at this very moment, so this copy does it too.
        twin?.advance(to: naive.now)
        var settled = naive
        settled.advance(to: naive.now)
        guard var other = twin else { return }
        try report(settled.differences(from: other).map { "in few steps of time: \($0)" })
        var one = machine
        one.advance(to: naive.now)
        let (given, expected) = (other.takeEvents().events, one.takeEvents().events)
        if let place = zip(given, expected).enumerated().first(where: { $0.element.0 != $0.element.1 }) {
            let (given, expected) = place.element
            try report(["in few steps of time: event \(place.offset) is \(given), in small ones \(expected)"])
        }
        try require(given.count == expected.count, "in few steps of time: \(given.count) events, \(expected.count)")
    }

    private mutating func compareTouched(_ action: Action) throws(Difference) {
        try report(naive.differencesOfTime(from: machine))
        if !naive.rmp.changes.isEmpty { try report(naive.differencesOfChanges(from: machine)) }
        if case .perform(let command) = action, let id = command.guestID {
            try report(naive.differences(ofGuest: id, from: machine))
        }
        try report(invariants.violations(in: machine, touched: naive.rmp.changes.map(\.pfn)))
    }

    private func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(Difference) {
        if !holds { throw Difference(step: stepNumber, what: what()) }
    }

    private func report(_ found: [String]) throws(Difference) {
        if !found.isEmpty { throw Difference(step: stepNumber, what: found.prefix(4).joined(separator: "; ")) }
    }
}

/// A booted machine and its naive twin: where sequences start.
struct Start: Sendable {
    let machine: Machine
    let naive: NaiveMachine
    let invariants: StepInvariants

    init(_ configuration: MachineConfiguration) {
        self.init(machine: Machine(configuration), naive: NaiveMachine(configuration))
    }

    init(machine: Machine, naive: NaiveMachine) {
        self.machine = machine
        self.naive = naive
        invariants = StepInvariants(of: machine)
    }

    /// Runs a sequence from here and compares whole states at its end.
    ///
    /// - Returns: the first difference; nil when there is none.
    func run(_ steps: [Step], hasTwin: Bool = false) -> Difference? {
        var executor = Executor(self, hasTwin: hasTwin)
        for step in steps {
            if let difference = executor.difference(after: step) { return difference }
        }
        return executor.wholeDifference()
    }
}
