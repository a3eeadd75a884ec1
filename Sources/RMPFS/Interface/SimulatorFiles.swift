// SPDX-License-Identifier: Apache-2.0
// The controls of a simulated machine, rmpsim/: its guests, faults, CPUs, firmware, memory and clock.

import RMPModel

/// Builds `rmpsim/`.
struct SimulatorFiles {
    let engine: SimulatedEngine
    let faults: FaultTable
    let owner: Owner

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        let makeGuest: Directory.MakeItem = { [engine, owner] name throws(Errno) in
            guard case .guest(let id) = try engine.perform(.createGuest(name: GuestName(bytes: name))) else {
                throw .ioError
            }
            return GuestFiles(id: id, engine: engine, owner: owner).folder()
        }
        let guests = Directory(rules: .configfs, owner: owner, makeItem: makeGuest)
        let present: @Sendable () -> [(name: [UInt8], number: Int)] = { [engine] in
            let guests = try? engine.look { machine throws(Errno) in
                machine.guestIDs.compactMap { id in machine.guest(id).map { ($0.name.bytes, Int(id.rawValue)) } }
            }
            return guests ?? []
        }
        let make: @Sendable (Int) -> Directory = { [engine, owner] number in
            GuestFiles(id: GuestID(UInt64(number)), engine: engine, owner: owner).folder()
        }
        if engine.isScripted {
            guests.follow(FollowedItems(present: present, make: make))
        } else {
            // A machine that took over another host's RMP has some from the start.
            for (name, number) in present() { guests.addItem(name, make(number)) }
        }
        let clock = ClockFiles(engine: engine, owner: owner)
        folder.add([
            "guests": guests,
            "faults": FaultFiles(faults: faults, owner: owner).folder(),
            "cpus": CPUFiles(engine: engine, owner: owner).folder(),
            "firmware": FirmwareFiles(engine: engine, owner: owner).folder(),
            "memory": MemoryFiles(engine: engine, owner: owner).folder(),
            "clock": clock.clock,
            "pace": clock.pace,
        ])
        return folder
    }
}
