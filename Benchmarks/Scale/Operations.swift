// SPDX-License-Identifier: Apache-2.0
// The machine's own operations, without files: boot, pass, RMPUPDATE, guests.

import RMPModel

/// Measures operations on machines of one configuration.
struct Operations {
    private static let guestBytes = 100 * gigabyte
    private static let convertedBytes = gigabyte
    /// What the guests that end together have in all.
    private static let endingBytes = 512 * gigabyte
    private let configuration: MachineConfiguration

    init(_ configuration: MachineConfiguration) { self.configuration = configuration }

    func measure() throws {
        var boots = Samples()
        for _ in 0..<5 { _ = boots.time { Machine(configuration) } }
        let machine = Machine(configuration)
        let words = (machine.coreCount + 63) / 64
        boots.report(
            "boot",
            touches: ["words": machine.regionCount * words, "regions": machine.regionCount, "CPUs": machine.cpuCount]
        )
        try pass(machine)
        try update(machine)
        for backing in [Backing.size2M, .size4K] { try guest(backing) }
        try ends()
    }

    /// Every bit must be set in every region that has any.
    private func pass(_ booted: Machine) throws {
        var samples = Samples()
        var machine = booted
        for _ in 0..<7 {
            for region in 0..<machine.regionCount {
                // The RMP's own regions refuse this; their bits are never set.
                let page = SPA(UInt64(region) * gigabyte + 512 << 20)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput(assigned: true)), at: machine.now)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput()), at: machine.now)
            }
            try samples.time {
                try machine.perform(.reoptimize, at: machine.now)
                machine.runToIdle()
            }
        }
        // Regions beyond all windows are not visited, but those that hold pages are counted.
        let windows = machine.windows.map(\.regions)
        let inside = machine.configuredRegions.count { region in windows.contains { $0.contains(region) } }
        let bits = machine.configuredRegions.reduce(0) { $0 + machine.optimizedCoreCount(ofRegion: $1) }
        let beyond = machine.configuredRegions.count - inside
        samples.report("pass", touches: ["regions": inside, "words": bits / 64, "regions beyond": beyond])
    }

    /// Pages one after another: assigned, then given back.
    private func update(_ booted: Machine) throws {
        var samples = Samples()
        var machine = booted
        let pages = 1 << 19
        // Two regions without pages of the RMP and firmware.
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
        samples.report("rmpupdate", touches: ["page": 1])
    }

    private func guest(_ backing: Backing) throws {
        let name = backing == .size2M ? "2m" : "4k"
        var (launch, end, convert) = (Samples(), Samples(), Samples())
        for _ in 0..<5 {
            // A new machine, not a copy: the first change would pay for the copy.
            var machine = Machine(configuration)
            guard case .guest(let id) = try machine.perform(.createGuest(name: "g"), at: machine.now) else { return }
            try machine.perform(.setGuestMemory(id, bytes: Operations.guestBytes), at: machine.now)
            try machine.perform(.setGuestBacking(id, backing), at: machine.now)
            try launch.time { _ = try machine.perform(.startGuest(id), at: machine.now) }
            for toPrivate in [false, true] {
                let gpa = 4 * gigabyte..<4 * gigabyte + Operations.convertedBytes
                let command = Command.convert(id, gpa: Range(raw: gpa), toPrivate: toPrivate)
                try convert.time { _ = try machine.perform(command, at: machine.now) }
            }
            try end.time {
                try machine.perform(.stopGuest(id), at: machine.now)
                machine.runToIdle()
            }
        }
        let chunks = Int(Operations.guestBytes >> 21)
        launch.report("launch-\(name)", touches: ["chunks": chunks])
        convert.report("convert-\(name)", touches: ["chunks": Int(Operations.convertedBytes >> 21)])
        end.report("end-\(name)", touches: ["chunks": chunks])
    }

    /// The ends of several guests, a nanosecond or more apart, so that their chunks take turns; the memory is the same
    /// however many share it. In rounds over all counts, so that each is measured at all times of the run.
    private func ends() throws {
        var samples: [Int: Samples] = [:]
        for _ in 0..<5 {
            for count in [1, 2, 8, 64] { try samples[count, default: Samples()].time(of: ending(count)) }
        }
        for (count, samples) in samples.sorted(by: { $0.key < $1.key }) {
            samples.report("ends-\(count)", touches: ["chunks": Int(Operations.endingBytes >> 21)])
        }
    }

    /// A machine on which so many guests have begun to end.
    private func ending(_ count: Int) throws -> Machine {
        var machine = Machine(configuration)
        var guests: [GuestID] = []
        for number in 0..<count {
            let name = GuestName("g\(number)")
            guard case .guest(let id) = try machine.perform(.createGuest(name: name), at: machine.now) else { continue }
            let bytes = Operations.endingBytes / UInt64(count)
            try machine.perform(.setGuestMemory(id, bytes: bytes), at: machine.now)
            try machine.perform(.startGuest(id), at: machine.now)
            guests.append(id)
        }
        for id in guests { try machine.perform(.stopGuest(id), at: machine.now + 1) }
        return machine
    }
}
