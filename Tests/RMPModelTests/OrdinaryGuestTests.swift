// SPDX-License-Identifier: Apache-2.0
// Guests without SNP: they take and give back the memory that SNP guests share with them, and nothing else happens.

import Testing

@testable import RMPModel

@Suite struct OrdinaryGuestTests {
    @Test(arguments: Series.all.map(\.name))
    func nothingButMemoryChanges(version: String) throws {
        let series = try #require(Series.named(version))
        var machine = Machine(try MachineConfiguration(cpus: 8, memoryBytes: 8 << 30, series: series))
        // v4 has no pass at boot.
        try machine.perform(.reoptimize)
        machine.runToIdle()
        let before = machine
        machine.recordEvents(limit: 100)
        let id = try machine.launch(GuestDescription("vm", memoryBytes: 5 << 30, vcpus: 3, type: .ordinary))
        let info = try #require(machine.guest(id))
        #expect(info.state == .running && info.type == .ordinary && info.asid == nil && info.launchWork == GuestWork())
        #expect(machine.freeMemory == before.freeMemory - 5 << 30 && machine.ordinaryGuestMemory == 5 << 30)
        #expect(machine.regions(ofGuest: id).count >= 5 && machine.entries(ofGuest: id).pages == 0)
        #expect(machine.spa(ofGuest: id, gpa: 0) != nil)
        for region in 0..<machine.regionCount {
            #expect(machine.blockers(ofRegion: region) == before.blockers(ofRegion: region))
            #expect(machine.assignedPages(ofRegion: region) == before.assignedPages(ofRegion: region))
        }
        #expect(machine.platform.rmpopt.bits == before.platform.rmpopt.bits)
        try machine.perform(.stopGuest(id))
        #expect(machine.guest(id)?.state == .stopped && machine.ordinaryGuestMemory == 0)
        #expect(machine.freeMemoryByNode == before.freeMemoryByNode)
        machine.runToIdle()
        #expect(machine.now == before.now && machine.passCount == before.passCount)
        for outcome in RequestOutcome.allCases { #expect(machine.requests(outcome) == before.requests(outcome)) }
        let events = machine.takeEvents().events.map(\.event)
        #expect(
            events == [
                .guestCreated(id, name: "vm"), .guestType(id, .ordinary), .guest(id, .running), .guest(id, .stopped),
            ]
        )
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func hasNoPrivateMemory() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 4 << 20)
        #expect(machine.refusal(.setGuestType(id, .ordinary)) == nil)
        #expect(machine.refusal(.convert(id, gpa: 0..<4096, toPrivate: true)) == .busy(.guestNotRunning))
        #expect(machine.refusal(.createVM(id)) == nil)
        #expect(machine.guest(id)?.state == .created && machine.guest(id)?.asid == nil)
        #expect(machine.refusal(.startGuest(id)) == nil)
        #expect(machine.refusal(.convert(id, gpa: 0..<4096, toPrivate: true)) == .invalid(.ordinaryGuest))
        let shared = try machine.perform(.convert(id, gpa: 0..<4096, toPrivate: false))
        #expect(shared == .work(GuestWork()))
        #expect(machine.refusal(.validate(id, gpa: 0..<4096, .size4K)) == .invalid(.ordinaryGuest))
        #expect(machine.refusal(.setGuestType(id, .snp)) == .busy(.guestRunning))
        // Neither instruction knows who uses a page: it is hypervisor-owned.
        let page = try #require(machine.spa(ofGuest: id, gpa: 0))
        #expect(machine.code(.psmash(page)) == .failInput)
        #expect(machine.refusal(.leak(page.pfn..<PFN(page.pfn.rawValue + 1))) != nil)
        #expect(machine.code(.rmpupdate(page, RMPUpdateInput(gpa: 0, assigned: true, asid: 7))) == .success)
        #expect(machine.privatePages(ofGuest: id) == 0)
        #expect(machine.refusal(.removeGuest(id)) == nil)
        // The page stays assigned, so its chunk is not free.
        let next = try machine.launch(GuestDescription("next", memoryBytes: 4096, type: .ordinary))
        #expect(machine.spa(ofGuest: next, gpa: 0) != page)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// Firmware and its limits are SNP's: an ordinary guest needs none, and is in the way of nobody.
    @Test func needsNoFirmware() throws {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30, series: .v10)
        configuration.processor.asidCount = 1
        var machine = Machine(configuration)
        let first = try machine.launch(GuestDescription("snp", memoryBytes: 4096))
        for number in 0..<3 {
            try machine.launch(GuestDescription("ordinary \(number)", memoryBytes: 1 << 30, type: .ordinary))
        }
        #expect(machine.refusal(.shutDownFirmware(x86: false)) == .busy(.guestsLeft))
        try machine.perform(.removeGuest(first))
        machine.runToIdle()
        #expect(machine.refusal(.shutDownFirmware(x86: false)) == nil)
        try machine.launch(GuestDescription("late", memoryBytes: 4096, type: .ordinary))
        #expect(machine.refusal(.setPageCache(bytes: 1 << 30)) == nil)
        #expect(machine.refusal(.setHostMemory(bytes: 1 << 30)) == nil)
        // Another kernel: its memory is its own, its page cache is empty, and there are no VMs.
        #expect(machine.refusal(.kexec()) == nil)
        #expect(machine.guestIDs.allSatisfy { machine.guest($0)?.state == .stopped })
        #expect(machine.ordinaryGuestMemory == 0 && machine.pageCache == 0 && machine.hostMemory == 1 << 30)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func placementsAndFolios() throws {
        var machine = try machine()
        let settings: [(Placement, Backing, UInt64, [Int])] = [
            (.aligned, .size2M, 1 << 30, [1]), (.packed, .size1G, 2 << 30, [2, 3]),
            (.ranges([(20 << 30)..<(21 << 30)]), .size4K, 1 << 30, [20]),
        ]
        for (number, (placement, backing, bytes, regions)) in settings.enumerated() {
            let guest = GuestDescription(
                "\(number)",
                memoryBytes: bytes,
                backing: backing,
                placement: placement,
                type: .ordinary
            )
            let id = try machine.launch(guest)
            #expect(machine.regions(ofGuest: id) == regions)
        }
        let half = GuestDescription("half", memoryBytes: 3 << 29, backing: .size1G, type: .ordinary)
        #expect(throws: CommandError.invalid(.memoryForBacking(3 << 29, .size1G))) { try machine.launch(half) }
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    // MARK: The host's own memory

    /// 2 MB chunks of a host with 2 GB, from the first one of its second gigabyte.
    private static func chunks(_ range: Range<UInt64>) -> Range<SPA> {
        SPA(1 << 30 + range.lowerBound << 21)..<SPA(1 << 30 + range.upperBound << 21)
    }

    /// A host whose free memory is the second gigabyte alone.
    private static func smallHost() throws -> Machine {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 2 << 30))
        let low = machine.freeMemory - machine.guests.allocator.gigabyte(1, machine)
        try machine.perform(.setHostMemory(bytes: low))
        return machine
    }

    @Test func hostAndCacheTakeTheLowestMemory() throws {
        var machine = try Self.smallHost()
        let size = machine.freeMemory
        let own = machine.hostMemory
        #expect(machine.refusal(.setPageCache(bytes: 5 << 20)) == nil)
        #expect(machine.pageCache == 6 << 20, "rounded up to chunks")
        #expect(machine.refusal(.setHostMemory(bytes: own + 4 << 20)) == nil)
        #expect(machine.freeMemory == size - 10 << 20)
        #expect(machine.refusal(.setPageCache(bytes: 5)) == .invalid(.memoryGranularity(5)))
        let tooMuch = own + size + 4096
        #expect(machine.refusal(.setHostMemory(bytes: tooMuch)) == .noMemory(requested: tooMuch, available: own + size))
        #expect(machine.refusal(.setPageCache(bytes: size)) == .noMemory(requested: size, available: size - 4 << 20))
        // The host pushes the page cache out; all of it is the host's in the end.
        #expect(machine.refusal(.setHostMemory(bytes: own + size)) == nil)
        #expect(machine.pageCache == 0 && machine.freeMemory == 0)
        #expect(machine.refusal(.setHostMemory(bytes: 0)) == nil)
        #expect(machine.freeMemory == own + size)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func pageCacheMakesRoomOldestFirst() throws {
        var machine = try Self.smallHost()
        let count = machine.freeMemory >> 21
        // The oldest lies above the younger.
        let blocker = try machine.launch(
            GuestDescription("low", memoryBytes: 8 << 20, placement: .ranges([Self.chunks(0..<4)]), type: .ordinary)
        )
        try machine.perform(.setPageCache(bytes: 4 << 20))
        try machine.perform(.removeGuest(blocker))
        try machine.perform(.setPageCache(bytes: (count - 1) << 21))
        machine.recordEvents(limit: 100)
        // One chunk is free, the last; two more of the cache go: 4 and 5.
        let id = try machine.launch(GuestDescription("vm", memoryBytes: 6 << 20, type: .ordinary))
        #expect([0, 1, 2].map { machine.chunk(of: id, $0) } == [4, 5, count - 1])
        #expect(machine.pageCache == (count - 3) << 21 && machine.freeMemory == 0)
        let shares = machine.takeEvents().events.map(\.event).filter { if case .pageCache = $0 { true } else { false } }
        #expect(shares == [.pageCache(bytes: (count - 3) << 21)])
        // The next are 0 to 3, which were taken later.
        let next = try machine.launch(GuestDescription("next", memoryBytes: 2 << 20, type: .ordinary))
        #expect(machine.chunk(of: next, 0) == 0)
        // What cannot be had leaves the cache alone.
        let all = GuestDescription("all", memoryBytes: count << 21, type: .ordinary)
        #expect(throws: CommandError.noMemory(requested: count << 21, available: (count - 4) << 21)) {
            try machine.launch(all)
        }
        #expect(machine.pageCache == (count - 4) << 21)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func pageCacheMakesRoomForSNPGuests() throws {
        var machine = try Self.smallHost()
        let count = machine.freeMemory >> 21
        try machine.perform(.setPageCache(bytes: count << 21))
        // Control pages take a chunk, and the memory two.
        let id = try machine.launch(GuestDescription("vm", memoryBytes: 4 << 20))
        #expect(machine.pageCache == (count - 3) << 21)
        #expect([0, 1].map { machine.chunk(of: id, $0) } == [1, 2])
        try machine.perform(.removeGuest(id))
        machine.runToIdle()
        #expect(machine.freeMemory == 3 << 21)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func pageCacheMakesRoomForGigabytesAndRanges() throws {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30))
        let all = machine.freeMemory
        try machine.perform(.setPageCache(bytes: all - 64 << 20))
        let range = GuestDescription(
            "range",
            memoryBytes: 8 << 20,
            placement: .ranges([(3 << 30)..<(3 << 30 + 8 << 20)]),
            type: .ordinary
        )
        let inRange = try machine.launch(range)
        #expect(machine.spa(ofGuest: inRange, gpa: 0) == SPA(3 << 30))
        #expect(machine.pageCache == all - 72 << 20 && machine.freeMemory == 64 << 20)
        let huge = GuestDescription("huge", memoryBytes: 2 << 30, backing: .size1G, type: .ordinary)
        let inGigabytes = try machine.launch(huge)
        #expect(machine.regions(ofGuest: inGigabytes) == [1, 2])
        #expect(machine.pageCache == all - 72 << 20 - 2 << 30 && machine.freeMemory == 64 << 20)
        let more = GuestDescription("more", memoryBytes: 5 << 30, backing: .size1G, type: .ordinary)
        #expect(throws: CommandError.noMemory(requested: 5 << 30, available: 3 << 30)) { try machine.launch(more) }
        #expect(machine.pageCache == all - 72 << 20 - 2 << 30)
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// A local guest goes to the lowest node that has room, with its page cache gone if no other has.
    @Test func localGuestsAndNodes() throws {
        let spans = [
            MemorySpan(start: SPA(0), bytes: 2 << 30, node: 0),
            MemorySpan(start: SPA(2 << 30), bytes: 1 << 30, node: 1),
        ]
        let topology = try Topology(TopologyShape(nodesPerPackage: 2, coresPerPackage: 2))
        let memory = try MemoryMap(spans: spans, nodeCount: 2)
        var machine = Machine(try MachineConfiguration(topology: topology, memory: memory))
        let free = machine.freeMemoryByNode
        #expect(free.map(\.node) == [0, 1] && free[1].largestBlock <= 1 << 30)
        try machine.perform(.setPageCache(bytes: machine.freeMemory))
        #expect(machine.freeMemoryByNode.map(\.bytes) == [0, 0])
        let local = GuestDescription("local", memoryBytes: 64 << 20, placement: .local, type: .ordinary)
        try machine.launch(local)
        #expect(machine.pageCache == free[0].bytes + free[1].bytes - 64 << 20)
        let bound = GuestDescription("bound", memoryBytes: 64 << 20, node: 1, type: .ordinary)
        let id = try machine.launch(bound)
        #expect(machine.regions(ofGuest: id) == [2])
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func largestBlockIsOnePiece() throws {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30))
        let before = try #require(machine.freeMemoryByNode.first)
        let wall = GuestDescription(
            "wall",
            memoryBytes: 2 << 20,
            placement: .ranges([(6 << 30)..<(6 << 30 + 2 << 20)]),
            type: .ordinary
        )
        try machine.launch(wall)
        let after = try #require(machine.freeMemoryByNode.first)
        #expect(after.bytes == before.bytes - 2 << 20)
        #expect(after.largestBlock < before.largestBlock && after.largestBlock < after.bytes)
    }
}

extension ChunkAllocator {
    /// The free memory of a region in bytes.
    fileprivate func gigabyte(_ region: Int, _ machine: Machine) -> UInt64 {
        let chunks = (region << 9)..<((region + 1) << 9)
        return UInt64(free(in: [chunks], avoiding: machine.platform.rmp.assignedChunks)) << 21
    }
}

extension Machine {
    /// The place of a guest's chunk in the second gigabyte.
    fileprivate func chunk(of id: GuestID, _ number: UInt64) -> UInt64? {
        spa(ofGuest: id, gpa: GPA(number << 21)).map { ($0.rawValue - 1 << 30) >> 21 }
    }
}
