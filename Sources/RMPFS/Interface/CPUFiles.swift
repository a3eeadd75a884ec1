// SPDX-License-Identifier: Apache-2.0
// The switches of the simulated CPUs, rmpsim/cpus/cpuN/online, and of sysfs where `rmpfs run` shows them.

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
        return folder
    }

    /// `1` while the CPU is online, else `0`. Taken: `0` and `1`.
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
