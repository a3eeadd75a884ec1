// SPDX-License-Identifier: Apache-2.0
// Pages that never come back.

import Testing

@testable import RMPModel

@Suite struct LeakTests {
    private static let first = freeSPA.pfn.rawValue

    @Test func leakedPagesStay() throws {
        var machine = try machine()
        let pages = (Self.first + 5)..<(Self.first + 8)
        #expect(try machine.perform(.leak(pages), at: machine.now) == .leaked(pages))
        #expect(machine.leaked.map(\.raw) == [pages] && machine.assignedPages(ofRegion: freeRegion) == 3)
        #expect(machine.rmpEntry(PFN(Self.first + 5)) == RMPEntry(assigned: true))
        #expect(machine.rmpEntry(PFN(Self.first + 8)) == RMPEntry())
        #expect(machine.optimizedCoreCount(ofRegion: freeRegion) == 0)
        #expect(machine.blockers(ofRegion: freeRegion) == [Blocker(owner: .leaked, pages: 3)])
        try machine.perform(.reoptimize, at: machine.now)
        machine.runToIdle()
        #expect(machine.optimizedCoreCount(ofRegion: freeRegion) == 0)
        #expect(InvariantChecker.violations(in: machine) == [])
        // Even after the pages are taken back by hand, the host does not reuse their chunk.
        for page in pages { #expect(machine.code(.rmpupdate(SPA(page << 12), .init())) == .success) }
        let place = (UInt64(10) << 30)..<(UInt64(11) << 30)
        let id = try machine.makeGuest("vm", bytes: 4096, placement: .ranges([place]))
        #expect(machine.refusal(.startGuest(id)) == .placement(.notFree((10 << 30)..<(10 << 30 + 1 << 21))))
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func manyChunks() throws {
        var machine = try machine()
        let pages = (Self.first + 1)..<(Self.first + 262_144 + 700)
        try machine.perform(.leak(pages), at: machine.now)
        #expect(machine.assignedPages(ofRegion: 10) == 262_143 && machine.assignedPages(ofRegion: 11) == 700)
        // More of the same chunk, then the pages between the two ranges.
        let more = (Self.first + 262_144 + 702)..<(Self.first + 262_144 + 710)
        try machine.perform(.leak(more), at: machine.now)
        #expect(machine.leaked.map(\.raw) == [pages, more])
        try machine.perform(.leak(pages.upperBound..<more.lowerBound), at: machine.now)
        #expect(machine.leaked.map(\.raw) == [pages.lowerBound..<more.upperBound])
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func refusals() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 1 << 30, placement: .aligned)
        try machine.perform(.startGuest(id), at: machine.now)
        func refused(_ pages: Range<UInt64>) -> CommandError? { machine.refusal(.leak(pages)) }
        #expect(refused(7..<7) == .invalid(.noPages))
        let end: UInt64 = 64 << 18
        #expect(refused((end - 1)..<(end + 1)) == .placement(.notMemory((64 << 30 - 4096)..<(64 << 30 + 4096))))
        // Page numbers whose addresses do not fit in 64 bits.
        let top = UInt64.max << 12
        #expect(refused(0..<(1 << 60)) == .placement(.notMemory(0..<top)))
        #expect(refused((1 << 60)..<(.max)) == .placement(.notMemory(top..<top)))
        // A guest's, firmware's, a control page's chunk, and a page that is leaked already.
        #expect(refused(262_144..<262_145) == .placement(.notFree((1 << 30)..<(1 << 30 + 4096))))
        #expect(refused(4 << 18..<(4 << 18 + 1)) == .placement(.notFree((4 << 30)..<(4 << 30 + 4096))))
        #expect(refused(512 + 100..<512 + 101) == .placement(.notFree((612 << 12)..<(613 << 12))))
        #expect(refused(0..<1) == .placement(.notFree(0..<4096)))
        try machine.perform(.leak(Self.first..<(Self.first + 1)), at: machine.now)
        let again = refused(Self.first..<(Self.first + 2))
        #expect(again == .placement(.notFree((10 << 30)..<(10 << 30 + 8192))))
        #expect(machine.leaked.map(\.raw) == [Self.first..<(Self.first + 1)])
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// Of the pages that cannot be taken back at a guest's end, a VMSA page is leaked; memory stays assigned and is on
    /// no list.
    @Test func anEndLeaksControlPages() throws {
        var machine = try machine()
        let place = (UInt64(10) << 30)..<(UInt64(11) << 30)
        let id = try machine.makeGuest("vm", bytes: 32 << 20, placement: .ranges([place]))
        try machine.perform(.startGuest(id), at: machine.now)
        let vmsa = try #require(machine.vmsaPages(ofGuest: id).first)
        // A 2 MB entry as a whole, two single pages, a VMSA page.
        let immutable = RMPUpdateInput(assigned: true, immutable: true)
        var whole = immutable
        whole.pageSize = .size2M
        let chunk = SPA(10 << 30 + 18 << 20)
        #expect(machine.code(.rmpupdate(chunk, whole)) == .success)
        for page in [Self.first + 2, Self.first + 3, vmsa.rawValue] {
            #expect(machine.code(.rmpupdate(SPA(page << 12), immutable)) == .success)
        }
        try machine.perform(.stopGuest(id), at: machine.now)
        machine.runToIdle()
        let leaked = [vmsa.rawValue..<(vmsa.rawValue + 1)]
        #expect(machine.leaked.map(\.raw) == leaked && machine.assignedPages(ofRegion: 10) == 514)
        #expect(machine.guest(id)?.state == .stopped && InvariantChecker.violations(in: machine) == [])
        // While they are assigned, no guest gets their chunks; afterwards any guest can.
        #expect(machine.refusal(.startGuest(id)) == .placement(.notFree((10 << 30)..<(10 << 30 + 2 << 20))))
        for page in [Self.first + 2, Self.first + 3] {
            machine.platform.rmp.setEntry(chunk: Int(page >> 9), index: Int(page & 511), .hypervisor)
        }
        machine.platform.rmp.setChunk(Int(chunk.rawValue >> 21), .hypervisor)
        // When the guest starts again, it gets another VMSA page.
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(!machine.vmsaPages(ofGuest: id).contains(vmsa) && InvariantChecker.violations(in: machine) == [])
    }

    @Test func rangesMerge() {
        var leaks = LeakedPages()
        var plain: Set<UInt64> = []
        var random = Random(seed: testSeed)
        for _ in 0..<400 {
            let start = random.next() % 3000
            let range = start..<(start + random.next() % 9)
            #expect(leaks.overlaps(range) == range.contains { plain.contains($0) }, "seed \(testSeed)")
            leaks.add(range)
            plain.formUnion(range)
            #expect(leaks.count == plain.count, "seed \(testSeed)")
            #expect(zip(leaks.ranges, leaks.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
        #expect(Set(leaks.ranges.flatMap { $0 }) == plain, "seed \(testSeed)")
    }
}
