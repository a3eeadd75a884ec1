// SPDX-License-Identifier: Apache-2.0
// A host's files arranged as the kernel's own file systems: one tree for each.

import RMPModel

/// What a host shows at the kernel's own paths.
public struct KernelTrees: Sendable {
    /// The names in ``hardware``.
    static let cpus = "cpu"
    static let nodes = "node"
    static let moduleParameters = "kvm_amd"

    /// `/sys/kernel/config`.
    let config: Directory
    /// `/sys/kernel/debug`.
    let debug: Directory
    /// Folders of sysfs, each of which is mounted at its own place there.
    let hardware: Directory
    /// Holds the three, so that each file has a path by which faults can name it.
    private let root: Directory

    /// The trees of a simulated machine.
    init(config: Directory, debug: Directory, hardware: Directory, owner: Owner) {
        (self.config, self.debug, self.hardware) = (config, debug, hardware)
        root = Directory(rules: .configfs, owner: owner)
        root.add("config", config)
        root.add("debug", debug)
        root.add("sys", hardware)
    }
}

extension HostTree {
    /// The trees of a simulated machine at the kernel's own paths.
    /// - Parameter faults: the faults that clients create in `config/rmpsim/faults/`.
    public func kernelTrees(_ engine: SimulatedEngine, faults: FaultTable) -> KernelTrees {
        let config = Directory(rules: .configfs, owner: owner)
        var debug = config
        for entry in root(engine, faults: faults).entries() {
            // The folder that represents another file system in a mount.
            if entry.name.elementsEqual("debug".utf8), let folder = entry.node as? Directory {
                debug = folder
            } else {
                config.add(String(decoding: entry.name, as: UTF8.self), entry.node)
            }
        }
        let hardware = HardwareFiles(engine: engine, owner: owner).folder()
        return KernelTrees(config: config, debug: debug, hardware: hardware, owner: owner)
    }
}
