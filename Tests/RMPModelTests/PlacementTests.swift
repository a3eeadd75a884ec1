// SPDX-License-Identifier: Apache-2.0
// Where guests' memory goes, by placement, backing and node.

import Testing

@testable import RMPModel

@Suite struct PlacementTests {
    private static let gigabyte: UInt64 = 1 << 30

    /// Two nodes of 32 GB, a hole of 1 GB below 4 GB, and a third node of 8 GB without CPUs.
    private static func nodes() throws -> Machine {
        let topology = try Topology(TopologyShape(packages: 2, coresPerPackage: 4, memoryOnlyNodes: 2))
        let memory = try MemoryMap(
            spans: [
                MemorySpan(start: SPA(0), bytes: 3 << 30, node: 0),
                MemorySpan(start: SPA(4 << 30), bytes: 29 << 30, node: 0),
                MemorySpan(start: SPA(33 << 30), bytes: 32 << 30, node: 1),
                MemorySpan(start: SPA(65 << 30), bytes: 8 << 30, node: 2),
            ],
            nodeCount: 4
        )
        return Machine(try MachineConfiguration(topology: topology, memory: memory))
    }

    private static func chunks(_ machine: Machine, _ id: GuestID) -> [Int] {
        var chunks: [Int] = []
        machine.guests[id]?.forEachChunk { _, chunk in
            chunks.append(chunk)
            return true
        }
        return chunks
    }

    private static func started(
        _ machine: inout Machine,
        _ name: String,
        bytes: UInt64,
        backing: Backing = .size2M,
        _ placement: Placement,
        node: Int? = nil
    ) throws -> GuestID {
        let id = try machine.makeGuest(name, bytes: bytes, backing: backing, placement: placement, node: node)
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(InvariantChecker.violations(in: machine) == [])
        return id
    }

    @Test func aligned() throws {
        var machine = try machine()
        let id = try Self.started(&machine, "vm", bytes: 8 << 30, .aligned)
        #expect(machine.spa(ofGuest: id, gpa: GPA(0)) == SPA(1 << 30))
        // Whole gigabytes, except region 4 with firmware's pages; the control pages are in region 0, which is lost
        // anyway.
        #expect(machine.regions(ofGuest: id) == [0, 1, 2, 3, 5, 6, 7, 8, 9])
        // What does not fill a gigabyte goes to regions that are lost already.
        let odd = try Self.started(&machine, "odd", bytes: 1 << 30 + 300 << 21, .aligned)
        #expect(machine.regions(ofGuest: odd) == [0, 10])
        #expect(machine.spa(ofGuest: odd, gpa: GPA(0)) == SPA(10 << 30))
        let small = try Self.started(&machine, "small", bytes: 8 << 21, .aligned)
        #expect(machine.regions(ofGuest: small) == [0, 11])
        #expect(machine.spa(ofGuest: small, gpa: GPA(0)) == SPA(11 << 30))
        // More than the whole gigabytes hold: the rest comes from wherever there is room.
        let rest = try Self.started(&machine, "rest", bytes: 53 << 30, .aligned)
        #expect(machine.regions(ofGuest: rest).count > 53)
        machine.runToIdle()
    }

    @Test func alignedTakesTheRoomiestRegions() throws {
        var machine = try machine(cpus: 2, gigabytes: 4)
        // Regions 1 to 3 are free except for some chunks that the host holds, without assigned pages.
        let fills: [(Int, Int)] = [(1, 100), (2, 10), (3, 50)]
        for (region, count) in fills {
            machine.guests.allocator.reserve(chunks: (region << 9)..<(region << 9 + count))
        }
        let lost = machine.guests.allocator.free(in: [0..<512], avoiding: machine.platform.rmp.assignedChunks)
        let runs = try machine.guests.allocator.take(
            lost + 502 + 1,
            .aligned,
            unit: 1,
            node: nil,
            avoiding: machine.platform.rmp.assignedChunks
        )
        #expect(runs.reduce(0) { $0 + $1.count } == lost + 503)
        let regions = runs.map { $0.first >> 9 }.reduce(into: [Int]()) { if $0.last != $1 { $0.append($1) } }
        #expect(regions == [0, 2, 3])
    }

    @Test func scatteredIsDeterministic() throws {
        var first = try machine()
        var second = first
        let one = try Self.started(&first, "vm", bytes: 2 << 30, .scattered(seed: 42))
        let two = try Self.started(&second, "vm", bytes: 2 << 30, .scattered(seed: 42))
        let chunks = Self.chunks(first, one)
        #expect(chunks == Self.chunks(second, two) && chunks.count == 1024)
        #expect(Set(chunks).count == 1024 && chunks != chunks.sorted())
        // 1,024 chunks scattered over 64 regions: every region is lost.
        #expect(first.regions(ofGuest: one) == Array(0..<64))
        var third = try machine()
        let three = try Self.started(&third, "vm", bytes: 2 << 30, .scattered(seed: 43))
        #expect(Self.chunks(third, three) != chunks)
        // Down to the last chunk: random draws that keep hitting used chunks must end.
        let free = first.guests.allocator.free(
            in: first.guests.allocator.memory(ofNode: nil),
            avoiding: first.platform.rmp.assignedChunks
        )
        let rest = try Self.started(&first, "rest", bytes: UInt64(free) << 21, .scattered(seed: 1))
        #expect(Set(Self.chunks(first, rest)).count == free)
        let whole = try Self.started(&third, "whole", bytes: 0 + 4096, backing: .size4K, .scattered(seed: 5))
        #expect(third.regions(ofGuest: whole).count <= 2)
    }

    @Test(arguments: [Placement.packed, .aligned, .local, .scattered(seed: 7)])
    func gigabytes(_ placement: Placement) throws {
        var machine = try machine()
        let id = try Self.started(&machine, "vm", bytes: 3 << 30, backing: .size1G, placement)
        let chunks = Self.chunks(machine, id)
        #expect(chunks.count == 3 * 512)
        for number in stride(from: 0, to: chunks.count, by: 512) {
            #expect(chunks[number] & 511 == 0)
            #expect(Array(chunks[number..<(number + 512)]) == Array(chunks[number]..<(chunks[number] + 512)))
        }
        #expect(machine.entries(ofGuest: id) == GuestEntries(size2M: 3 * 512 - 8, size4K: 8 * 512))
        // A gigabyte with a page that is not free is not whole, and does not count.
        let next = try machine.makeGuest("next", bytes: 61 << 30, backing: .size1G, placement: placement)
        #expect(machine.refusal(.startGuest(next)) == .noMemory(requested: 61 << 30, available: 59 << 30))
        try machine.perform(.setGuestMemory(next, bytes: 1 << 30 + 4096), at: machine.now)
        #expect(machine.refusal(.startGuest(next)) == .invalid(.memoryForBacking(1 << 30 + 4096, .size1G)))
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    @Test func ranges() throws {
        var machine = try machine()
        let high: Range<UInt64> = (20 << 30)..<(20 << 30 + 6 << 21)
        let low: Range<UInt64> = (9 << 30)..<(9 << 30 + 20 << 21)
        let id = try Self.started(&machine, "vm", bytes: 10 << 21, .ranges([high, low]))
        #expect(machine.spa(ofGuest: id, gpa: GPA(0)) == SPA(20 << 30))
        #expect(machine.spa(ofGuest: id, gpa: GPA(6 << 21 + 5)) == SPA(9 << 30 + 5))
        #expect(machine.spa(ofGuest: id, gpa: GPA(10 << 21)) == nil)
        #expect(machine.regions(ofGuest: id) == [0, 9, 20])
        // The part of a range that the guest does not need stays free; the part that it takes does not.
        let next = try machine.makeGuest("next", bytes: 20 << 21, placement: .ranges([low]))
        #expect(machine.refusal(.startGuest(next)) == .placement(.notFree((9 << 30)..<(9 << 30 + 1 << 21))))
        try machine.perform(.setGuestMemory(next, bytes: 4096), at: machine.now)
        #expect(machine.refusal(.startGuest(next)) == .placement(.notFree((9 << 30)..<(9 << 30 + 1 << 21))))
        let few: Range<UInt64> = (9 << 30 + 4 << 21)..<(9 << 30 + 6 << 21)
        try machine.perform(.setGuestPlacement(next, .ranges([few])), at: machine.now)
        #expect(machine.refusal(.startGuest(next)) == nil)
        let twice = try machine.makeGuest("twice", bytes: 4 << 21, placement: .ranges([(8 << 30)..<(9 << 30)]))
        let refused: [(Placement, CommandError)] = [
            (.ranges([]), .placement(.noRanges)),
            (.ranges([4096..<8192]), .placement(.granularity(4096..<8192, unit: 2 << 20))),
            (.ranges([(1 << 30)..<(1 << 30)]), .placement(.granularity((1 << 30)..<(1 << 30), unit: 2 << 20))),
            (.ranges([(64 << 30)..<(65 << 30)]), .placement(.notMemory((64 << 30)..<(65 << 30)))),
        ]
        for (placement, error) in refused { #expect(machine.refusal(.setGuestPlacement(twice, placement)) == error) }
        let starts: [(Placement, CommandError)] = [
            (.ranges([(8 << 30)..<(8 << 30 + 2 << 21)]), .noMemory(requested: 4 << 21, available: 2 << 21)),
            (.ranges([0..<(8 << 21)]), .placement(.notFree(0..<(1 << 21)))),
            (
                .ranges([(8 << 30)..<(8 << 30 + 2 << 21), (8 << 30)..<(8 << 30 + 2 << 21)]),
                .placement(.notFree((8 << 30)..<(8 << 30 + 1 << 21)))
            ),
        ]
        for (placement, error) in starts {
            try machine.perform(.setGuestPlacement(twice, placement), at: machine.now)
            #expect(machine.refusal(.startGuest(twice)) == error)
        }
        // Pages assigned by hand are not free either, and a 1 GB folio needs a whole gigabyte.
        #expect(machine.code(.rmpupdate(SPA(30 << 30 + 1 << 21), .init(assigned: true))) == .success)
        try machine.perform(.setGuestPlacement(twice, .ranges([(30 << 30)..<(31 << 30)])), at: machine.now)
        let byHand: Range<UInt64> = (30 << 30 + 1 << 21)..<(30 << 30 + 2 << 21)
        #expect(machine.refusal(.startGuest(twice)) == .placement(.notFree(byHand)))
        try machine.perform(.setGuestMemory(twice, bytes: 1 << 30), at: machine.now)
        try machine.perform(.setGuestBacking(twice, .size1G), at: machine.now)
        let half: Range<UInt64> = (31 << 30 + 1 << 29)..<(33 << 30)
        try machine.perform(.setGuestPlacement(twice, .ranges([half])), at: machine.now)
        #expect(machine.refusal(.startGuest(twice)) == .placement(.granularity(half, unit: 1 << 30)))
        #expect(InvariantChecker.violations(in: machine) == [])
    }

    /// Control pages keep out of the memory that explicit ranges name.
    @Test func rangesAtTheLowestFreeChunk() throws {
        var machine = try machine()
        let id = try Self.started(&machine, "vm", bytes: 2 << 21, .ranges([(1 << 21)..<(3 << 21)]))
        #expect(machine.spa(ofGuest: id, gpa: GPA(0)) == SPA(1 << 21))
        #expect(machine.guests[id]?.contextPage == PFN(3 * 512))
    }

    @Test func nodes() throws {
        var machine = try Self.nodes()
        let remote = try Self.started(&machine, "remote", bytes: 4 << 30, .packed, node: 1)
        #expect(machine.regions(ofGuest: remote).allSatisfy { (33..<65).contains($0) })
        let cxl = try Self.started(&machine, "cxl", bytes: 2 << 30, .scattered(seed: 3), node: 2)
        #expect(machine.regions(ofGuest: cxl).allSatisfy { (65..<73).contains($0) })
        let aligned = try Self.started(&machine, "aligned", bytes: 2 << 30, backing: .size1G, .aligned, node: 1)
        #expect(machine.spa(ofGuest: aligned, gpa: GPA(0)) == SPA(38 << 30))
        // The lowest node with room for all of it.
        let local = try Self.started(&machine, "local", bytes: 28 << 30, .local)
        #expect(machine.regions(ofGuest: local).allSatisfy { $0 < 33 })
        let next = try Self.started(&machine, "next", bytes: 8 << 30, .local)
        #expect(machine.regions(ofGuest: next).allSatisfy { (33..<65).contains($0) })
        let much = try machine.makeGuest("much", bytes: 30 << 30, placement: .local)
        guard case .noMemory(30 << 30, let available) = machine.refusal(.startGuest(much)) else {
            Issue.record("no node has 30 GB")
            return
        }
        try machine.perform(.setGuestMemory(much, bytes: available), at: machine.now)
        #expect(machine.refusal(.startGuest(much)) == nil)
        #expect(InvariantChecker.violations(in: machine) == [])
        // Packed memory runs across a node's end and across the hole.
        let spread = try Self.started(&machine, "spread", bytes: 5 << 30, .packed)
        #expect(!machine.regions(ofGuest: spread).contains(3))

        let id = try machine.makeGuest("refused", bytes: 4096)
        #expect(machine.refusal(.setGuestNode(id, 4)) == .placement(.noSuchNode(4)))
        #expect(machine.refusal(.setGuestNode(id, -1)) == .placement(.noSuchNode(-1)))
        #expect(machine.refusal(.setGuestNode(id, 3)) == .placement(.nodeWithoutMemory(3)))
        try machine.perform(.setGuestNode(id, 1), at: machine.now)
        let there: Range<UInt64> = (66 << 30)..<(67 << 30)
        try machine.perform(.setGuestPlacement(id, .ranges([there])), at: machine.now)
        #expect(machine.refusal(.startGuest(id)) == .placement(.otherNode(there, node: 1)))
        #expect(machine.refusal(.setGuestPlacement(id, .ranges([(3 << 30)..<(4 << 30)]))) != nil)
        try machine.perform(.setGuestNode(id, nil), at: machine.now)
        try machine.perform(.setGuestPlacement(id, .packed), at: machine.now)
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(machine.refusal(.setGuestNode(id, nil)) == .busy(.guestRunning))
        #expect(machine.refusal(.setGuestPlacement(id, .packed)) == .busy(.guestRunning))
        #expect(machine.guest(id)?.node == nil && machine.guest(remote)?.node == 1)
    }
}
