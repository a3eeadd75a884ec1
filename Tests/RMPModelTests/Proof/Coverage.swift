// SPDX-License-Identifier: Apache-2.0
// What random sequences have met: outcomes by kind of step, and page states by what changed them. A proof that never
// met a refusal proves nothing about it.

@testable import RMPModel

/// Counts of outcomes and of page-state transitions.
struct Coverage: Sendable {
    private(set) var outcomes: [String: [String: Int]] = [:]
    private var transitions: [Transition: Int] = [:]
    private(set) var steps = 0
    private(set) var comparisons = 0
    /// For each version and number of ending guests, how many steps let time pass.
    private var endings: [String: [Int: Int]] = [:]

    /// A page's state before and after; nil for an entry that no row of the table describes.
    struct Transition: Sendable, Hashable {
        var cause: NaiveCause
        var old: NaiveState?
        var new: NaiveState?
    }

    mutating func note(_ kind: String, _ outcome: String) {
        steps += 1
        outcomes[kind, default: [:]][outcome, default: 0] += 1
    }

    mutating func noteComparison() { comparisons += 1 }

    /// Notes how many guests were ending when a step let time pass.
    mutating func note(ending count: Int, _ series: Series) {
        endings[series.name, default: [:]][count, default: 0] += 1
    }

    /// How many steps of a version let time pass while at least `least` guests were ending.
    func endings(of series: Series, least: Int) -> Int {
        (endings[series.name] ?? [:]).reduce(0) { $1.key >= least ? $0 + $1.value : $0 }
    }

    /// Notes what a step wrote, a run of the same transition in one go.
    mutating func note(_ changes: [NaiveChange]) {
        var last: Transition?
        var count = 0
        for change in changes {
            guard let cause = change.cause else { continue }
            let transition = Transition(cause: cause, old: change.old.state, new: change.new.state)
            if transition != last {
                if let last { transitions[last, default: 0] += count }
                last = transition
                count = 0
            }
            count += 1
        }
        if let last { transitions[last, default: 0] += count }
    }

    func count(_ kind: String, _ outcome: String) -> Int { outcomes[kind]?[outcome] ?? 0 }

    mutating func add(_ other: Coverage) {
        steps += other.steps
        comparisons += other.comparisons
        for (kind, counts) in other.outcomes { outcomes[kind, default: [:]].merge(counts, uniquingKeysWith: +) }
        for (series, counts) in other.endings { endings[series, default: [:]].merge(counts, uniquingKeysWith: +) }
        transitions.merge(other.transitions, uniquingKeysWith: +)
    }

    /// Everything that was counted, a line each.
    var lines: [String] {
        let counted = outcomes.flatMap { kind, counts in counts.map { "\(kind): \($0.key) \($0.value)" } }
        return (counted + transitions.map { "\($0.key.text) \($0.value)" }).sorted()
    }

    /// What `Required` asks for and fewer than `times` steps have met.
    func missing(times: Int) -> [String] {
        var gaps: [String] = []
        for (kind, expected) in Required.outcomes {
            for outcome in expected where count(kind, outcome) < times {
                gaps.append("\(kind): \(outcome) met \(count(kind, outcome)) times")
            }
        }
        for transition in Required.transitions.subtracting(Required.rare)
        where transitions[transition, default: 0] < times {
            gaps.append("\(transition.text) met \(transitions[transition, default: 0]) times")
        }
        return gaps.sorted()
    }

    /// What was met although it cannot happen.
    var unexpected: [String] {
        var gaps: [String] = []
        for (kind, counts) in outcomes {
            guard let expected = Required.outcomes[kind] else {
                gaps.append("\(kind): not in the table")
                continue
            }
            for (outcome, count) in counts where !expected.contains(outcome) {
                gaps.append("\(kind): \(outcome) met \(count) times and not in the table")
            }
        }
        for (transition, count) in transitions where !Required.transitions.contains(transition) {
            gaps.append("\(transition.text) met \(count) times and not in the table")
        }
        return gaps.sorted()
    }
}

extension Coverage.Transition {
    var text: String { "\(cause): \(old.map { "\($0)" } ?? "none") -> \(new.map { "\($0)" } ?? "none")" }
}
