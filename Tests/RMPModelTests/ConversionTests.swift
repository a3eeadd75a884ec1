// SPDX-License-Identifier: Apache-2.0
// A running guest makes pages shared, private and valid, at every alignment, and may end half converted.

import Testing

@testable import RMPModel

@Suite struct ConversionTests {
    /// Past the initial image.
    private static let base: UInt64 = 16 << 20

    /// A machine with a running guest, of 1 GB by default, whose memory starts at region 10.
    private static func running(_ backing: Backing = .size2M, bytes: UInt64 = 1 << 30) throws -> (Machine, GuestID) {
        var machine = try machine()
        let place = (10 << 30)..<(12 << 30) as Range<UInt64>
        let id = try machine.makeGuest("vm", bytes: bytes, backing: backing, placement: .ranges([place]))
        try machine.perform(.startGuest(id), at: machine.now)
        return (machine, id)
    }

    private static func convert(
        _ machine: inout Machine,
        _ id: GuestID,
        _ gpa: Range<UInt64>,
        toPrivate: Bool
    ) throws -> GuestWork {
        let result = try machine.perform(.convert(id, gpa: gpa, toPrivate: toPrivate), at: machine.now)
        #expect(InvariantChecker.violations(in: machine) == [])
        guard case .work(let work) = result else {
            Issue.record("a conversion answers with its work, not with \(result)")
            return GuestWork()
        }
        return work
    }

    @Test func aWholeChunkIsOneUpdate() throws {
        var (machine, id) = try Self.running()
        let costs = machine.configuration.costs
        let chunk = Self.base..<(Self.base + 2 << 20)
        var work = try Self.convert(&machine, id, chunk, toPrivate: false)
        #expect(work.updates == 1 && work.smashes == 0 && work.nanoseconds == costs.share2M)
        #expect(machine.privatePages(ofGuest: id) == 262_144 - 512)
        work = try Self.convert(&machine, id, chunk, toPrivate: false)
        #expect(work == GuestWork())
        work = try Self.convert(&machine, id, chunk, toPrivate: true)
        #expect(work.updates == 1 && work.nanoseconds == costs.assign + costs.privateFault)
        #expect(machine.entries(ofGuest: id) == GuestEntries(size2M: 504, size4K: 4096))
        work = try Self.convert(&machine, id, chunk, toPrivate: true)
        #expect(work == GuestWork())
    }

    /// What somebody did by hand to a guest's memory counts as before; to the host's own it does not matter.
    @Test func pagesByHandCount() throws {
        var (machine, id) = try Self.running()
        try machine.perform(.rmpupdate(SPA(40 << 30), .init(assigned: true)))
        #expect(!machine.mustVisitGuests && machine.privatePages(ofGuest: id) == 262_144)
        let start = 10 << 30 + Self.base
        _ = try Self.convert(&machine, id, Self.base..<(Self.base + 2 << 20), toPrivate: false)
        #expect(machine.entries(ofGuest: id) == GuestEntries(size2M: 503, size4K: 4096))
        // One in the guest's memory with another ASID, one with the guest's elsewhere.
        try machine.perform(.rmpupdate(SPA(start + 0x3000), .init(assigned: true, asid: 77)))
        try machine.perform(.rmpupdate(SPA(41 << 30), .init(assigned: true, asid: 1)))
        #expect(machine.mustVisitGuests)
        #expect(machine.entries(ofGuest: id) == GuestEntries(size2M: 503, size4K: 4096 + 1))
        #expect(machine.regions(ofGuest: id) == [0, 10])
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func partOfAChunkIsSmashed() throws {
        var (machine, id) = try Self.running()
        let costs = machine.configuration.costs
        let page = (Self.base + 0x3000)..<(Self.base + 0x4000)
        var work = try Self.convert(&machine, id, page, toPrivate: false)
        #expect(work.updates == 1 && work.smashes == 1 && work.nanoseconds == costs.smash + costs.share4K)
        #expect(machine.entries(ofGuest: id) == GuestEntries(size2M: 503, size4K: 4096 + 511))
        let spa = SPA(10 << 30 + Self.base)
        #expect(machine.rmpEntry(PFN(spa.pfn.rawValue + 3)) == RMPEntry())
        let next = RMPEntry(assigned: true, gpa: GPA(Self.base + 0x4000), asid: 1)
        #expect(machine.rmpEntry(PFN(spa.pfn.rawValue + 4)) == next)
        // The rest of the chunk is shared page by page. Once none of it is assigned, it becomes private again as a
        // whole.
        let chunk = Self.base..<(Self.base + 2 << 20)
        work = try Self.convert(&machine, id, page, toPrivate: true)
        #expect(work.updates == 1 && machine.entries(ofGuest: id).size4K == 4096 + 512)
        work = try Self.convert(&machine, id, chunk, toPrivate: false)
        #expect(work.updates == 512 && work.smashes == 0)
        work = try Self.convert(&machine, id, chunk, toPrivate: true)
        #expect(work.updates == 1 && machine.entries(ofGuest: id) == GuestEntries(size2M: 504, size4K: 4096))
    }

    /// Every kind of start and end within three chunks; then each page is checked on its own.
    @Test(arguments: Backing.allCases) func everyAlignment(_ backing: Backing) throws {
        let edges: [Int] = [0, 1, 255, 511, 512, 513, 1023, 1024, 1025, 1535, 1536]
        let (fresh, id) = try Self.running(backing)
        for start in edges {
            for end in edges where end > start {
                var machine = fresh
                let gpa = (Self.base + UInt64(start) << 12)..<(Self.base + UInt64(end) << 12)
                let shared = try Self.convert(&machine, id, gpa, toPrivate: false)
                let partial = Set([start, end].filter { $0 % 512 != 0 }.map { $0 / 512 })
                #expect(shared.smashes == (backing == .size4K ? 0 : partial.count))
                for page in 0..<1536 {
                    let entry = machine.rmpEntry(PFN((10 << 30 + Self.base) >> 12 + UInt64(page)))
                    let isPrivate = !(start..<end).contains(page)
                    try #require(entry?.assigned == isPrivate, "\(start)..<\(end), page \(page)")
                }
                #expect(machine.privatePages(ofGuest: id) == 262_144 - (end - start))
                _ = try Self.convert(&machine, id, gpa, toPrivate: true)
                #expect(machine.privatePages(ofGuest: id) == 262_144)
                let whole = (start + 511) / 512 < end / 512 ? end / 512 - (start + 511) / 512 : 0
                let untouched = 3 - ((end + 511) / 512 - start / 512)
                let size2M = backing == .size4K ? 0 : 501 + whole + untouched
                #expect(machine.entries(ofGuest: id).size2M == size2M, "\(start)..<\(end)")
            }
        }
    }

    @Test func sharedRegionsAreNotTheGuests() throws {
        var (machine, id) = try Self.running(bytes: 2 << 30)
        #expect(machine.regions(ofGuest: id) == [0, 10, 11])
        _ = try Self.convert(&machine, id, (1 << 30)..<(2 << 30), toPrivate: false)
        #expect(machine.regions(ofGuest: id) == [0, 10] && machine.assignedPages(ofRegion: 11) == 0)
        // Without a pass, accesses to the region are still checked.
        #expect(machine.optimizedCoreCount(ofRegion: 11) == 0)
        try machine.perform(.reoptimize, at: machine.now)
        machine.runToIdle()
        #expect(machine.optimizedCoreCount(ofRegion: 11) == machine.coreCount)
        _ = try Self.convert(&machine, id, (1 << 30)..<(1 << 30 + 4096), toPrivate: true)
        #expect(machine.optimizedCoreCount(ofRegion: 11) == 0)
    }

    @Test func aHalfConvertedGuestEnds() throws {
        var (machine, id) = try Self.running()
        let costs = machine.configuration.costs
        _ = try Self.convert(&machine, id, 0x1000..<(20 << 20 + 0x3000), toPrivate: false)
        _ = try Self.convert(&machine, id, (30 << 20)..<(32 << 20), toPrivate: false)
        let entries = machine.entries(ofGuest: id)
        #expect(entries == GuestEntries(size2M: 512 - 12, size4K: 1 + 509))
        let start = machine.now
        try machine.perform(.stopGuest(id), at: start)
        machine.runToIdle()
        #expect(machine.guest(id)?.state == .stopped && machine.leaked == [])
        #expect(machine.assignedPages(ofRegion: 10) == 0)
        #expect(machine.now == start + UInt64(entries.size2M) * costs.share2M + 510 * costs.share4K)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func validation() throws {
        var (machine, id) = try Self.running()
        func validate(_ gpa: Range<UInt64>, _ size: PageSize) throws -> GuestWork {
            guard case .work(let work) = try machine.perform(.validate(id, gpa: gpa, size), at: machine.now) else {
                throw CommandError.invalid(.noPages)
            }
            #expect(InvariantChecker.violations(in: machine) == [])
            return work
        }
        let pfn = (10 << 30 + Self.base) >> 12 as UInt64
        // 2 MB on a 2 MB entry.
        var work = try validate(Self.base..<(Self.base + 2 << 20), .size2M)
        #expect(work.validations == 1 && work.smashes == 0)
        let whole = RMPEntry(assigned: true, pageSize: .size2M, gpa: GPA(Self.base), asid: 1, validated: true)
        #expect(machine.rmpEntry(PFN(pfn)) == whole)
        #expect(try validate(Self.base..<(Self.base + 2 << 20), .size2M) == GuestWork())
        // 4 KB on a 2 MB entry: the sizes do not match, so the host splits it. That page becomes valid, its neighbours
        // do not.
        work = try validate((Self.base + 2 << 20)..<(Self.base + 2 << 20 + 0x1000), .size4K)
        #expect(work.validations == 1 && work.smashes == 1)
        #expect(machine.rmpEntry(PFN(pfn + 512))?.validated == true)
        #expect(machine.rmpEntry(PFN(pfn + 513))?.validated == false)
        // The rest of that chunk, by asking for 2 MB.
        work = try validate((Self.base + 2 << 20)..<(Self.base + 4 << 20), .size2M)
        #expect(work.validations == 511 && work.smashes == 0)
        // A whole chunk page by page.
        work = try validate((Self.base + 4 << 20)..<(Self.base + 6 << 20), .size4K)
        #expect(work.validations == 512 && work.smashes == 1)
        // The initial image is valid already, and shared pages cannot be.
        #expect(try validate(0..<0x8000, .size4K) == GuestWork())
        _ = try Self.convert(&machine, id, 0x4000..<0x8000, toPrivate: false)
        #expect(try validate(0x4000..<0x8000, .size4K) == GuestWork())
        _ = try Self.convert(&machine, id, 0x4000..<0x8000, toPrivate: true)
        #expect(try validate(0x4000..<0x8000, .size4K).validations == 4)
    }

    @Test func refusals() throws {
        var (machine, id) = try Self.running()
        for toPrivate in [true, false] {
            for range in [0..<0, 1..<4096, 0..<4097, 4096..<4096] as [Range<UInt64>] {
                let command = Command.convert(id, gpa: range, toPrivate: toPrivate)
                #expect(machine.refusal(command) == .invalid(.pageRange(range)))
            }
            let beyond = (1 << 30 - 4096)..<(1 << 30 + 4096) as Range<UInt64>
            let command = Command.convert(id, gpa: beyond, toPrivate: toPrivate)
            #expect(machine.refusal(command) == .invalid(.outsideMemory(beyond, memoryBytes: 1 << 30)))
        }
        let far: Range<UInt64> = 0..<(UInt64.max - 4095)
        #expect(
            machine.refusal(.validate(id, gpa: far, .size4K)) == .invalid(.outsideMemory(far, memoryBytes: 1 << 30))
        )
        // A page made immutable by hand cannot be shared.
        let spa = SPA(10 << 30 + Self.base)
        #expect(machine.code(.psmash(spa)) == .success)
        #expect(machine.code(.rmpupdate(spa, .init(assigned: true, immutable: true))) == .success)
        let chunk = Self.base..<(Self.base + 2 << 20)
        #expect(machine.refusal(.convert(id, gpa: chunk, toPrivate: false)) == .rmp(.failPermission))
        let stopped = try machine.makeGuest("stopped", bytes: 4096)
        #expect(machine.refusal(.convert(stopped, gpa: 0..<4096, toPrivate: false)) == .busy(.guestNotRunning))
        try machine.perform(.stopGuest(id), at: machine.now)
        #expect(machine.refusal(.convert(id, gpa: 0..<4096, toPrivate: false)) == .busy(.guestEnding))
        machine.runToIdle()
        #expect(machine.leaked == [] && machine.rmpEntry(spa.pfn)?.immutable == true)
        #expect(InvariantChecker.violations(in: machine) == [])
    }
}
