// SPDX-License-Identifier: Apache-2.0
// What packing and moving guests could win, against answers found by exhaustive search.

import RMPModel
import Testing

@testable import RMPImage

@Suite struct PlacementTests {
    /// A region in which each of `guests`, by ASID, has so many pages, in 4 KB entries unless `large`, and firmware has
    /// `firmware` whole chunks.
    /// - Parameter freeChunks: how many chunks are free as a whole; by default as many as the free pages fill.
    private func tally(
        _ region: Int,
        _ guests: [UInt16: Int],
        firmware: Int = 0,
        large: Bool = false,
        freeChunks: Int? = nil
    ) -> RegionTally {
        var tally = RegionTally(region: region)
        var free = Granularity.pagesPerRegion
        func add(_ owner: PageOwner, _ pages: Int, large: Bool) {
            free -= pages
            tally.owners.append(OwnedPages(owner: owner, small: large ? 0 : pages, large: large ? pages : 0))
        }
        if firmware > 0 { add(.firmware, firmware * 512, large: false) }
        for (asid, pages) in guests.sorted(by: { $0.key < $1.key }) where pages > 0 {
            add(.guest(asid: asid), pages, large: large)
        }
        tally.owners.append(OwnedPages(owner: .free, small: free, large: 0))
        tally.fixedChunks = firmware
        tally.freeChunks = freeChunks ?? free / 512
        return tally
    }

    @Test func oneGuestInEachRegion() {
        // Eight guests of 32 MB, each in a gigabyte of its own; firmware holds one more.
        let tallies = (0..<8).map { tally($0, [UInt16($0 + 1): 8192]) } + [tally(8, [:], firmware: 2), tally(9, [:])]
        let loss = PlacementLoss(tallies)
        #expect(loss.optimizable == 1 && loss.pinned == 1 && loss.guestPages == 65_536)
        // All of them fit into firmware's region.
        #expect(loss.optimizableIfPacked == 9 && loss.lost == 8)
        let plan = MovePlan(tallies)
        #expect(plan.singles.map(\.asids) == (1...8).map { [$0] })
        #expect(plan.steps.count == 8 && !plan.isCutShort)
    }

    @Test func theCheapestFirst() {
        let tallies = [
            tally(0, [1: 100]), tally(1, [1: 300]), tally(2, [2: 150]), tally(3, [2: 100, 3: 10]), tally(4, [3: 9000]),
            tally(5, [4: 1], firmware: 1), tally(6, [5: 262_144]),
        ]
        let plan = MovePlan(tallies)
        #expect(plan.singles.first == Move(asids: [2], regions: [2], pages: 150, largePages: 0))
        // 2 and 3 together: regions 2, 3 and 4 for 9,260 pages; 2 alone is cheaper, then 1, and 3 wins 3 and 4.
        #expect(plan.steps.map(\.asids) == [[2], [1], [3]])
        #expect(plan.steps.map(\.regions) == [[2], [0, 1], [3, 4]])
        #expect(plan.steps.map(\.pages) == [150, 400, 9110])
        // For the last, 262,144 pages, there is no room.
        #expect(plan.isCutShort)
    }

    /// Entries of 2 MB need chunks that are free as a whole, however many pages are.
    @Test func roomForLargeEntries() {
        func plan(_ large: Bool, freeChunks: Int) -> MovePlan {
            MovePlan([
                tally(0, [1: 1024], large: large), tally(1, [:], firmware: 1, freeChunks: freeChunks),
            ])
        }
        #expect(plan(true, freeChunks: 2).steps.map(\.asids) == [[1]])
        #expect(plan(true, freeChunks: 1).steps.isEmpty && plan(true, freeChunks: 1).isCutShort)
        #expect(plan(false, freeChunks: 0).steps.map(\.asids) == [[1]])
    }

    /// A move that has no room is left out, and dearer ones that have it are not.
    @Test func aMoveWithoutRoomHidesNoOther() {
        let tallies =
            (0..<5).map { tally($0, [1: 100_000]) } + [tally(5, [2: 120_000]), tally(6, [:], firmware: 1)]
        let plan = MovePlan(tallies)
        // Guest 1 is cheaper for each region, but 500,000 pages find no room beside guest 2.
        #expect(plan.singles.map(\.asids) == [[1], [2]])
        #expect(plan.steps == [Move(asids: [2], regions: [5], pages: 120_000, largePages: 0)])
        #expect(plan.isCutShort)
    }

    /// Scattered HV-fixed pages leave pages, but few whole chunks.
    @Test func packingAroundFixedPages() {
        var scattered = tally(0, [:], freeChunks: 0)
        scattered.owners = [
            OwnedPages(owner: .free, small: Granularity.pagesPerRegion - 512, large: 0),
            OwnedPages(owner: .hypervisorFixed, small: 512, large: 0),
        ]
        scattered.fixedChunks = 512
        var whole = tally(1, [:], freeChunks: 510)
        whole.owners = [
            OwnedPages(owner: .free, small: 510 * 512, large: 0),
            OwnedPages(owner: .hypervisorFixed, small: 1024, large: 0),
        ]
        whole.fixedChunks = 2
        var guest = tally(2, [:], freeChunks: 0)
        guest.owners = [
            OwnedPages(owner: .guest(asid: 1), small: 0, large: 510 * 512),
            OwnedPages(owner: .hypervisorFixed, small: 1024, large: 0),
        ]
        guest.fixedChunks = 2
        let loss = PlacementLoss([scattered, whole, guest])
        #expect(loss.optimizableIfPacked == 2 && loss.isBest)
        // One region has enough chunks, another enough pages, and none both.
        scattered.owners[0].small -= 300
        scattered.owners.append(OwnedPages(owner: .guest(asid: 2), small: 300, large: 0))
        let mixed = PlacementLoss([scattered, whole, guest])
        #expect(mixed.optimizableIfPacked == 1 && !mixed.isBest)
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func packingIsTheBest(_ number: UInt64) {
        let seed = testSeed &+ number
        var random = Random(seed: seed)
        let large = random.chance(2)
        let tallies = (0..<7).map { region in
            let guests = Dictionary(
                (0..<random.below(3)).map { _ in (UInt16(1 + random.below(4)), 512 * random.below(300)) },
                uniquingKeysWith: { $1 }
            )
            return tally(region, guests, firmware: random.chance(3) ? 1 + random.below(40) : 0, large: large)
        }
        let guestPages = tallies.reduce(0) { $0 + $1.guestPages.small + $1.guestPages.large }
        var best = 0
        for free in 0..<(1 << tallies.count) {
            let kept = tallies.filter { free >> $0.region & 1 == 0 }
            let won = tallies.filter { free >> $0.region & 1 == 1 }
            if won.contains(where: \.isPinned) { continue }
            if kept.reduce(0, { $0 + $1.room.chunks * 512 }) >= guestPages { best = max(best, won.count) }
        }
        let loss = PlacementLoss(tallies)
        #expect(loss.optimizableIfPacked == best && loss.isBest, "seed \(seed)")
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func movesAreWhatTheySay(_ number: UInt64) {
        let seed = testSeed &+ 100 &+ number
        let told: Comment = "seed \(seed)"
        var random = Random(seed: seed)
        let tallies = (0..<12).map { region in
            // With little room in every second case.
            let most = number % 2 == 0 ? 20_000 : 80_000
            let guests = Dictionary(
                (0..<random.below(4)).map { _ in (UInt16(1 + random.below(5)), 1 + random.below(most)) },
                uniquingKeysWith: { $1 }
            )
            return tally(region, guests, firmware: random.chance(5) ? 1 : 0)
        }
        /// The regions that moving a set of guests wins, and the pages that have to leave them.
        func gain(_ asids: Set<UInt16>) -> (regions: [Int], pages: Int) {
            let won = tallies.filter { tally in
                !tally.isPinned && !tally.isOptimizable
                    && tally.owners.allSatisfy { $0.owner.asid.map(asids.contains) ?? true }
            }
            return (won.map(\.region), won.reduce(0) { $0 + $1.guestPages.small })
        }
        let plan = MovePlan(tallies)
        for move in plan.singles {
            let one = gain(Set(move.asids))
            #expect(one.regions == move.regions && one.pages == move.pages, told)
        }
        var moved: Set<UInt16> = []
        var pages = 0
        for move in plan.steps {
            let before = gain(moved)
            moved.formUnion(move.asids)
            let after = gain(moved)
            #expect(after.regions.count - before.regions.count == move.regions.count, told)
            #expect(after.pages - before.pages == move.pages, told)
            pages += move.pages
        }
        #expect(pages == gain(moved).pages, told)
        /// Whether what moves fits into regions that stay held.
        func fits(_ asids: Set<UInt16>) -> Bool {
            let (won, pages) = gain(asids)
            let room = tallies.filter { !$0.isOptimizable && !won.contains($0.region) }.reduce(0) {
                $0 + $1.pages(of: .free)
            }
            return pages <= room
        }
        let sets = Set(
            tallies.filter { !$0.isPinned && !$0.isOptimizable }.map { Set($0.owners.compactMap(\.owner.asid)) }
        )
        // Each step costs no more per region won than the guests of any region for whose pages there is room, and after
        // the last there are none.
        moved = []
        for step in 0...plan.steps.count {
            let before = gain(moved)
            let left = sets.map { moved.union($0) }.filter { gain($0).regions.count > before.regions.count }
            let costs = left.filter(fits).map { asids in
                let after = gain(asids)
                return Double(after.pages - before.pages) / Double(after.regions.count - before.regions.count)
            }
            guard step < plan.steps.count else {
                #expect(costs.isEmpty && plan.isCutShort == !left.isEmpty, told)
                break
            }
            let move = plan.steps[step]
            moved.formUnion(move.asids)
            #expect(fits(moved), told)
            #expect(costs.min().map { Double(move.pages) / Double(move.regions.count) <= $0 } ?? false, told)
        }
    }
}

extension PageOwner {
    fileprivate var asid: UInt16? { if case .guest(let asid) = self { asid } else { nil } }
}
