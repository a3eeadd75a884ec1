// SPDX-License-Identifier: Apache-2.0
// The controls of a simulated machine, rmpsim/: its guests, faults, CPUs, firmware, memory and clock.

import RMPModel

/// Builds `rmpsim/`.
struct SimulatorFiles {
    let engine: SimulatedEngine
    let faults: FaultTable
    let owner: Owner

    /// The units of a step of `clock`.
    private static let units: KeyValuePairs<StaticString, UInt64> = [
        "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3_600_000_000_000,
    ]

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        let makeGuest: Directory.MakeItem = { [engine, owner] name throws(Errno) in
            guard case .guest(let id) = try engine.perform(.createGuest(name: name)) else { throw .ioError }
            return GuestFiles(id: id, engine: engine, owner: owner).folder()
        }
        let guests = Directory(rules: .configfs, owner: owner, makeItem: makeGuest)
        // A machine that took over another host's RMP has some from the start.
        let present = try? engine.look { machine throws(Errno) in
            machine.guestIDs.compactMap { id in machine.guest(id).map { (id, $0.name) } }
        }
        for (id, name) in present ?? [] {
            guests.addItem(name, GuestFiles(id: id, engine: engine, owner: owner).folder())
        }
        folder.add([
            "guests": guests,
            "faults": FaultFiles(faults: faults, owner: owner).folder(),
            "cpus": CPUFiles(engine: engine, owner: owner).folder(),
            "firmware": FirmwareFiles(engine: engine, owner: owner).folder(),
            "memory": MemoryFiles(engine: engine, owner: owner).folder(),
            "clock": Attribute(
                owner: owner,
                show: { [engine] text throws(Errno) in
                    text.append(decimal: try engine.now())
                    text.append(0x0A)
                },
                store: { [engine] value throws(Errno) in try engine.skip(nanoseconds: value.step(in: Self.units)) }
            ),
        ])
        return folder
    }
}
