// SPDX-License-Identifier: Apache-2.0
// The simulated machine's CPUs, nodes and module parameters as sysfs shows them, for scripts that check these before
// they look at RMPOPT.

import RMPModel

/// Builds the folders of sysfs that `rmpfs run` shows.
///
/// Sources: Linux drivers/base/cpu.c, drivers/base/topology.c, drivers/base/node.c, arch/x86/kvm/svm/sev.c. Files that
/// are left out do not exist; no value is made up.
struct HardwareFiles {
    let engine: SimulatedEngine
    let owner: Owner

    func folder() -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        folder.add([
            KernelTrees.cpus: cpus(),
            KernelTrees.nodes: nodes(),
            KernelTrees.moduleParameters: moduleParameters(),
        ])
        return folder
    }

    // MARK: /sys/devices/system/cpu

    private func cpus() -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        let topology = engine.configuration.topology
        let possible = CPUSet(all: engine.cpuCount)
        folder.add([
            "possible": list { _ in possible },
            "present": list { _ in topology.present },
            "online": list { $0 },
            "offline": list { online in
                var offline = possible
                online.forEachRun { run in for cpu in run { offline.remove(cpu) } }
                return offline
            },
            "isolated": list { _ in CPUSet(limit: 1) },
            // NR_CPUS - 1 of x86 with MAXSMP.
            "kernel_max": constant("\(Topology.cpuLimits.upperBound - 1)"),
            "smt": simultaneousThreads(topology),
        ])
        let siblings = Siblings(topology)
        for cpu in 0..<engine.cpuCount where topology.present.contains(cpu) {
            folder.add("cpu\(cpu)", place(of: cpu, topology.places[cpu], siblings))
        }
        return folder
    }

    private func simultaneousThreads(_ topology: Topology) -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        let areThere = topology.places.contains { $0.thread > 0 }
        let active = show { [engine] text throws(Errno) in
            let online = try engine.look { machine throws(Errno) in machine.onlineCPUs }
            var seen = CoreSet(limit: topology.coreCount)
            var isActive = false
            online.forEachRun { run in
                for cpu in run {
                    let core = topology.places[cpu].core
                    isActive = isActive || seen.contains(core)
                    seen.insert(core)
                }
            }
            text.append(isActive ? "1\n" : "0\n")
        }
        folder.add(["active": active, "control": constant(areThere ? "on" : "notsupported")])
        return folder
    }

    private func place(of cpu: Int, _ place: CPUPlace, _ siblings: Siblings) -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        // Since Linux 6.5, CPU 0 of x86 has no switch (arch_cpu_is_hotpluggable()).
        if cpu != 0 { folder.add("online", CPUFiles(engine: engine, owner: owner).online(cpu, rules: .sysfs)) }
        let isOnline: Directory.Presence = { [engine] in
            (try? engine.look { machine throws(Errno) in machine.onlineCPUs.contains(cpu) }) == true ? 0 : nil
        }
        // In sysfs this is a link to the node's folder; programs look for its name.
        folder.add("node\(place.node)", Directory(rules: .sysfs, owner: owner))
        let topology = Directory(rules: .sysfs, owner: owner)
        topology.add([
            "physical_package_id": constant("\(place.package)"),
            "core_id": constant("\(place.core % siblings.coresPerPackage)"),
        ])
        let core = siblings.ofCore[place.core]
        let package = siblings.ofPackage[place.package]
        for (name, all) in [
            ("thread_siblings", core), ("core_cpus", core), ("core_siblings", package), ("package_cpus", package),
        ] {
            topology.add(name, mask { $0.intersection(all) })
            topology.add("\(name)_list", list { $0.intersection(all) })
        }
        folder.add("topology", topology, whileThere: isOnline)
        return folder
    }

    /// The CPUs of each core and of each package.
    private struct Siblings {
        var ofCore: [CPUSet]
        var ofPackage: [CPUSet]
        let coresPerPackage: Int

        init(_ topology: Topology) {
            ofCore = Array(repeating: CPUSet(limit: topology.cpuCount), count: topology.coreCount)
            ofPackage = Array(repeating: CPUSet(limit: topology.cpuCount), count: topology.packageCount)
            coresPerPackage = max(topology.coreCount / max(topology.packageCount, 1), 1)
            for (cpu, place) in topology.places.enumerated() {
                ofCore[place.core].insert(cpu)
                ofPackage[place.package].insert(cpu)
            }
        }
    }

    // MARK: /sys/devices/system/node

    private func nodes() -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        let configuration = engine.configuration
        let topology = configuration.topology
        let all = NodeSet(all: topology.nodeCount)
        var bytes = Array(repeating: UInt64(0), count: topology.nodeCount)
        for span in configuration.memory.spans { bytes[span.node] += span.bytes }
        var withMemory = NodeSet(limit: topology.nodeCount)
        for node in 0..<topology.nodeCount where bytes[node] > 0 { withMemory.insert(node) }
        let memory = withMemory
        folder.add([
            "possible": list { _ in all },
            "online": list { _ in all },
            "has_cpu": list { online in
                var nodes = NodeSet(limit: topology.nodeCount)
                online.forEachRun { run in for cpu in run { nodes.insert(topology.places[cpu].node) } }
                return nodes
            },
            "has_memory": list { _ in memory },
            "has_normal_memory": list { _ in memory },
        ])
        for node in 0..<topology.nodeCount {
            var cpus = CPUSet(limit: topology.cpuCount)
            for (cpu, place) in topology.places.enumerated() where place.node == node { cpus.insert(cpu) }
            let own = cpus
            let place = Directory(rules: .sysfs, owner: owner)
            let distances = configuration.distances.rows[node].map { "\($0)" }.joined(separator: " ")
            place.add([
                "cpulist": list { $0.intersection(own) },
                "cpumap": mask { $0.intersection(own) },
                "distance": constant(distances),
                "meminfo": meminfo(of: node, bytes[node]),
            ])
            folder.add("node\(node)", place)
        }
        return folder
    }

    /// The first lines of a node's `meminfo` (node_read_meminfo()). Used memory is the memory assigned in the RMP, in
    /// the regions that begin in the node.
    private func meminfo(of node: Int, _ bytes: UInt64) -> Attribute {
        let regions = engine.configuration.memory.spans.filter { $0.node == node }.flatMap { span in
            let bound = { (address: UInt64) in Int(truncatingIfNeeded: (address + (1 << 30) - 1) >> 30) }
            return Array(bound(span.range.lowerBound)..<bound(span.range.upperBound))
        }
        let total = bytes >> 10
        return show { [engine] text throws(Errno) in
            let used = try engine.look { machine throws(Errno) in
                regions.reduce(UInt64(0)) { $0 + UInt64(machine.assignedPages(ofRegion: $1)) << 2 }
            }
            let lines: KeyValuePairs<StaticString, UInt64> = [
                " MemTotal:       ": total, " MemFree:        ": total - min(used, total),
                " MemUsed:        ": min(used, total),
            ]
            for (name, value) in lines {
                text.append("Node ")
                text.append(decimal: UInt64(node))
                text.append(name)
                text.append(decimal: value, width: 8)
                text.append(" kB\n")
            }
        }
    }

    // MARK: /sys/module/kvm_amd/parameters

    /// KVM finds SEV-SNP if the processor has it and SNP_EN is set (`sev_hardware_setup()`); SEV and SEV-ES come with
    /// it, as in the CPUID leaf.
    private func moduleParameters() -> Directory {
        let folder = Directory(rules: .sysfs, owner: owner)
        for name in ["sev", "sev_es", "sev_snp"] {
            let attribute = show { [engine] text throws(Errno) in
                let isEnabled = try engine.look { machine throws(Errno) in machine.isSNPEnabled }
                text.append(isEnabled || name != "sev_snp" && engine.configuration.processor.snp ? "Y\n" : "N\n")
            }
            folder.add(name, attribute)
        }
        return folder
    }

    // MARK: Forms

    private func show(_ show: @escaping Attribute.Show) -> Attribute {
        Attribute(owner: owner, rules: .sysfs, show: show, store: nil)
    }

    private func constant(_ value: String) -> Attribute {
        let bytes = Array("\(value)\n".utf8)
        return show { text throws(Errno) in text.append(bytes) }
    }

    private func list<Numbers>(_ make: @escaping @Sendable (CPUSet) -> NumberSet<Numbers>) -> Attribute {
        CPUFiles(engine: engine, owner: owner).list(rules: .sysfs, make)
    }

    /// A set of CPUs as `%*pb`: groups of 32 bits, the highest first, with as many digits as the machine has CPUs.
    private func mask(_ make: @escaping @Sendable (CPUSet) -> CPUSet) -> Attribute {
        show { [engine] text throws(Errno) in
            let set = make(try engine.look { machine throws(Errno) in machine.onlineCPUs })
            let last = (engine.cpuCount - 1) / 4
            for digit in (0...last).reversed() {
                let value = (0..<4).reduce(UInt64(0)) { $0 | (set.contains(digit * 4 + $1) ? 1 << UInt64($1) : 0) }
                text.append(hexadecimal: value)
                if digit % 8 == 0 && digit != 0 { text.append(0x2C) }
            }
            text.append(0x0A)
        }
    }
}
