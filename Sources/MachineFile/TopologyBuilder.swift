// SPDX-License-Identifier: Apache-2.0
// The CPUs of a machine file; finds the key that an error of the model is about.

import RMPModel

/// Builds the topology of the key `cpus`.
struct TopologyBuilder {
    let cpus: Record

    func topology() throws(Fault) -> Topology {
        let shape = TopologyShape(
            packages: cpus.integer("packages") ?? 1,
            nodesPerPackage: cpus.integer("nodes_per_socket") ?? 1,
            coresPerPackage: cpus.integer("cores_per_package") ?? 1,
            threadsPerCore: cpus.integer("threads_per_core") ?? 2,
            memoryOnlyNodes: cpus.integer("memory_only_nodes") ?? 0
        )
        // Before any list is read: the number of CPUs decides which numbers are valid.
        do {
            let whole = try Topology(shape)
            guard cpus.fields["present"] != nil || cpus.fields["online"] != nil else { return whole }
            let present = try list("present", limit: whole.cpuCount)
            let online = try list("online", limit: whole.cpuCount)
            return try Topology(shape, present: present, online: online)
        } catch let fault as Fault {
            throw fault
        } catch let error as ConfigurationError {
            throw fault(error)
        } catch {
            throw cpus.fault("\(error)")
        }
    }

    private func list(_ key: String, limit: Int) throws(Fault) -> CPUSet? {
        guard let text = cpus.text(key) else { return nil }
        do {
            return try CPUList.parse(text.utf8, limit: limit)
        } catch {
            throw cpus.fault(key, "'\(shown(text))': \(error)")
        }
    }

    /// The keys, by the model's names for what they count.
    private static let numbers = [
        "packages": "packages", "threads per core": "threads_per_core", "memory-only nodes": "memory_only_nodes",
    ]

    private func fault(_ error: ConfigurationError) -> Fault {
        let key: String? =
            switch error {
            case .cpus, .coresPerNode: "cores_per_package"
            case .nodesPerPackage: "nodes_per_socket"
            case .noCPUOnline: cpus.fields["online"] == nil ? "present" : "online"
            case .onlineNotPresent: "online"
            case .number(let name, _, _): Self.numbers[name]
            default: nil
            }
        return key.map { cpus.fault($0, "\(error)") } ?? cpus.fault("\(error)")
    }
}
