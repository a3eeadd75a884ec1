// SPDX-License-Identifier: Apache-2.0
// A pass advanced in one step must do the same as one advanced region by region: regions outside every window are
// counted without a visit, and that must not show.

import Testing

@testable import RMPModel

@Suite struct PassStepTests {
    /// 4 TB in a window of 2 TB, with pages assigned in it and beyond it, a guest that ends, and a pass that begins.
    private func host(_ series: Series, _ windows: WindowPolicy) throws -> Machine {
        let configuration = try MachineConfiguration(
            topology: try Topology(cpus: 16),
            memory: try MemoryMap(bytes: 4 << 40),
            series: series,
            windows: windows
        )
        var machine = Machine(configuration)
        for region in [200, 2047, 2048, 3000, 3001, 4094, 4095] as [UInt64] {
            let input = RMPUpdateInput(gpa: GPA(region << 12), assigned: true, asid: 5)
            try machine.perform(.rmpupdate(SPA(region << 30 + 77 << 21), input), at: machine.now)
        }
        let guest = try machine.makeGuest("vm", bytes: 3 << 30)
        try machine.perform(.startGuest(guest), at: machine.now)
        try machine.perform(.reoptimize, at: machine.now)
        try machine.perform(.stopGuest(guest), at: machine.now + 1_000_000)
        return machine
    }

    private func expectSame(_ left: Machine, _ right: Machine, _ comment: Comment) {
        #expect(left.now == right.now && left.nextDue == right.nextDue, comment)
        #expect(left.passes == right.passes && left.runningPass == right.runningPass, comment)
        #expect(left.platform.rmpopt.bits == right.platform.rmpopt.bits, comment)
        #expect(left.rowGeneration == right.rowGeneration, comment)
    }

    @Test(arguments: [Series.v1, .v2, .v3, .v10], WindowPolicy.allCases)
    func atOnceAsStepByStep(_ series: Series, _ windows: WindowPolicy) throws {
        let start = try host(series, windows)
        var steps = start
        var random = Random(seed: testSeed)
        var jumps = start
        var jump = start.now
        while let due = steps.nextDue {
            // Times at which something happens, and times in between.
            if due > jump {
                jumps.advance(to: jump)
                var seen = steps
                seen.advance(to: jump)
                expectSame(jumps, seen, "seed \(testSeed), time \(jump)")
                jump = due + random.next() % 30_000_000
            }
            steps.advance(to: due)
        }
        var once = start
        once.runToIdle()
        expectSame(once, steps, "seed \(testSeed)")
        jumps.runToIdle()
        expectSame(jumps, steps, "seed \(testSeed)")
        #expect(InvariantChecker.violations(in: once) == [])
    }

    /// With one window of 2 TB, all regions beyond it count as outside, except those with assigned pages.
    @Test func countsWhatItDoesNotVisit() throws {
        var machine = try host(.v1, .series)
        machine.runToIdle()
        let pass = try #require(machine.passes.last)
        #expect(pass.regionsScanned == 4096 && pass.broadcasts == 4096)
        #expect(pass.regionsOutside == 2048 - 5)
    }
}
