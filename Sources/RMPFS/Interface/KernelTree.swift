// SPDX-License-Identifier: Apache-2.0
// The tree of a host as the kernel's own two file systems lie: one folder that stands for each.

extension HostTree {
    /// The folders of a mount's tree under the names that they have below /sys/kernel: `config` for configfs, and
    /// `debug`.
    /// - Parameter mount: a mount's tree, as ``root(_:)`` makes it. It gives its folders away.
    public static func kernelTree(of mount: Directory, owner: Owner) -> Directory {
        let config = Directory(rules: .configfs, owner: owner)
        let root = Directory(rules: .configfs, owner: owner)
        for entry in mount.entries() {
            let name = String(decoding: entry.name, as: UTF8.self)
            (name == "debug" ? root : config).add(name, entry.node)
        }
        root.add("config", config)
        return root
    }
}
