// SPDX-License-Identifier: Apache-2.0
// What a launch leaves in the RMP and what it costs, and how a guest's end gives memory back inode by inode.

import Testing

@testable import RMPModel

@Suite struct LaunchTests {
    @Test func controlPages() throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 64 << 20)
        try machine.perform(.setGuestVCPUs(id, 600), at: machine.now)
        try machine.perform(.startGuest(id), at: machine.now)
        let guest = try #require(machine.guests[id])
        #expect(
            machine.rmpEntry(try #require(guest.contextPage)) == RMPEntry(assigned: true, immutable: true, vmsa: true)
        )
        #expect(machine.rmpEntry(try #require(guest.responsePage)) == RMPEntry(assigned: true, immutable: true))
        let vmsas = machine.vmsaPages(ofGuest: id)
        // 600 of them reach into a second chunk, whose first page is left out.
        #expect(Set(vmsas).count == 600 && vmsas.allSatisfy { $0.rawValue & 511 != 0 })
        #expect(Set(vmsas.map { $0.rawValue >> 9 }).count == 2)
        let expected = RMPEntry(assigned: true, gpa: GPA(0xffff_ffff_f000), asid: 1, vmsa: true, validated: true)
        #expect(vmsas.allSatisfy { machine.rmpEntry($0) == expected })
        #expect(machine.guest(id)?.vcpus == 600 && InvariantChecker.violations(in: machine) == [])
        try machine.perform(.stopGuest(id), at: machine.now)
        #expect(machine.vmsaPages(ofGuest: id) == [])
        #expect(vmsas.allSatisfy { machine.rmpEntry($0) == RMPEntry() })
        machine.runToIdle()
        #expect(machine.guests.controls.chunks.isEmpty && InvariantChecker.violations(in: machine) == [])
        for count in [0, -1, 4097] { #expect(machine.refusal(.setGuestVCPUs(id, count)) == .invalid(.vcpus(count))) }
    }

    /// A VMSA page that is the first control page of its chunk.
    @Test func aChunkOfVMSAsBeginsAtItsSecondPage() throws {
        var allocator = ChunkAllocator(memory: try MemoryMap(bytes: 1 << 30))
        var controls = ControlPages()
        let rmp = RMP(regionCount: 1)
        #expect(controls.take(isVMSA: true, in: [4..<8], from: &allocator, rmp: rmp) == PFN(4 * 512 + 1))
        #expect(controls.take(isVMSA: false, in: [4..<8], from: &allocator, rmp: rmp) == PFN(4 * 512))
        #expect(controls.take(isVMSA: true, in: [0..<1], from: &allocator, rmp: rmp) == PFN(1))
        #expect(controls.take(isVMSA: true, in: [4..<8], from: &allocator, rmp: rmp) == PFN(4 * 512 + 2))
        for page in [1, 2048, 2049, 2050] as [UInt64] { controls.release(PFN(page), to: &allocator) }
        #expect(controls.chunks.isEmpty && !allocator.isUsed(0) && !allocator.isUsed(4))
    }

    @Test(arguments: Backing.allCases) func initialImage(_ backing: Backing) throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: 1 << 30, backing: backing, placement: .aligned)
        try machine.perform(.startGuest(id), at: machine.now)
        func entry(_ gpa: UInt64) throws -> RMPEntry? {
            machine.rmpEntry(try #require(machine.spa(ofGuest: id, gpa: GPA(gpa))).pfn)
        }
        for gpa in [0, 0x5000, 16 << 20 - 0x1000] as [UInt64] {
            #expect(try entry(gpa) == RMPEntry(assigned: true, gpa: GPA(gpa), asid: 1, validated: true))
        }
        let size: PageSize = backing == .size4K ? .size4K : .size2M
        let faulted = RMPEntry(assigned: true, pageSize: size, gpa: GPA(16 << 20), asid: 1)
        #expect(try entry(16 << 20) == faulted)
        let entries = machine.entries(ofGuest: id)
        #expect(entries.pages == 262_144 && entries.size2M == (size == .size4K ? 0 : 504))
        #expect(machine.privatePages(ofGuest: id) == 262_144)
        let work = try #require(machine.guest(id)).launchWork
        let costs = machine.configuration.costs
        let faults = entries.size2M + entries.size4K - 4096
        #expect(work.updates == 3 + 4096 + faults && work.measured == 4097 && work.smashes == 0)
        let measuring = UInt64(work.measured) * costs.launchUpdate
        let updating = UInt64(work.updates) * costs.assign
        #expect(work.nanoseconds == measuring + updating + UInt64(faults) * costs.privateFault)
    }

    /// A page that refuses ends the launch, and everything goes back, even pages that firmware has not measured.
    @Test(arguments: [3, 9]) func aLaunchThatFails(_ bad: Int) throws {
        var machine = try machine()
        let chunk = 2560 + bad
        machine.platform.rmp.setEntry(chunk: chunk, index: 7, .hypervisorFixed)
        let start = UInt64(2560) << 21
        let id = try machine.makeGuest("vm", bytes: 12 << 21, placement: .ranges([start..<(start + 12 << 21)]))
        #expect(machine.refusal(.startGuest(id)) == .rmp(.failPermission))
        #expect(machine.guest(id)?.state == .ending && InvariantChecker.violations(in: machine) == [])
        machine.runToIdle()
        #expect(machine.guest(id)?.state == .stopped && machine.leaked == [])
        #expect(machine.assignedPages(ofRegion: 5) == 0 && InvariantChecker.violations(in: machine) == [])
    }

    @Test(arguments: [1, 2, 3, 9, 512]) func inodes(_ chunks: Int) throws {
        var machine = try machine()
        let id = try machine.makeGuest("vm", bytes: UInt64(chunks) << 21)
        try machine.perform(.startGuest(id), at: machine.now)
        try machine.perform(.stopGuest(id), at: machine.now)
        let costs = machine.configuration.costs
        var steps: [TeardownProgress] = []
        var effort = Int.max
        repeat {
            steps.append(
                machine.guests.tearDownChunks(id, before: .end(of: .max), effort: &effort, &machine.platform, costs)
            )
        } while steps.last?.ended == false
        #expect(steps.map(\.inodesFreed) == (chunks == 1 ? [2] : [1, 1]))
        #expect(steps.map(\.ended) == (chunks == 1 ? [true] : [false, true]))
        #expect(steps.map(\.last) == steps.map(\.last).sorted() && machine.leaked == [])
        #expect(machine.guest(id)?.state == .stopped)
        let none = machine.guests.tearDownChunks(id, before: .end(of: .max), effort: &effort, &machine.platform, costs)
        #expect(none == TeardownProgress())
    }

    @Test func asidsOfTheProcessor() throws {
        var processor = Processor.venice
        processor.asidCount = 3
        var machine = Machine(
            try MachineConfiguration(
                processor: processor,
                topology: Topology(cpus: 2),
                memory: MemoryMap(bytes: 8 << 30)
            )
        )
        for number in 1...3 {
            let id = try machine.makeGuest("vm\(number)", bytes: 4096)
            try machine.perform(.startGuest(id), at: machine.now)
            #expect(machine.guest(id)?.asid == UInt16(number))
        }
        let id = try machine.makeGuest("more", bytes: 4096)
        #expect(machine.refusal(.startGuest(id)) == .noASID)
        #expect(machine.guest(id)?.launchWork == GuestWork() && InvariantChecker.violations(in: machine) == [])
    }

    /// A launch that finds memory but no room for its VMSA pages takes nothing.
    @Test func noRoomForControlPages() throws {
        var machine = try machine(cpus: 2, gigabytes: 1)
        let free = machine.guests.allocator.free(in: [0..<512], avoiding: machine.platform.rmp.assignedChunks)
        let id = try machine.makeGuest("vm", bytes: 4096)
        machine.guests.allocator.reserve(chunks: 0..<511)
        try machine.perform(.setGuestVCPUs(id, 511), at: machine.now)
        let used = machine.guests.allocator.used
        #expect(free > 0)
        #expect(machine.refusal(.startGuest(id)) == .noMemory(requested: 4096, available: 0))
        #expect(machine.guests.allocator.used == used && machine.guests.controls.chunks.isEmpty)
        #expect(machine.guests.asids.count == 0)
    }
}
