// SPDX-License-Identifier: Apache-2.0
// The bridge: a machine's RMP in raw form, read like a host's, must say of each page what the machine itself says.

import RMPModel
import Testing

@testable import RMPImage

@Suite struct MachineImageTests {
    /// Three layouts: the usual one, a contiguous one, and scattered segments that leave some memory uncovered.
    private static func configuration(_ number: Int) throws -> MachineConfiguration {
        let topology = try Topology(cpus: 4)
        let memory = try MemoryMap(bytes: 4 << 30)
        switch number % 3 {
        case 0: return try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30)
        case 1:
            let end: UInt64 = 0x1000_0000 + RMPLayout.bookkeepingBytes + 4 * RMPLayout.bytesPerRegion - 1
            return try MachineConfiguration(
                topology: topology,
                memory: memory,
                rmp: .contiguous(base: 0x1000_0000, end: end)
            )
        default:
            return try MachineConfiguration(
                topology: topology,
                memory: memory,
                rmp: .segmented(
                    base: 0x870_0000,
                    shift: 30,
                    entries: [
                        RSTEntry(index: 0, base: 0x7000_0000, gigabytes: 1),
                        RSTEntry(index: 1, base: 0x880_0000, gigabytes: 1),
                        RSTEntry(index: 3, base: 0xf00_0000, gigabytes: 1),
                    ]
                )
            )
        }
    }

    /// A machine after random commands that bring pages into every state and size.
    static func machine(_ number: Int, _ random: inout Random) throws -> Machine {
        var machine = Machine(try configuration(number))
        for index in 0..<3 {
            guard
                case .guest(let id)? = try? machine.perform(
                    .createGuest(name: GuestName("g\(index)")),
                    at: machine.now
                )
            else { continue }
            let backing: Backing = random.chance(2) ? .size4K : .size2M
            let bytes = UInt64(1 + random.below(200)) << 20
            for command in [
                .setGuestMemory(id, bytes: bytes), .setGuestBacking(id, backing), .startGuest(id),
                .validate(id, gpa: 0..<0x20_0000, .size4K),
                .convert(id, gpa: 0..<0 + UInt64(random.below(64)) << 12, toPrivate: false),
            ] as [Command] { _ = try? machine.perform(command, at: machine.now) }
            if random.chance(4) { _ = try? machine.perform(.stopGuest(id), at: machine.now) }
        }
        for _ in 0..<400 {
            let chunk = UInt64(random.below(4 * 512))
            let spa = SPA(chunk << 21 | UInt64(random.chance(3) ? 0 : random.below(512)) << 12)
            let input = RMPUpdateInput(
                gpa: GPA(random.next() & 0xffff_f000),
                assigned: !random.chance(4),
                pageSize: random.chance(4) ? .size2M : .size4K,
                immutable: random.chance(5),
                asid: random.chance(3) ? 0 : UInt32(random.below(1024))
            )
            let change = FirmwareChange.allCases[random.below(FirmwareChange.allCases.count)]
            let command: Command =
                switch random.below(6) {
                case 0: .psmash(SPA(chunk << 21))
                case 1: .firmwareChange(spa, change, gpa: GPA(random.next() & 0xf000))
                case 2: .lock(spa, random.chance(2))
                case 3: .leak(spa.pfn..<spa.pfn + UInt64(1 + random.below(4)))
                default: .rmpupdate(spa, input)
                }
            _ = try? machine.perform(command, at: machine.now)
        }
        return machine
    }

    /// What `blockers` says of a region, worked out from a tally.
    private func blockers(_ tally: RegionTally) -> [String: Int] {
        var pages: [String: Int] = [:]
        for item in tally.owners {
            switch item.owner {
            case .rmpTable: pages["RMP table", default: 0] += item.pages
            case .firmware: pages["firmware", default: 0] += item.pages
            case .guest(let asid): pages["asid \(asid)", default: 0] += item.pages
            case .reclaim, .locked: pages["leaked", default: 0] += item.pages
            case .hypervisorFixed, .free: break
            }
        }
        return pages
    }

    @Test(arguments: 0..<machineCount)
    func agreesWithBlockers(_ number: Int) throws {
        let seed = testSeed &+ UInt64(number)
        var random = Random(seed: seed)
        let machine = try Self.machine(number, &random)
        let memory = MachineMemory(machine: machine)
        let layout = machine.rmpLayout
        let found = try RMPLayout.find(
            RMPRegisters(
                base: layout.rmpBase,
                end: layout.rmpEnd,
                configuration: layout.isSegmented ? 1 | UInt64(layout.shift) << 8 : 0
            ),
            in: memory
        )
        #expect(found == layout)
        let table = ScannedRMP(found)
        for depth in ScanDepth.allCases {
            let result = try table.scan(0..<machine.regionCount, in: memory, depth: depth, threads: 2)
            for tally in result.regions {
                let told: Comment = "seed \(seed), region \(tally.region), \(depth)"
                var wanted: [String: Int] = [:]
                for blocker in machine.blockers(ofRegion: tally.region) {
                    let name =
                        switch blocker.owner {
                        case .rmpTable: "RMP table"
                        case .firmware: "firmware"
                        case .guest(let asid, _): "asid \(asid)"
                        case .leaked: "leaked"
                        }
                    wanted[name] = blocker.pages
                }
                #expect(blockers(tally) == wanted, told)
                #expect(tally.assigned == machine.assignedPages(ofRegion: tally.region), told)
                #expect(tally.oddities.isEmpty, told)
            }
        }
        // Each entry and its state, page by page: all pages of some mixed chunks, the ends and a random page of the
        // others.
        var left = 40
        for chunk in stride(from: 0, to: UInt64(machine.regionCount) << 18, by: 512) {
            let isMixed =
                machine.rawRMP(PFN(chunk + 1))?.high != machine.rawRMP(PFN(chunk + 511))?.high
                || machine.rawRMP(PFN(chunk))?.subpageCount ?? 0 % 511 != 0
            left -= isMixed ? 1 : 0
            for index in isMixed && left > 0 ? Array(0..<512) : [0, 511, UInt64(1 + random.below(510))] {
                let page = PFN(chunk + index)
                let reading = try table.page(at: SPA(page), in: memory)
                let told: Comment = "seed \(seed), page \(page)"
                #expect(reading?.entry == machine.rawRMP(page), told)
                #expect((reading.map { $0.state } ?? .uncovered) == machine.pageState(page), told)
            }
        }
    }

    /// The bookkeeping holds what was passed in, the RST holds the segments, and holes hold nothing.
    @Test func bookkeepingAndHoles() throws {
        var random = Random(seed: testSeed)
        let machine = try Self.machine(0, &random)
        let head = machine.rmpLayout.head
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(head.upperBound - head.lowerBound),
            alignment: 16
        )
        defer { bytes.deallocate() }
        let counters = (0..<1024).map { UInt64($0) * 3 }
        machine.writeRMPMemory(at: head.lowerBound, into: bytes, counters: counters)
        let words = Array(bytes.bindMemory(to: UInt64.self))
        #expect(Array(words[..<1024]) == counters && words[1024..<2048].allSatisfy { $0 == 0 })
        #expect(words[2048] == machine.rmpLayout.entries[0].rawValue)
        // Everything between two pieces of data is zero.
        var address: UInt64 = 0
        var pieces = 0
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { room.deallocate() }
        while let data = machine.nextRMPData(from: address) {
            #expect(data.lowerBound >= address && !data.isEmpty)
            var hole = max(address, machine.rmpLayout.head.lowerBound & ~0xfffff)
            while hole < data.lowerBound {
                let count = Int(min(data.lowerBound - hole, 1 << 20)) & ~15
                machine.writeRMPMemory(at: hole, into: UnsafeMutableRawBufferPointer(rebasing: room[..<count]))
                #expect(room[..<count].allSatisfy { $0 == 0 })
                hole += UInt64(count)
            }
            address = data.upperBound
            pieces += 1
        }
        #expect(pieces > 2)
    }
}
