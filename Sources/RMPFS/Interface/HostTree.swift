// SPDX-License-Identifier: Apache-2.0
// Which folders and files a mount has, for one engine: the tree as docs/interface.md draws it.

/// Builds the tree of a mounted host.
public struct HostTree {
    private let owner: Owner
    private let debugMode: UInt32

    /// - Parameters:
    ///   - owner: who owns every folder and file.
    ///   - debugMode: the permission bits of `debug/`.
    public init(owner: Owner, debugMode: UInt32 = 0o700) {
        self.owner = owner
        self.debugMode = debugMode
    }

    /// The tree of a simulated machine.
    /// - Parameter faults: the faults that clients make in `rmpsim/faults/`, for the mount that serves the tree.
    public func root(_ engine: SimulatedEngine, faults: FaultTable = FaultTable()) -> Directory {
        let root = Directory(rules: .configfs, owner: owner)
        root.add("rmpopt", configuration(engine))
        root.add("debug", debug(engine))
        root.add("rmpsim", SimulatorFiles(engine: engine, faults: faults, owner: owner).folder())
        return root
    }

    /// `rmpopt/`, as series v1 patch 5/6 registers it in configfs, and our `reenable`.
    private func configuration(_ engine: any Engine) -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        let store: Attribute.Store = { value throws(Errno) in
            guard try value.unsignedInt() == 1 else { throw .invalid }
            try engine.reoptimize()
        }
        folder.add([
            "action": Attribute(
                owner: owner,
                show: { text throws(Errno) in
                    text.append("RMP optimization in progress: ")
                    text.append(try engine.optimizationInProgress() ? "Yes\n" : "No\n")
                },
                store: store
            ),
            "description": Attribute(
                owner: owner,
                show: { text throws(Errno) in
                    text.append("[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n")
                },
                store: nil
            ),
            "reenable": Attribute(
                owner: owner,
                show: { text throws(Errno) in text.append(try engine.passIsRunning() ? "1\n" : "0\n") },
                store: store
            ),
        ])
        return folder
    }

    /// `debug/`, as series v1 patch 6/6 makes it in debugfs, and our `cpuN`.
    private func debug(_ engine: any Engine) -> Directory {
        let folder = Directory(rules: .debugfs, owner: owner)
        folder.add("rmpopt-table", SequenceFile(owner: owner, source: RegionTableSource(engine: engine)))
        for cpu in 0..<engine.cpuCount {
            let text = SingleRecord(
                atHand: { () throws(Errno) in try engine.renderedRegions(ofCPU: cpu) },
                { text throws(Errno) in try engine.showRegions(ofCPU: cpu, into: &text) }
            )
            folder.add("cpu\(cpu)", SequenceFile(owner: owner, source: text))
        }
        let root = Directory(rules: .debugfs, owner: owner, mode: debugMode)
        root.add("rmpopt", folder)
        return root
    }
}
