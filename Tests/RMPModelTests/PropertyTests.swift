// SPDX-License-Identifier: Apache-2.0
// More long random sequences, besides those of ProofTests: runs against single updates, forms of mixed chunks, and
// everything at once against the invariants on a larger machine. RMPFS_TEST_SEED repeats a run.

import Testing

@testable import RMPModel

@Suite struct PropertyTests {
    /// Few chunks, pages, ASIDs and GPAs, so that commands collide: a chunk becomes whole, mixed, wide and whole again.
    private static func update(_ random: inout Random, _ spa: UInt64) -> RMPUpdateInput {
        let index = spa >> 12 & 511
        let gpa: UInt64 =
            switch random.next() % 8 {
            case 0: 0
            case 1: random.next()
            default: 0x4000_0000 + index << 12
            }
        let assigned = !random.chance(3)
        return RMPUpdateInput(
            gpa: GPA(gpa),
            assigned: assigned,
            pageSize: random.chance(6) ? .size2M : .size4K,
            immutable: random.chance(2_000),
            asid: assigned || random.chance(20) ? UInt32(random.next() % 3) : 0
        )
    }

    /// The bulk path must leave what 512 single updates leave, and return the same code.
    @Test func runsAgainstSingleUpdates() throws {
        var random = Random(seed: testSeed)
        for round in 0..<150 {
            var bulk = RMP(regionCount: 1)
            let chunk = Int(random.next() % 512)
            let base = UInt64(chunk) << 21
            for _ in 0..<Int(random.next() % 4) {
                let spa = base + (random.chance(2) ? 0 : random.next() % 512 << 12)
                _ = bulk.update(spa, Self.update(&random, spa))
            }
            let word = bulk.chunkWord(chunk)
            if random.chance(8), word.isMixed || !word.is2M {
                bulk.setEntry(chunk: chunk, index: 300, .hypervisorFixed)
            }
            var single = bulk
            var input = Self.update(&random, base)
            if round.isMultiple(of: 50) { input.asid = 5000 }
            let code = bulk.updateChunk(chunk, input)
            var expected = RMPCode.success
            if input.pageSize == .size2M {
                expected = single.update(base, input)
            } else {
                for page in 0..<512 as Range<UInt64> where expected == .success {
                    var next = input
                    if input.asid != 0 { next.gpa = GPA(input.gpa.rawValue &+ page << 12) }
                    expected = single.update(base + page << 12, next)
                }
            }
            try #require(code == expected, "seed \(testSeed), round \(round)")
            for index in 0..<512 {
                let same = bulk.entry(chunk: chunk, index: index) == single.entry(chunk: chunk, index: index)
                try #require(same, "seed \(testSeed), round \(round), page \(index)")
            }
            try #require(OwnerCount(bulk.owners) == OwnerCount(single.owners), "seed \(testSeed), round \(round)")
            try #require(OwnerCount(bulk.owners) == OwnerCount(recounting: bulk), "seed \(testSeed), round \(round)")
            try #require(bulk.assignedChunks == single.assignedChunks)
            try #require(bulk.mixedChunkCount == single.mixedChunkCount, "seed \(testSeed), round \(round)")
        }
    }

    /// Through every form of a mixed chunk: palette, its growth, packed, and back.
    @Test func mixedChunksChangeForm() {
        var rmp = RMP(regionCount: 1)
        var expected = [EntryWord](repeating: .hypervisor, count: 512)
        func set(_ index: Int, _ entry: RMPEntry) {
            rmp.setEntry(chunk: 9, index: index, entry.word)
            expected[index] = entry.word
        }
        func check() {
            #expect((0..<512).allSatisfy { rmp.entry(chunk: 9, index: $0) == expected[$0] })
            #expect(rmp.assignedPages(ofRegion: 0) == expected.count { $0.isAssigned })
            #expect(OwnerCount(rmp.owners) == OwnerCount(recounting: rmp))
        }
        for index in 0..<512 {
            set(index, RMPEntry(assigned: true, gpa: GPA(UInt64(index * index) << 12), asid: 1))
            if [0, 3, 4, 127, 255, 256, 257, 511].contains(index) { check() }
        }
        #expect(rmp.mixedChunkCount == 1)
        for index in 0..<511 {
            set(index, RMPEntry(assigned: true, gpa: GPA(UInt64(index) << 12), asid: 2))
            if [100, 382, 383, 384, 385, 510].contains(index) { check() }
        }
        #expect(rmp.mixedChunkCount == 1)
        set(511, RMPEntry(assigned: true, gpa: GPA(511 << 12), asid: 2))
        check()
        #expect(rmp.mixedChunkCount == 0)
        for index in (0..<512).reversed() { set(index, RMPEntry()) }
        check()
        #expect(rmp.mixedChunkCount == 0)
        rmp.compact(0)
        #expect(rmp.uniformWord(ofRegion: 0) == .hypervisor)
    }

    /// Storage must shrink again, not merely read back right.
    @Test func storageShrinks() throws {
        var chunk = MixedChunk(rest: .hypervisor, value: .firmware, at: 0)
        for index in 0..<512 { _ = chunk.replace(index, with: RMPEntry(gpa: GPA(UInt64(index) << 30)).word) }
        #expect(chunk.isPacked && chunk.words.count > 200)
        for index in 0..<500 { _ = chunk.replace(index, with: .hypervisor) }
        #expect(!chunk.isPacked && chunk.words.count < 200)

        var machine = try machine()
        let guest = try machine.makeGuest("vm", bytes: 4 << 30)
        try machine.perform(.startGuest(guest), at: machine.now)
        #expect(machine.platform.rmp.uniformWord(ofRegion: 2) == nil)
        try machine.perform(.stopGuest(guest), at: machine.now)
        machine.runToIdle()
        #expect((1...3).allSatisfy { machine.platform.rmp.uniformWord(ofRegion: $0) == .hypervisor })
    }

    private static func setting(_ random: inout Random, _ id: GuestID) -> Command {
        switch random.next() % 11 {
        case 0: .setGuestBacking(id, .size4K)
        case 1: .setGuestBacking(id, .size1G)
        case 2, 3: .setGuestBacking(id, .size2M)
        case 4: .setGuestPlacement(id, .packed)
        case 5: .setGuestPlacement(id, .aligned)
        case 6: .setGuestPlacement(id, .scattered(seed: random.next()))
        case 9, 10: .setGuestType(id, random.chance(2) ? .ordinary : .snp)
        case 7: .setGuestVCPUs(id, Int(1 + random.next() % 600))
        default: .setGuestPlacement(id, .ranges([(1 << 30)..<((1 + random.next() % 4) << 30 + 1 << 21)]))
        }
    }

    /// A few pages, some chunks, or whole gigabytes.
    private static func memory(_ random: inout Random) -> UInt64 {
        switch random.next() % 4 {
        case 0: (random.next() % 3) << 30
        case 1: (random.next() % 1024) << 12
        default: (random.next() % (1 << 18)) << 12
        }
    }

    /// A range of pages, usually short, in multiples of `unit`.
    private static func pages(
        _ random: inout Random,
        limit: UInt64,
        most: UInt64 = 4_096,
        unit: UInt64 = 4096
    ) -> Range<UInt64> {
        var start = random.next() % limit
        if random.chance(2) { start &= ~511 }
        let count = random.chance(3) ? 512 : random.next() % most
        return (start * unit)..<((start + count) * unit)
    }

    /// Guests, passes and updates by hand at random times.
    @Test func everythingAtOnce() throws {
        var random = Random(seed: testSeed)
        var machine = try machine(cpus: 7, gigabytes: 6)
        var work = GuestWork()
        var leaks = 0
        var starts = 0
        for number in 0..<6_000 {
            let ids = machine.guestIDs
            let id = ids.isEmpty ? GuestID(1) : ids[Int(random.next() % UInt64(ids.count))]
            let command: Command =
                switch random.next() % 21 {
                case 20:
                    random.chance(2)
                        ? .setHostMemory(bytes: (random.next() % 1_500) << 20)
                        : .setPageCache(bytes: (random.next() % 6_000) << 20)
                case 0: .createGuest(name: GuestName(bytes: [UInt8(65 + random.next() % 8)]))
                case 1, 2: .setGuestMemory(id, bytes: Self.memory(&random))
                case 3: Self.setting(&random, id)
                case 16, 17, 18:
                    .convert(id, gpa: Self.pages(&random, limit: 1 << 17), toPrivate: random.chance(2))
                case 19:
                    random.chance(3)
                        ? .leak(Self.pages(&random, limit: 6 << 18, most: 600, unit: 1))
                        : .validate(id, gpa: Self.pages(&random, limit: 1 << 17), random.chance(2) ? .size4K : .size2M)
                case 4, 5, 6: .startGuest(id)
                case 7, 8: .stopGuest(id)
                case 9: .removeGuest(id)
                case 10: .reoptimize
                case 11: .psmash(SPA(random.next() % (6 << 30) & ~0x1f_ffff))
                case 12: .rmpopt(cpu: Int(random.next() % 7), SPA(random.next() % (7 << 30)), function: 0)
                default:
                    .rmpupdate(
                        SPA(random.next() % (6 << 30)),
                        .init(gpa: GPA(random.next()), assigned: random.chance(2), immutable: random.chance(40))
                    )
                }
            let time = machine.now + (random.chance(4) ? random.next() % 20_000_000 : random.next() % 20_000)
            switch try? machine.perform(command, at: time) {
            case .work(let part):
                work.updates += part.updates
                work.smashes += part.smashes
                work.validations += part.validations
            case .leaked: leaks += 1
            case .done:
                if case .startGuest = command { starts += 1 }
            default: break
            }
            if number.isMultiple(of: 100) {
                try #require(InvariantChecker.violations(in: machine) == [], "seed \(testSeed), command \(number)")
            }
        }
        machine.runToIdle()
        #expect(InvariantChecker.violations(in: machine) == [], "seed \(testSeed)")
        #expect(machine.passes.count > 10, "seed \(testSeed)")
        // A sequence in which nothing was launched, converted, split, accepted or leaked would have tested little.
        #expect(work.updates > 1_000 && work.smashes > 5 && work.validations > 100, "seed \(testSeed): \(work)")
        #expect(leaks > 10 && starts > 50, "seed \(testSeed)")
    }
}

/// The owners of region 0, as the sums have them or page by page.
private struct OwnerCount: Equatable {
    var assigned = 0
    var immutable = 0
    var asids: [UInt16: Int] = [:]
    var largeEntries: [UInt16: Int] = [:]

    init(_ owners: OwnerSums) {
        assigned = Int(owners[0].assigned)
        immutable = Int(owners[0].immutable)
        for item in owners.asids(ofRegion: 0) { asids[item.asid] = Int(item.pages) }
        for asid in 1..<1_024 as Range<UInt16> where owners.largeEntries(of: asid) > 0 {
            largeEntries[asid] = owners.largeEntries(of: asid)
        }
    }

    init(recounting rmp: RMP) {
        for chunk in 0..<Granularity.chunksPerRegion {
            let word = rmp.chunkWord(chunk)
            let is2M = word.is2M && !word.isMixed
            if is2M && word.asid != 0 { largeEntries[word.asid, default: 0] += 1 }
            for index in 0..<Granularity.pagesPerChunk {
                let entry = is2M ? word : rmp.entry(of: word, index: index)
                if !entry.isAssigned { continue }
                assigned += 1
                if entry.asid != 0 { asids[entry.asid, default: 0] += 1 }
                if entry.asid == 0 && entry.isImmutable { immutable += 1 }
            }
        }
    }
}
