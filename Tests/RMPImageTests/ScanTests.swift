// SPDX-License-Identifier: Apache-2.0
// A scan finds what an entry-by-entry count finds; a quick one what a full one finds.

import RMPModel
import Testing

@testable import RMPImage

@Suite struct ScanTests {
    @Test(arguments: 0..<tableCount, EntryForm.allCases)
    func fullScan(_ number: UInt64, _ form: EntryForm) throws {
        let seed = testSeed &+ number
        let random = try RandomRMP(seed: seed, form: form)
        let table = ScannedRMP(random.layout, form: form)
        let found = try table.scan(table.regions, in: random.memory, threads: 1 + Int(number % 3))
        #expect(found.regions.map(\.region) == Array(table.regions))
        for tally in found.regions {
            let wanted = random.tally(tally.region)
            let told: Comment = "seed \(seed), region \(tally.region)"
            #expect(Set(tally.owners) == wanted.owners, told)
            #expect(tally.owners.count == wanted.owners.count, told)
            #expect(tally.uncovered == wanted.uncovered && tally.unread == 0, told)
            #expect(tally.fixedChunks == wanted.fixedChunks, told)
            #expect(tally.freeChunks == wanted.freeChunks, told)
            #expect(tally.oddities.isEmpty, told)
            #expect(tally.owners.map(\.pages) == tally.owners.map(\.pages).sorted(by: >), told)
        }
    }

    @Test(arguments: 0..<tableCount, EntryForm.allCases)
    func quickScanFindsTheSame(_ number: UInt64, _ form: EntryForm) throws {
        let seed = testSeed &+ 1000 &+ number
        let random = try RandomRMP(seed: seed, form: form)
        let table = ScannedRMP(random.layout, form: form)
        let full = try table.scan(table.regions, in: random.memory)
        let quick = try table.scan(table.regions, in: random.memory, depth: .quick)
        #expect(quick.bytesRead < full.bytesRead)
        for (one, other) in zip(full.regions, quick.regions) {
            let told: Comment = "seed \(seed), region \(one.region)"
            #expect(one.owners.filter(\.owner.isAssigned) == other.owners.filter(\.owner.isAssigned), told)
            func unassigned(_ tally: RegionTally) -> Int {
                tally.pages(of: .free) + tally.pages(of: .hypervisorFixed) + tally.unread
            }
            #expect(unassigned(one) == unassigned(other) && one.uncovered == other.uncovered, told)
            #expect(one.isOptimizable == other.isOptimizable, told)
        }
    }

    /// A quick scan of an empty region reads only its 2 MB-aligned entries.
    @Test func quickScanReadsLittle() throws {
        let layout = RMPLayout(regionCount: 4)
        let table = ScannedRMP(layout)
        let memory = WordMemory()
        for chunk in 0..<512 as Range<UInt64> { memory.write(3 | 5 << 51, page: 3 << 18 + chunk << 9, layout) }
        let found = try table.scan(0..<4, in: memory, depth: .quick)
        #expect(found.bytesRead == 4 * 512 * 16)
        #expect(found.regions[3].owners == [OwnedPages(owner: .guest(asid: 5), small: 0, large: 262_144)])
    }

    @Test(arguments: OddChunk.all)
    private func oddities(_ odd: OddChunk) throws {
        let layout = RMPLayout(regionCount: 2)
        let memory = WordMemory()
        memory.write(odd.first, page: 1 << 18, layout)
        if odd.first & 2 != 0 {
            for page in 1..<512 as Range<UInt64> { memory.write(1, page: 1 << 18 + page, layout) }
        }
        memory.write(odd.third, page: 1 << 18 + 2, layout)
        let found = try ScannedRMP(layout).scan(1..<2, in: memory)
        #expect(found.regions[0].oddities == odd.oddities)
    }

    /// A chunk with something odd about it: its first and third entry.
    private struct OddChunk: Sendable {
        var first: UInt64
        var third: UInt64
        var oddities: Oddities

        init(_ first: UInt64, _ third: UInt64, _ change: (inout Oddities) -> Void) {
            self.first = first
            self.third = third
            oddities = Oddities()
            change(&oddities)
        }

        static let all = [
            OddChunk(1 << 62, 0) { $0.undescribed = 1 },
            OddChunk(0, 5 << 51) { $0.undescribed = 1 },
            OddChunk(1 | 3 << 3, 1) { $0.miscounted = 1 },
            OddChunk(1 << 3, 3) { $0.irregular = 1 },
            OddChunk(3 | 5 << 51, 1 | 6 << 51) { $0.irregular = 1 },
            OddChunk(3 | 1 << 62, 1) { $0.undescribed = 1 },
        ]
    }

    /// Each bit of an ASID, in a region whose other pages are free: no sum hides behind another guest's.
    @Test(arguments: EntryForm.allCases)
    func oneGuestAlone(_ form: EntryForm) throws {
        let layout = RMPLayout(regionCount: 1)
        for bit in 0..<10 {
            let memory = WordMemory()
            let asid = UInt16(1 << bit)
            let entry = RMPEntry(assigned: true, asid: asid)
            let words = RMPUpdateInput(assigned: true, asid: UInt32(asid)).words(status: false)
            let low = form == .raw ? entry.rawLow() : words[0]
            memory.write(low, high: form == .raw ? 0 : words[1], page: 512, layout)
            let found = try ScannedRMP(layout, form: form).scan(0..<1, in: memory)
            #expect(found.regions[0].pages(of: .guest(asid: asid)) == 1 && !found.regions[0].isOptimizable)
            #expect(found.regions[0].pages(of: .free) == 262_143)
        }
    }

    @Test func whatIsNotCovered() throws {
        let layout = try RMPLayout.segmented(
            base: 1 << 20,
            shift: 30,
            entries: [RSTEntry(index: 0, base: 2 << 20, gigabytes: 1), RSTEntry(index: 2, base: 8 << 20, gigabytes: 1)]
        )
        let table = ScannedRMP(layout)
        #expect(table.regions == 0..<3)
        let found = try table.scan(0..<5, in: WordMemory())
        #expect(found.regions.map(\.uncovered) == [0, 262_144, 0, 262_144, 262_144])
        #expect(found.regions.map(\.isOptimizable) == [true, false, true, false, false])
    }

    // MARK: Memory that changes

    /// A live table that does not change reads like one that is not live.
    @Test(arguments: EntryForm.allCases, ScanDepth.allCases)
    func liveAtRest(_ form: EntryForm, _ depth: ScanDepth) throws {
        for seed in testSeed &+ 2000..<testSeed &+ 2000 &+ min(tableCount, 8) {
            let still = try RandomRMP(seed: seed, form: form)
            let live = try RandomRMP(seed: seed, form: form, isLive: true)
            let table = ScannedRMP(still.layout, form: form)
            let one = try table.scan(table.regions, in: still.memory, depth: depth)
            let other = try table.scan(table.regions, in: live.memory, depth: depth)
            #expect(one.regions == other.regions, "seed \(seed)")
        }
    }

    /// A chunk's entry that changes each time it is read again marks its region.
    @Test(arguments: ScanDepth.allCases)
    func neverStill(_ depth: ScanDepth) throws {
        let layout = RMPLayout(regionCount: 2)
        let memory = WordMemory(isLive: true)
        let head = try #require(layout.entryAddress(of: PFN(1 << 18))?.rawValue)
        memory.before = { memory, address in
            if address == head { memory[head] ^= 1 << 12 }
        }
        let found = try ScannedRMP(layout).scan(0..<2, in: memory, depth: depth)
        #expect(found.regions.map(\.oddities.changed) == [0, 1])
    }
}
