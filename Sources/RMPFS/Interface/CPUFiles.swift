// SPDX-License-Identifier: Apache-2.0
// Which simulated CPUs exist and which are online, with their switches: rmpsim/cpus/, and sysfs where `rmpfs run` shows
// it.

import RMPModel

/// Builds `rmpsim/cpus/`.
struct CPUFiles {
    let engine: SimulatedEngine
    let owner: Owner

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        for cpu in 0..<engine.cpuCount {
            let place = Directory(rules: .configfs, owner: owner)
            place.add("online", online(cpu))
            folder.add("cpu\(cpu)", place)
        }
        // As in sysfs, so that this folder can be the kernel engine's --cpu-root.
        let possible = CPUSet(all: engine.cpuCount)
        folder.add(["online": list { $0 }, "possible": list { _ in possible }])
        return folder
    }

    /// A file with a list (`%*pbl`) of a set computed from the online CPUs.
    func list<Numbers>(
        rules: FileSystemRules = .configfs,
        _ make: @escaping @Sendable (_ online: CPUSet) -> NumberSet<Numbers>
    ) -> Attribute {
        Attribute(
            owner: owner,
            rules: rules,
            show: { [engine] text throws(Errno) in
                let online = try engine.look { machine throws(Errno) in machine.onlineCPUs }
                text.append(CPUList.format(make(online)))
                text.append(0x0A)
            },
            store: nil
        )
    }

    /// `1` while the CPU is online, otherwise `0`. Accepts `0` and `1`.
    func online(_ cpu: Int, rules: FileSystemRules = .configfs) -> Attribute {
        Attribute(
            owner: owner,
            rules: rules,
            show: { [engine] text throws(Errno) in
                let isOnline = try engine.look { machine throws(Errno) in machine.onlineCPUs.contains(cpu) }
                text.append(isOnline ? "1\n" : "0\n")
            },
            store: { [engine] value throws(Errno) in
                if value.equals("1") {
                    try engine.perform(.setOnline(cpu: cpu, true))
                } else if value.equals("0") {
                    try engine.perform(.setOnline(cpu: cpu, false))
                } else {
                    throw .invalid
                }
            }
        )
    }
}
