// SPDX-License-Identifier: Apache-2.0
// The proof's own harness: it must find planted differences, count what occurs, and shrink and print sequences.

import Testing

@testable import RMPModel

@Suite struct HarnessTests {
    private static func start() throws -> Start { Start(try MachineConfiguration(cpus: 2, memoryBytes: 1 << 30)) }

    @Test func aSequenceWithoutDifference() throws {
        let steps: [Step] = [
            Step(.perform(.createGuest(name: "vm"))),
            Step(.perform(.setGuestMemory(GuestID(1), bytes: 20 << 20))),
            Step(.perform(.startGuest(GuestID(1)))),
            Step(after: 100, .perform(.convert(GuestID(1), gpa: 0x100_0000..<0x100_1000, toPrivate: false))),
            Step(after: 100, .perform(.stopGuest(GuestID(1)))),
            Step(after: 1_000, .perform(.reoptimize)),
            Step(.runToIdle),
        ]
        #expect(try Self.start().run(steps, hasTwin: true)?.description == nil)
    }

    /// A page that only one model has assigned.
    @Test func aDifferenceOfStates() throws {
        let start = try Self.start()
        var machine = start.machine
        #expect(machine.platform.rmp.update(0x3000_0000, RMPUpdateInput(assigned: true)) == .success)
        let damaged = Start(machine: machine, naive: start.naive)
        #expect(try #require(damaged.run([])).what.contains("page 0x30000 holds 1, expected 0"))
    }

    /// An answer that differs is reported with its step.
    @Test func aDifferenceOfAnswers() throws {
        let start = try Self.start()
        var naive = start.naive
        naive.failuresLeft = 1
        let damaged = Start(machine: start.machine, naive: naive)
        let steps = [Step(.perform(.shutDownFirmware(x86: false))), Step(.perform(.initializeFirmware))]
        #expect(try #require(damaged.run(steps)).step == 1)
    }

    @Test func aBitWithoutCoverage() throws {
        var configuration = try MachineConfiguration(cpus: 2, memoryBytes: 4 << 30)
        configuration.rmp = RMPLayout(regionCount: 3)
        var machine = Machine(configuration)
        var invariants = StepInvariants(of: machine)
        machine.platform.rmpopt.set(region: 3, core: 0)
        #expect(invariants.violations(in: machine, touched: []).contains { $0.contains("is optimized, not covered") })
    }

    /// The invariants checked after each step catch damage that the counts do not know of.
    @Test func damageWithinAStep() throws {
        let start = try Self.start()
        var invariants = StepInvariants(of: start.machine)
        #expect(invariants.violations(in: start.machine, touched: []) == [])
        var machine = start.machine
        machine.platform.rmpopt.set(region: 0, core: 0)
        #expect(invariants.violations(in: machine, touched: []).contains { $0.contains("is optimized and holds") })
        machine = start.machine
        machine.platform.rmpopt.program(RMPOPTBase(enabledFrom: SPA(1 << 30)), cores: CoreSet(all: 1))
        machine.platform.rmpopt.set(region: 0, core: 0)
        #expect(invariants.violations(in: machine, touched: []).contains { $0.contains("inside a window") })
        machine = start.machine
        _ = machine.platform.rmp.update(0x3000_0000, RMPUpdateInput(assigned: true))
        #expect(invariants.violations(in: machine, touched: [1]).contains { $0.contains("assigned pages, counted") })
        var seen = StepInvariants(of: start.machine)
        #expect(seen.violations(in: machine, touched: [0x3_0000]) == [])
    }

    @Test func whatIsShrunk() {
        func update(_ spa: UInt64, gpa: UInt64) -> Step {
            Step(after: 7, .perform(.rmpupdate(SPA(spa), RMPUpdateInput(gpa: GPA(gpa), assigned: true, asid: 3))))
        }
        let noise = (0..<200).map { update(0x1000 * UInt64($0), gpa: 0x5000) }
        let steps = noise + [update(0xabc000, gpa: 0x7000)] + noise + [Step(after: 5, .perform(.reoptimize))] + noise
        var shrinker = Shrinker { steps in
            let first = steps.firstIndex {
                if case .perform(.rmpupdate(SPA(0xabc000), _)) = $0.action { true } else { false }
            }
            return first.map { steps[$0...].contains { $0.action == .perform(.reoptimize) } } ?? false
        }
        let small = shrinker.shrink(steps)
        let simple = RMPUpdateInput(assigned: true)
        #expect(small == [Step(.perform(.rmpupdate(SPA(0xabc000), simple))), Step(.perform(.reoptimize))])
    }

    /// Steps still name the right guest after the shrinker drops guests created earlier.
    @Test func whatIsShrunkWithGuests() {
        let names = (0..<9).map { Step(.perform(.createGuest(name: GuestName(bytes: [UInt8(97 + $0)])))) }
        let steps = names + [Step(.perform(.startGuest(GuestID(7))))]
        var shrinker = Shrinker { steps in
            var made: [[UInt8]] = []
            for step in steps {
                if case .perform(.createGuest(let name)) = step.action { made.append(name.bytes) }
                if case .perform(.startGuest(let id)) = step.action, made.indices.contains(Int(id.rawValue) - 1) {
                    return made[Int(id.rawValue) - 1] == [103]
                }
            }
            return false
        }
        #expect(shrinker.shrink(steps) == [names[6], Step(.perform(.startGuest(GuestID(1))))])
    }

    @Test func whatIsPrinted() {
        let input = RMPUpdateInput(gpa: GPA(0x1000), assigned: true, pageSize: .size2M, asid: 2)
        let steps: [Step] = [
            Step(after: 5, .perform(.rmpupdate(SPA(0x20_0000), input))),
            Step(.perform(.createGuest(name: "vm"))),
            Step(.perform(.setGuestPlacement(GuestID(1), .ranges([0x4000_0000..<0x8000_0000])))),
            Step(.perform(.setGuestNode(GuestID(1), nil))),
            Step(.perform(.wrmsr(cpu: 1, 0xc001_0139, 1))),
            Step(.wait),
        ]
        let text = """
            [
                Step(after: 5, .perform(.rmpupdate(SPA(0x200000), RMPUpdateInput(gpa: GPA(0x1000), assigned: true, \
            pageSize: .size2M, immutable: false, asid: 2)))),
                Step(.perform(.createGuest(name: "vm"))),
                Step(.perform(.setGuestPlacement(GuestID(1), .ranges([0x40000000..<0x80000000])))),
                Step(.perform(.setGuestNode(GuestID(1), nil))),
                Step(.perform(.wrmsr(cpu: 1, 0xc0010139, 1))),
                Step(.wait),
            ]
            """
        #expect(Literal.of(steps) == text)
    }

    @Test func whatIsMissing() {
        var coverage = Coverage()
        coverage.note("RMPREAD", "assigned")
        coverage.note("RMPREAD", "asleep")
        coverage.note([NaiveChange(pfn: 0, old: .firmware, new: .hypervisor, cause: .rmpupdate4K)])
        coverage.note("SNORE", "done")
        let missing = coverage.missing(times: 1)
        #expect(missing.contains("RMPREAD: FAIL_INPUT met 0 times"))
        #expect(missing.contains("pvalidate: guestInvalid -> guestValid met 0 times"))
        #expect(!missing.contains { $0.hasPrefix("RMPREAD: assigned") })
        #expect(
            coverage.unexpected == [
                "RMPREAD: asleep met 1 times and not in the table", "SNORE: not in the table",
                "rmpupdate4K: firmware -> hypervisor met 1 times and not in the table",
            ]
        )
    }

    /// A comparison of whole states treats a chunk stored as one word as one; this one reads every page.
    @Test func everyPageAfterRandomCommands() throws {
        let start = try Self.start()
        var generator = Generator(seed: testSeed, Generator.dense, start.naive.setup.configuration)
        var executor = Executor(start, hasTwin: false)
        for number in 0..<2_000 {
            let difference = executor.difference(after: generator.step(executor.naive).step)
            try #require(difference == nil, "seed \(testSeed), step \(number)")
        }
        #expect(executor.naive.everyPage(from: executor.machine) == nil, "seed \(testSeed)")
    }
}
