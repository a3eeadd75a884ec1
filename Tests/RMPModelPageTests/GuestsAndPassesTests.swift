// SPDX-License-Identifier: Apache-2.0
// The tests on the page "Testing against a machine", compiled as their reader would compile them.

import RMPModel
import RMPModelTestSupport
import Testing

@Suite struct GuestsAndPassesTests {
    /// 16 CPUs and 64 GB, booted, with version 1 of the series: every region that can be optimized is.
    var machine: Machine

    init() throws {
        machine = Machine(try MachineConfiguration(cpus: 16, memoryBytes: .gigabytes(64)))
    }

    @Test mutating func gigabytesStaySlowUntilSomebodyAsksForAPass() throws {
        let before = machine.optimizedRegions

        let web = try machine.launch(GuestDescription("web", memoryBytes: .gigabytes(4), placement: .aligned))
        let lost = Set(before).subtracting(machine.optimizedRegions)
        #expect(lost == Set(machine.regions(ofGuest: web)).intersection(before))
        #expect(lost.count == 4)

        try machine.perform(.stopGuest(web))
        #expect(machine.guest(web)?.state == .ending)
        machine.runToIdle()
        #expect(machine.guest(web)?.state == .stopped)
        #expect(Set(before).subtracting(machine.optimizedRegions) == lost)

        try machine.perform(.reoptimize)
        machine.runToIdle()
        #expect(machine.optimizedRegions == before)
    }

    @Test mutating func aPassTakesTime() throws {
        try machine.perform(.reoptimize)
        machine.advance(by: .microseconds(10))
        #expect(machine.passIsRunning)

        machine.advance(by: .seconds(1))
        let pass = try #require(machine.passes.last)
        #expect(pass.trigger == .request && pass.regionsScanned == 64)
        #expect(try #require(pass.duration) < .seconds(1))
    }

    @Test mutating func whatAGuestSharesIsNoLongerItsOwn() throws {
        let db = try machine.launch(GuestDescription("db", memoryBytes: .gigabytes(1)))
        let page = try #require(machine.spa(ofGuest: db, gpa: 0x200_0000))
        #expect(machine.rmpEntry(page.pfn)?.assigned == true)

        let shared: Range<GPA> = 0x200_0000..<0x220_0000
        guard case .work(let work) = try machine.perform(.convert(db, gpa: shared, toPrivate: false)) else { return }
        #expect(work.updates == 1 && work.duration > .zero)
        #expect(machine.rmpEntry(page.pfn)?.assigned == false)
    }

    @Test mutating func aRefusalSaysWhy() throws {
        try machine.launch(GuestDescription("web", memoryBytes: .gigabytes(1)))
        let twin = GuestDescription("web", memoryBytes: .gigabytes(1))
        let error = #expect(throws: CommandError.exists("web")) { try machine.launch(twin) }
        #expect(error?.description == "there is a guest web already; choose another name")
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    mutating func guestsInAnyOrder(seed: UInt64) throws {
        var random = Random(seed: seed)
        var running: [GuestID] = []
        for number in 1...40 {
            if let guest = running.randomElement(using: &random), random.chance(2) {
                try machine.perform(.removeGuest(guest))
                running.removeAll { $0 == guest }
            } else {
                let bytes = UInt64.megabytes(2) * UInt64(1 + random.below(500))
                let placement = Placement.scattered(seed: random.next())
                let guest = GuestDescription("g\(number)", memoryBytes: bytes, placement: placement)
                running.append(try machine.launch(guest))
            }
            machine.advance(by: .milliseconds(random.below(50)))
        }
        #expect(machine.guestIDs == running.sorted())
        #expect(machine.invariantViolations == [])
    }
}
