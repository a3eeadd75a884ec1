// SPDX-License-Identifier: Apache-2.0
// And back: a machine that adopts an RMP has the same RMP, and its guests can end.

import Testing

@testable import RMPImage
@testable import RMPModel

@Suite struct AdoptionTests {
    /// A machine that adopts another's RMP, and what it could not keep.
    private static func adopt(_ memory: MachineMemory) throws -> (machine: Machine, losses: AdoptionLosses) {
        let machine = memory.machine
        let configuration = try machine.configuration.adopting(machine.rmpLayout)
        var adoption = try RMPAdoption(configuration)
        try ScannedRMP(machine.rmpLayout).give(to: &adoption, from: memory)
        return adoption.finish()
    }

    /// The entries of a machine's RMP: the words of each 64 KB that is not all zeros, by address.
    private static func entries(of machine: Machine) -> [UInt64: [UInt64]] {
        var pieces: [UInt64: [UInt64]] = [:]
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { room.deallocate() }
        for segment in machine.rmpLayout.segments {
            for at in stride(from: segment.table.lowerBound, to: segment.table.upperBound, by: room.count) {
                let count = Int(min(UInt64(room.count), segment.table.upperBound - at))
                let part = UnsafeMutableRawBufferPointer(rebasing: room[..<count])
                machine.writeRMPMemory(at: at, into: part)
                let words = Array(part.bindMemory(to: UInt64.self))
                if words.contains(where: { $0 != 0 }) { pieces[at] = words }
            }
        }
        return pieces
    }

    @Test(arguments: 0..<machineCount)
    func imageToMachineToImage(_ number: Int) throws {
        let seed = testSeed &+ UInt64(number)
        var random = Random(seed: seed)
        let original = try MachineImageTests.machine(number, &random)
        let (adopted, losses) = try Self.adopt(MachineMemory(machine: original))
        #expect(Self.entries(of: adopted) == Self.entries(of: original), "seed \(seed)")
        #expect(InvariantChecker.violations(in: adopted) == [], "seed \(seed)")
        #expect(losses.permissions == 0 && losses.miscounted == 0 && losses.outside == 0, "seed \(seed)")
        let running = adopted.guestIDs.compactMap { adopted.guest($0)?.asid }
        var wanted: Set<UInt16> = []
        for region in 0..<original.regionCount {
            for item in original.assignedPages(byASIDOf: region) where item.asid <= 1006 { wanted.insert(item.asid) }
        }
        #expect(Set(running) == wanted && losses.guests == running.count, "seed \(seed)")
        for region in 0..<adopted.regionCount {
            let isFree = adopted.assignedPages(ofRegion: region) == 0
            let isOptimized = adopted.isOptimized(region: region, cpu: 0)
            #expect(isOptimized ? isFree : true, "seed \(seed), region \(region)")
        }
    }

    /// Adopted guests end in any order, and take nothing with them that is not theirs.
    @Test(arguments: 0..<machineCount)
    func guestsEnd(_ number: Int) throws {
        let seed = testSeed &+ UInt64(number)
        var random = Random(seed: seed)
        let original = try MachineImageTests.machine(number, &random)
        var (machine, _) = try Self.adopt(MachineMemory(machine: original))
        var left = Set(machine.guestIDs.compactMap { machine.guest($0)?.asid })
        for id in machine.guestIDs.shuffled(using: &random) {
            let asid = try #require(machine.guest(id)?.asid)
            // Half of them end together with the next.
            try machine.perform(.stopGuest(id), at: machine.now)
            if random.chance(2) { continue }
            machine.runToIdle()
            #expect(InvariantChecker.violations(in: machine) == [], "seed \(seed), asid \(asid)")
        }
        machine.runToIdle()
        #expect(InvariantChecker.violations(in: machine) == [], "seed \(seed)")
        // A guest's page that is still assigned could not be taken back: it is immutable, locked, or in a 2 MB entry.
        for page in 0..<UInt64(machine.regionCount) << 18 {
            guard let before = original.rmpEntry(PFN(page)), before.assigned else { continue }
            let after = try #require(machine.rmpEntry(PFN(page)))
            let isGuests = before.asid > 0 && before.asid <= 1006
            if isGuests && after.assigned {
                let refuses = after.immutable || after.locked || after.pageSize == .size2M
                #expect(refuses, "seed \(seed), page \(page): \(after)")
            }
            if !isGuests && before.asid == 0 && !before.vmsa && before.immutable {
                #expect(after == before, "seed \(seed), page \(page)")
            }
            left.remove(after.asid)
        }
        // A new guest can be launched.
        guard case .guest(let id) = try machine.perform(.createGuest(name: "new"), at: machine.now) else {
            return
        }
        try machine.perform(.setGuestMemory(id, bytes: 64 << 20), at: machine.now)
        try machine.perform(.startGuest(id), at: machine.now)
        #expect(InvariantChecker.violations(in: machine) == [], "seed \(seed)")
    }

    /// Two guests that share chunks page by page, as hosts without large folios have them.
    @Test func sharedChunks() throws {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 2 << 30))
        for page in 0..<2048 as Range<UInt64> {
            let asid: UInt32 = page % 3 == 0 ? 5 : 9
            let input = RMPUpdateInput(gpa: GPA((2048 - page) << 12), assigned: true, asid: asid)
            try machine.perform(.rmpupdate(SPA(0x5000_0000 + page << 12), input), at: machine.now)
        }
        var (adopted, losses) = try Self.adopt(MachineMemory(machine: machine))
        #expect(losses.sharedChunks == 4 && losses.guests == 2)
        let first = try #require(adopted.guestID(named: "asid5"))
        #expect(adopted.guest(first)?.memoryBytes == 8 << 20)
        try adopted.perform(.stopGuest(first), at: adopted.now)
        adopted.runToIdle()
        #expect(adopted.assignedPages(byASIDOf: 1).map(\.asid) == [9])
        #expect(adopted.assignedPages(byASIDOf: 1).map(\.pages) == [2048 - 683])
        #expect(InvariantChecker.violations(in: adopted) == [])
        let other = try #require(adopted.guestID(named: "asid9"))
        try adopted.perform(.convert(other, gpa: 0..<0x20_0000, toPrivate: false), at: adopted.now)
        try adopted.perform(.stopGuest(other), at: adopted.now)
        adopted.runToIdle()
        #expect(adopted.assignedPages(ofRegion: 1) == 0)
        #expect(InvariantChecker.violations(in: adopted) == [])
    }

    // MARK: What cannot be held

    /// A machine's memory with some words changed.
    private struct Changed: PhysicalMemory {
        let memory: MachineMemory
        let words: [UInt64: UInt64]
        let isLive = false
        let showsItself = false

        func nextData(from address: UInt64) -> UInt64? {
            let mine = words.keys.filter { $0 >= address }.min()
            return [memory.nextData(from: address), mine].compactMap { $0 }.min()
        }

        func withBytes(
            of range: Range<UInt64>,
            buffer: ScanBuffer,
            _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
        ) throws(MemoryError) {
            let room = UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[..<Int(range.upperBound - range.lowerBound)]
            )
            memory.machine.writeRMPMemory(at: range.lowerBound, into: room)
            for (address, word) in words where range.contains(address) {
                room.storeBytes(of: word, toByteOffset: Int(address - range.lowerBound), as: UInt64.self)
            }
            try body(UnsafeRawBufferPointer(room))
        }

        func word(at address: UInt64) throws(MemoryError) -> UInt64 {
            if let word = words[address] { return word }
            return try memory.word(at: address)
        }
    }

    private static func adopt(_ entries: [(page: UInt64, low: UInt64, high: UInt64)]) throws -> AdoptionLosses {
        let machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 2 << 30))
        var words: [UInt64: UInt64] = [:]
        for entry in entries {
            let at = try #require(machine.rmpLayout.entryAddress(of: PFN(entry.page))).rawValue
            words[at] = entry.low
            words[at + 8] = entry.high
        }
        var adoption = try RMPAdoption(machine.configuration.adopting(machine.rmpLayout))
        let memory = Changed(memory: MachineMemory(machine: machine), words: words)
        try ScannedRMP(machine.rmpLayout).give(to: &adoption, from: memory)
        return adoption.finish().losses
    }

    private static func error(_ entries: [(page: UInt64, low: UInt64, high: UInt64)]) -> AdoptionError? {
        do {
            _ = try adopt(entries)
            return nil
        } catch ImageAdoptionError.machine(let error) {
            return error
        } catch {
            Issue.record(error)
            return nil
        }
    }

    private let asid5: UInt64 = 5 << 51

    @Test func refusals() {
        let page: UInt64 = 0x5_0000
        // Validated without being assigned.
        #expect(Self.error([(page + 1, 1 << 62, 0)]) == .undescribed(PFN(page + 1), RawRMPEntry(low: 1 << 62, high: 0)))
        // A 2 MB entry with a guest's page inside it, and one in the middle of a chunk.
        let low = asid5 | 1
        #expect(
            Self.error([(page, low | 2, 31), (page + 7, low, 31)])
                == .size(PFN(page + 1), RawRMPEntry(low: 0, high: 0))
        )
        #expect(Self.error([(page + 7, low | 2, 31)]) == .size(PFN(page + 7), RawRMPEntry(low: low | 2, high: 31)))
        // A guest's page that the model can hold.
        #expect(Self.error([(page + 7, low, 31)]) == nil)
    }

    @Test func losses() throws {
        let page: UInt64 = 0x5_0000
        let low = asid5 | 1
        #expect(try Self.adopt([(page, 510 << 3, 0), (page + 7, low, 31)]).miscounted == 1)
        #expect(try Self.adopt([(page, 1 << 3, 0), (page + 7, low, 31)]).miscounted == 0)
        #expect(try Self.adopt([(page, 1 << 3, 0), (page + 7, low, 0x1f1f)]).permissions == 1)
        #expect(try Self.adopt([(page + 7, 1020 << 51 | 1, 31)]).unknownASIDs == 1)
    }
}
