// SPDX-License-Identifier: Apache-2.0
// Makes a failing sequence small: delta debugging over its steps, then over their values, each candidate run again from
// the same start.

@testable import RMPModel

/// Looks for a smaller sequence that still fails.
struct Shrinker {
    private let fails: ([Step]) -> Bool
    /// Candidates that may still be tried: a bound, so that a failing test ends.
    private var budget: Int

    /// - Parameters:
    ///   - budget: candidates to try at most.
    ///   - fails: whether a sequence still fails.
    init(budget: Int = 3_000, fails: @escaping ([Step]) -> Bool) {
        self.budget = budget
        self.fails = fails
    }

    /// The smallest failing sequence found.
    mutating func shrink(_ failing: [Step]) -> [Step] {
        var steps = removeSteps(from: failing)
        steps = simplifyValues(of: steps)
        return removeSteps(from: steps)
    }

    private mutating func stillFails(_ steps: [Step]) -> Bool {
        if budget == 0 { return false }
        budget -= 1
        return fails(steps)
    }

    /// Delta debugging: ever smaller pieces are left out as long as the rest fails. The time of what is left out goes
    /// to the step after it, so that the others keep their times.
    private mutating func removeSteps(from failing: [Step]) -> [Step] {
        var steps = failing
        var size = max(steps.count / 2, 1)
        while true {
            var start = 0
            var hasShrunk = false
            while start < steps.count {
                let end = min(start + size, steps.count)
                var candidate = Array(steps[..<start])
                var rest = Array(steps[end...])
                let time = steps[start..<end].reduce(0) { $0 + $1.after }
                if !rest.isEmpty { rest[0].after += time }
                candidate += rest
                if stillFails(candidate) {
                    steps = candidate
                    hasShrunk = true
                } else if let candidate = Shrinker.renumbered(steps, without: start..<end), stillFails(candidate) {
                    steps = candidate
                    hasShrunk = true
                } else {
                    start = end
                }
            }
            if size == 1 && !hasShrunk || budget == 0 { return steps }
            if !hasShrunk { size = max(size / 2, 1) }
        }
    }

    /// The steps without those in `left`, with guests created later renumbered as they then come out; nil when `left`
    /// creates none.
    private static func renumbered(_ steps: [Step], without left: Range<Int>) -> [Step]? {
        func makes(_ step: Step) -> Bool { if case .perform(.createGuest) = step.action { true } else { false } }
        let removed = UInt64(steps[left].count(where: makes))
        if removed == 0 { return nil }
        let before = UInt64(steps[..<left.lowerBound].count(where: makes))
        var rest = Array(steps[left.upperBound...])
        for index in rest.indices {
            guard case .perform(let command) = rest[index].action, let id = command.guestID?.rawValue else { continue }
            if id > before { rest[index].action = .perform(command.about(GuestID(id - min(removed, id - before)))) }
        }
        if !rest.isEmpty { rest[0].after += steps[left].reduce(0) { $0 + $1.after } }
        return steps[..<left.lowerBound] + rest
    }

    private mutating func simplifyValues(of failing: [Step]) -> [Step] {
        var steps = failing
        for index in steps.indices {
            // Each form is simpler than the one before, so this ends.
            while let simpler = firstSimpler(than: index, in: steps) { steps = simpler }
        }
        return steps
    }

    private mutating func firstSimpler(than index: Int, in steps: [Step]) -> [Step]? {
        for simpler in Shrinker.simpler(steps[index]) where simpler != steps[index] {
            var candidate = steps
            candidate[index] = simpler
            if stillFails(candidate) { return candidate }
        }
        return nil
    }

    /// Simpler forms of a step, the simplest first.
    private static func simpler(_ step: Step) -> [Step] {
        var forms = [Step(step.action)]
        guard case .perform(.rmpupdate(let spa, let input)) = step.action else { return forms }
        func add(_ change: (inout RMPUpdateInput) -> Void) {
            var simpler = input
            change(&simpler)
            forms += [0, step.after].map { Step(after: $0, .perform(.rmpupdate(spa, simpler))) }
        }
        add {
            $0.gpa = GPA(0)
            $0.asid = 0
            $0.immutable = false
        }
        add {
            $0.gpa = GPA(0)
            $0.asid = 0
        }
        add { $0.gpa = GPA(0) }
        add { $0.asid = 0 }
        return forms
    }
}
