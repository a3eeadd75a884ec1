// SPDX-License-Identifier: Apache-2.0
// What must hold for a machine at any time, checked from scratch: the counts and summaries that make the machine fast
// are compared with the data that they summarise.

/// Checks a machine against itself; for tests and long simulations, not after each command.
package struct InvariantChecker {
    private let machine: Machine
    private var found: [String] = []

    /// All violations in a machine, each as a sentence; empty if there are none.
    package static func violations(in machine: Machine) -> [String] {
        var checker = InvariantChecker(machine: machine)
        checker.checkTables()
        checker.checkRMP()
        checker.checkASIDs()
        checker.checkMemory()
        checker.checkWork()
        return checker.found
    }

    private init(machine: Machine) { self.machine = machine }

    private mutating func require(_ holds: Bool, _ sentence: @autoclosure () -> String) {
        if !holds { found.append(sentence()) }
    }

    /// A set bit means: no assigned page, covered by the RMP, inside that core's window; and the counts are right.
    private mutating func checkTables() {
        let tables = machine.platform.rmpopt
        for region in 0..<tables.regionCount {
            var set = 0
            for word in 0..<tables.wordsPerRow {
                set += tables.bits[region * tables.wordsPerRow + word].nonzeroBitCount
            }
            let counted = tables.setCores[region]
            require(set == counted, "region \(region): \(set) bits, counted \(counted)")
            if set == 0 { continue }
            let assigned = machine.platform.rmp.assignedPages(ofRegion: region)
            require(assigned == 0, "region \(region) is optimized and holds \(assigned) assigned pages")
            require(machine.platform.rmp.isOptimizable(region), "region \(region) is optimized, not covered")
            var inWindow = 0
            for core in 0..<tables.coreCount where tables.isSet(region: region, core: core) {
                inWindow += tables.isInWindow(region: region, core: core) ? 1 : 0
            }
            require(inWindow == set, "region \(region): \(set) bits, \(inWindow) of them inside a window")
        }
    }

    private mutating func checkRMP() {
        let rmp = machine.platform.rmp
        var mixedNumbers: Set<UInt64> = []
        for region in 0..<rmp.regionCount {
            var assigned = 0
            if let word = rmp.uniformWord(ofRegion: region) {
                assigned = word.assignedPagesOfChunk * Granularity.chunksPerRegion
                require(!word.isMixed && (word.asid == 0), "region \(region) cannot be uniform with \(word.bits)")
                for index in 0..<RMP.chunkWords {
                    let bits = rmp.assignedChunks[region * RMP.chunkWords + index]
                    require(bits == (word.isAssigned ? .max : 0), "region \(region): chunk bits \(bits) are stale")
                }
            } else {
                for chunk in (region << 9)..<(region << 9 + Granularity.chunksPerRegion) {
                    let word = rmp.chunkWord(chunk)
                    let pages = word.isMixed ? countAssigned(rmp, chunk) : word.assignedPagesOfChunk
                    assigned += pages
                    require(pages == rmp.assignedPages(inChunk: chunk), "chunk \(chunk): \(pages) assigned, miscounted")
                    let bit = rmp.assignedChunks[chunk >> 6] >> UInt64(chunk & 63) & 1
                    require((bit == 1) == (pages > 0), "chunk \(chunk): bit \(bit) with \(pages) assigned pages")
                    if word.isMixed {
                        require(mixedNumbers.insert(word.bits).inserted, "chunk \(chunk) shares its mixed chunk")
                        checkMixed(rmp, chunk)
                    }
                }
            }
            let counted = rmp.assignedPages(ofRegion: region)
            require(assigned == counted, "region \(region): \(assigned) assigned pages, counted \(counted)")
            checkOwners(ofRegion: region)
        }
        require(
            mixedNumbers.count == rmp.mixedChunkCount,
            "\(mixedNumbers.count) mixed chunks, counted \(rmp.mixedChunkCount)"
        )
        checkKindsOfOwners()
    }

    /// The sums by owner are those of the entries.
    private mutating func checkOwners(ofRegion region: Int) {
        // That none is assigned has been checked.
        if !machine.platform.rmp.hasAssigned(region) {
            require(machine.platform.rmp.owners.isEmpty(region), "region \(region): owners without a page")
            return
        }
        let owners = machine.blockers(ofRegion: region)
        let counted = machine.recountedBlockers(ofRegion: region)
        require(owners == counted, "region \(region): owners \(owners), counted \(counted)")
    }

    /// The sums of all regions by kind of owner are those of their blockers.
    private mutating func checkKindsOfOwners() {
        let machine = machine
        machine.forEachRegion { region, given in
            var pages = OwnerPages()
            for blocker in machine.blockers(ofRegion: region) {
                switch blocker.owner {
                case .rmpTable: pages.rmpTable += blocker.pages
                case .firmware: pages.firmware += blocker.pages
                case .guest: pages.guests += blocker.pages
                case .leaked: pages.leaked += blocker.pages
                }
            }
            require(given == pages, "region \(region): \(given), counted \(pages)")
        }
    }

    /// A guest's private pages by ASID are those that a visit of its chunks finds, and so are its regions.
    private mutating func checkPages(of guest: Guest) {
        if guest.isRemoved || machine.mustVisitGuests { return }
        let name = "guest \(guest.id.rawValue)"
        let (entries, counted) = (machine.entries(ofGuest: guest.id), machine.visitedEntries(of: guest))
        require(entries == counted, "\(name): \(entries), counted \(counted)")
        if guest.state == .stopped { return }
        var isHeld = machine.visitedRegions(of: guest)
        for page in guest.controlPages { isHeld[Int(page.rawValue >> 18)] = true }
        let (regions, visited) = (machine.regions(ofGuest: guest.id), isHeld.indices.filter { isHeld[$0] })
        require(regions == visited, "\(name): regions \(regions), counted \(visited)")
    }

    private func countAssigned(_ rmp: RMP, _ chunk: Int) -> Int {
        (0..<Granularity.pagesPerChunk).count { rmp.entry(chunk: chunk, index: $0).isAssigned }
    }

    private mutating func checkMixed(_ rmp: RMP, _ chunk: Int) {
        let first = rmp.entry(chunk: chunk, index: 0)
        let alike = (0..<Granularity.pagesPerChunk).allSatisfy {
            rmp.entry(chunk: chunk, index: $0) == first.advanced(pages: $0)
        }
        require(!alike, "chunk \(chunk) is held as mixed and is uniform")
    }

    /// Each guest that is not stopped has an ASID of its own, and no other ASID is taken.
    private mutating func checkASIDs() {
        var seen: Set<UInt16> = []
        for id in machine.guests.order {
            guard let guest = machine.guests[id] else {
                found.append("guest \(id.rawValue) is listed and does not exist")
                continue
            }
            let hasVM = guest.type == .snp && guest.state != .stopped
            require((guest.asid != nil) == hasVM, "guest \(id.rawValue): ASID of \(guest.type) while \(guest.state)")
            require(guest.type == .snp || guest.state != .ending, "guest \(id.rawValue) is ordinary and ending")
            require(!guest.isRemoved || guest.state == .ending, "guest \(id.rawValue) is removed and \(guest.state)")
            require(
                guest.isRemoved || machine.guests.id(named: guest.name) == id,
                "guest \(id.rawValue) is not found by its name"
            )
            if let asid = guest.asid {
                require(seen.insert(asid).inserted, "ASID \(asid) has two guests")
                require(machine.guests.asids.isTaken(asid), "ASID \(asid) is in use and free")
                require(machine.guests.id(withASID: asid) == id, "ASID \(asid) is not known as guest \(id.rawValue)'s")
            }
        }
        let held = ASIDs.limits.count { machine.guests.id(withASID: $0) != nil }
        require(held == seen.count, "\(held) ASIDs have a guest, expected \(seen.count)")
        let (taken, lost) = (machine.guests.asids.count, machine.guests.asids.lost)
        require(seen.count + lost == taken, "\(taken) ASIDs taken, \(seen.count) used, \(lost) lost")
    }

    /// Each chunk is held once, and exactly the held chunks are missing from free memory.
    private mutating func checkMemory() {
        let guests = machine.guests
        var rebuilt = Guests(machine.configuration, firmware: machine.firmware).allocator
        if machine.hasLateMemory { rebuilt.add(machine.configuration.lateMemory) }
        for range in guests.withheld { rebuilt.reserve(chunks: range) }
        for chunk in guests.controls.chunks.map(\.chunk) { hold(chunk, &rebuilt) }
        checkLeaks(&rebuilt)
        for run in guests.host.own + guests.host.cache { for chunk in run.range { hold(chunk, &rebuilt) } }
        var controls: Set<PFN> = []
        var ordinary = 0
        for id in guests.order {
            guard let guest = guests[id] else { continue }
            if let context = guest.contextPage {
                let entry = machine.rmpEntry(context)
                let isContext = entry.flatMap(PageState.init) == .context
                require(isContext, "guest \(id.rawValue): its context page holds \(String(describing: entry))")
            }
            if let response = guest.responsePage {
                let entry = machine.rmpEntry(response)
                let isFirmware = entry == RMPEntry(assigned: true, immutable: true)
                require(isFirmware, "guest \(id.rawValue): its response page holds \(String(describing: entry))")
            }
            for page in guest.controlPages {
                require(controls.insert(page).inserted, "page \(page.rawValue) has two uses")
                require(guests.controls.isTaken(page), "page \(page.rawValue) is in use and free")
            }
            for page in guest.vmsaPages where page.rawValue & 511 == 0 && !guest.isAdopted {
                found.append("guest \(id.rawValue): VMSA page \(page.rawValue) is 2 MB-aligned")
            }
            checkShape(guest)
            checkPages(of: guest)
            guest.forEachChunk { _, chunk in
                hold(chunk, &rebuilt)
                ordinary += guest.type == .ordinary ? 1 : 0
                return true
            }
        }
        require(ordinary == guests.ordinaryChunks, "\(ordinary) ordinary chunks, counted \(guests.ordinaryChunks)")
        let leaked = guests.controls.takenPages.count { guests.leaked.overlaps($0.rawValue..<($0.rawValue + 1)) }
        let taken = guests.controls.takenPages.count
        require(taken == controls.count + leaked, "\(taken) control pages taken, \(controls.count) used")
        require(rebuilt.used == guests.allocator.used, "the chunks in use are not those that somebody holds")
    }

    /// A guest holds what its state requires, in whole units of its backing, with each chunk on its node.
    private mutating func checkShape(_ guest: Guest) {
        let chunks = guest.chunks.reduce(0) { $0 + $1.count }
        let name = "guest \(guest.id.rawValue)"
        let isStopped = guest.state == .stopped || guest.state == .created
        require(isStopped ? chunks == 0 : chunks == guest.chunkCount, "\(name): \(chunks) chunks while \(guest.state)")
        let expected = guest.state == .running && guest.type == .snp ? 2 + guest.vcpus : 0
        let isComplete = guest.controlPages.count == expected || guest.isAdopted
        require(isComplete, "\(name): \(guest.controlPages.count) control pages")
        let unit = guest.backing.chunksPerUnit
        let isWhole = guest.chunks.allSatisfy { $0.first.isMultiple(of: unit) && $0.count.isMultiple(of: unit) }
        require(isWhole, "\(name): its chunks are no whole folios")
        if let node = guest.node {
            let memory = machine.guests.allocator.memory(ofNode: node)
            let isLocal = guest.chunks.allSatisfy { run in
                memory.contains { $0.contains(run.first) && run.range.upperBound <= $0.upperBound }
            }
            require(isLocal, "\(name): memory outside of node \(node)")
        }
        require(guest.teardown == Teardown() || guest.state == .ending, "\(name): a teardown while \(guest.state)")
    }

    /// Leaked ranges do not touch, lie in memory, and nothing else holds their chunks.
    private mutating func checkLeaks(_ rebuilt: inout ChunkAllocator) {
        let guests = machine.guests
        let ranges = guests.leaked.ranges
        for (left, right) in zip(ranges, ranges.dropFirst()) where left.upperBound >= right.lowerBound {
            found.append("leaked pages \(left) and \(right) are not apart")
        }
        var last = -1
        for range in ranges {
            for chunk in ChunkAllocator.chunks((range.lowerBound << 12)..<(range.upperBound << 12)) where chunk != last
            {
                last = chunk
                if guests.controls.chunks.contains(where: { $0.chunk == chunk }) { continue }
                hold(chunk, &rebuilt)
            }
        }
    }

    private mutating func hold(_ chunk: Int, _ allocator: inout ChunkAllocator) {
        let isFree = !allocator.isUsed(chunk) || machine.guests.allocator.isShared(chunk)
        require(isFree, "chunk \(chunk) is held twice")
        allocator.reserve(chunks: chunk..<(chunk + 1))
    }

    private mutating func checkWork() {
        let machine = machine
        let ending = machine.guests.order.count { machine.guests[$0]?.state == .ending }
        require(machine.work.count == ending, "\(machine.work.count) pieces of work, expected \(ending)")
        let runs = machine.passIsRunning && !machine.driver.isStuck
        let waits = machine.pendingPass.map { !$0.isQueued } ?? false
        require(!(runs || waits) || machine.driver.next != nil, "a pass runs or waits, and nothing is due")
        if let due = machine.nextDue { require(due >= machine.now, "work is due at \(due), before \(machine.now)") }
        // A lost wake-up leaves the flag set.
        let mayBeSet = machine.passIsRunning || machine.requests(.lost) > 0
        require(!machine.optimizationInProgress || mayBeSet, "the flag is set and no pass is running")
    }
}
