// SPDX-License-Identifier: Apache-2.0
// The machine's own operations, without files: boot, pass, RMPUPDATE, guests.

import RMPModel

/// Measures operations on machines of one configuration.
struct Operations {
    private static let guestBytes = 100 * gigabyte
    private static let convertedBytes = gigabyte
    private let configuration: MachineConfiguration

    init(_ configuration: MachineConfiguration) { self.configuration = configuration }

    func measure() throws {
        var boots = Samples()
        for _ in 0..<5 { _ = boots.time { Machine(configuration) } }
        let machine = Machine(configuration)
        let words = (machine.coreCount + 63) / 64
        boots.report("boot", touches: machine.regionCount * words + machine.cpuCount, "words and CPUs")
        try pass(machine)
        try update(machine)
        for backing in [Backing.size2M, .size4K] { try guest(backing) }
    }

    /// Every bit of every region that has any is set anew.
    private func pass(_ booted: Machine) throws {
        var samples = Samples()
        var machine = booted
        for _ in 0..<7 {
            for region in 0..<machine.regionCount {
                // Refused in the RMP's own regions, none of whose bits is ever set.
                let page = SPA(UInt64(region) * gigabyte + 512 << 20)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput(assigned: true)), at: machine.now)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput()), at: machine.now)
            }
            try samples.time {
                try machine.perform(.reoptimize, at: machine.now)
                machine.runToIdle()
            }
        }
        let bits = machine.configuredRegions.reduce(0) { $0 + machine.optimizedCoreCount(ofRegion: $1) }
        samples.report("pass", touches: machine.configuredRegions.count + bits / 64, "regions and words")
    }

    /// Pages one after the other: assigned, then given back.
    private func update(_ booted: Machine) throws {
        var samples = Samples()
        var machine = booted
        let pages = 1 << 19
        // Two regions of which the RMP and firmware hold nothing.
        let region = machine.configuredRegions.first { region in
            region >= 8 && (region...region + 1).allSatisfy { machine.assignedPages(ofRegion: $0) == 0 }
        }
        guard let region else { return }
        let start = UInt64(region) * gigabyte
        for round in 0..<8 {
            let input = RMPUpdateInput(assigned: round.isMultiple(of: 2))
            try samples.time(pages) {
                for page in 0..<UInt64(pages) {
                    try machine.perform(.rmpupdate(SPA(start + page << 12), input), at: 0)
                }
            }
        }
        samples.report("rmpupdate", touches: 1, "page")
    }

    private func guest(_ backing: Backing) throws {
        let name = backing == .size2M ? "2m" : "4k"
        var (launch, end, convert) = (Samples(), Samples(), Samples())
        for _ in 0..<5 {
            // Not a copy of one: the first change would pay for the copy.
            var machine = Machine(configuration)
            guard case .guest(let id) = try machine.perform(.createGuest(name: [0x67]), at: machine.now) else { return }
            try machine.perform(.setGuestMemory(id, bytes: Operations.guestBytes), at: machine.now)
            try machine.perform(.setGuestBacking(id, backing), at: machine.now)
            try launch.time { _ = try machine.perform(.startGuest(id), at: machine.now) }
            for toPrivate in [false, true] {
                let gpa = 4 * gigabyte..<4 * gigabyte + Operations.convertedBytes
                let command = Command.convert(id, gpa: gpa, toPrivate: toPrivate)
                try convert.time { _ = try machine.perform(command, at: machine.now) }
            }
            try end.time {
                try machine.perform(.stopGuest(id), at: machine.now)
                machine.runToIdle()
            }
        }
        let frames = Int(Operations.guestBytes >> 21)
        launch.report("launch-\(name)", touches: frames, "frames")
        convert.report("convert-\(name)", touches: Int(Operations.convertedBytes >> 21), "frames")
        end.report("end-\(name)", touches: frames, "frames")
    }
}

/// A machine of 2 TB and 1,024 CPUs with every frame mixed at 4 KB.
enum Mixed {
    static func measure() throws {
        let configuration = try MachineConfiguration(cpus: 1024, memoryBytes: 2 << 40)
        let before = residentBytes()
        var machine = Machine(configuration)
        let frames = UInt64(2 << 40) >> 21
        var refused = 0
        var samples = Samples()
        samples.time(Int(frames) * 256) {
            for frame in 0..<frames {
                for page in stride(from: frame << 9, to: (frame + 1) << 9, by: 2) {
                    let input = RMPUpdateInput(gpa: GPA(page << 12), assigned: true, asid: 1)
                    do { try machine.perform(.rmpupdate(SPA(page << 12), input), at: 0) } catch { refused += 1 }
                }
            }
        }
        let used = residentBytes() - before
        print("mixed", used, used, 1, Int(frames) - refused / 256, "frames", separator: "\t")
        samples.report("mixed-update", touches: 1, "page")
        machine.runToIdle()
        // The form that nothing but a deliberate tester makes: each page of a frame unlike all others of it.
        var scattered = Machine(configuration)
        let start = residentBytes()
        let few: UInt64 = 1 << 16
        for page in (frames / 2) << 9..<(frames / 2 + few) << 9 {
            let input = RMPUpdateInput(gpa: GPA((page &* 0x9E37 & 0xFFFF_FFFF) << 12), assigned: true, asid: 1)
            try scattered.perform(.rmpupdate(SPA(page << 12), input), at: 0)
        }
        let whole = (residentBytes() - start) * Int(frames / few)
        print("scattered", whole, whole, 1, Int(few), "frames measured", separator: "\t")
        scattered.runToIdle()
    }
}
