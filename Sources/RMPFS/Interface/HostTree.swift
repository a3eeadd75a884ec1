// SPDX-License-Identifier: Apache-2.0
// Which folders and files a mount has for an engine: the tree in docs/interface.md.

import RMPModel

/// Builds the tree of a mounted host.
public struct HostTree {
    let owner: Owner
    private let debugMode: UInt32

    /// - Parameters:
    ///   - owner: the owner of every folder and file.
    ///   - debugMode: the permission bits of `debug/`.
    public init(owner: Owner, debugMode: UInt32 = 0o700) {
        self.owner = owner
        self.debugMode = debugMode
    }

    /// The tree of a simulated machine.
    /// - Parameter faults: the faults that clients create in `rmpsim/faults/`, for the mount that serves the tree.
    public func root(_ engine: SimulatedEngine, faults: FaultTable = FaultTable()) -> Directory {
        let root = host(engine)
        root.add("rmpsim", SimulatorFiles(engine: engine, faults: faults, owner: owner).folder())
        return root
    }

    /// The tree of any host: the kernel's files, and our read-only ones. A running kernel has only these: nothing is
    /// simulated, so there is no `rmpsim/`.
    public func host(_ engine: any Engine) -> Directory {
        let root = Directory(rules: .configfs, owner: owner)
        if engine.hasRMPOPT { root.add("rmpopt", configuration(engine)) }
        root.add("debug", debug(engine))
        return root
    }

    /// `rmpopt/`: our `reenable` and `refresh`, and what series v1 patch 5/6 registers in configfs. If passes may not
    /// be requested, the files that request them have no store method: their modes show this, and open(2) fails.
    private func configuration(_ engine: any Engine) -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        var store: Attribute.Store?
        if engine.allowsRequests {
            store = { value throws(Errno) in
                guard try value.unsignedInt() == 1 else { throw .invalid }
                try engine.reoptimize()
            }
        }
        if engine.hasConfigfs {
            let action: Attribute.Show = { text throws(Errno) in
                text.append("RMP optimization in progress: ")
                text.append(try engine.optimizationInProgress() ? "Yes\n" : "No\n")
            }
            let description: Attribute.Show = { text throws(Errno) in try engine.showDescription(into: &text) }
            folder.add("action", Attribute(owner: owner, show: action, store: store))
            folder.add("description", Attribute(owner: owner, show: description, store: nil))
        }
        if engine.canRefresh {
            folder.add(
                "refresh",
                Attribute(
                    owner: owner,
                    show: { text throws(Errno) in text.append(engine.isRefreshing ? "1\n" : "0\n") },
                    store: { value throws(Errno) in
                        guard try value.unsignedInt() == 1 else { throw .invalid }
                        try engine.refresh()
                    }
                )
            )
        }
        guard engine.showsPasses else { return folder }
        let running: Attribute.Show = { text throws(Errno) in
            text.append(try engine.passIsRunning() ? "1\n" : "0\n")
        }
        folder.add("reenable", Attribute(owner: owner, show: running, store: store))
        return folder
    }

    /// `debug/`: the kernel's `rmpopt-table` if the version of the series has it, and our files beside it.
    private func debug(_ engine: any Engine) -> Directory {
        let root = Directory(rules: .debugfs, owner: owner, mode: debugMode)
        let ours = Directory(rules: .debugfs, owner: owner)
        if engine.hasRMPOPT {
            addTable(engine, root: root, ours: ours)
            for cpu in 0..<engine.cpuCount {
                let text = SingleRecord(
                    atHand: { () throws(Errno) in try engine.renderedRegions(ofCPU: cpu) },
                    { text throws(Errno) in try engine.showRegions(ofCPU: cpu, into: &text) }
                )
                ours.add("cpu\(cpu)", SequenceFile(owner: owner, isReport: true, source: text))
            }
        }
        for report in engine.reports where engine.hasRMPOPT || report.isAboutHost {
            let text = SingleRecord { text throws(Errno) in try engine.show(report, into: &text) }
            ours.add(report.rawValue, SequenceFile(owner: owner, isReport: true, source: text))
        }
        // Whoever reads all files of a mount, as grep -r does, would wait here for ever.
        if let stream = engine.eventStream {
            ours.addUnlisted("events_pipe", StreamFile(owner: owner, source: stream))
        }
        root.add("rmpopt", ours)
        return root
    }

    private func addTable(_ engine: any Engine, root: Directory, ours: Directory) {
        guard let table = engine.series.debugfsTable else { return }
        let file = SequenceFile(
            owner: owner,
            mode: table.mode,
            isSeekable: table.isSeekable,
            source: DebugfsTableSource(engine: engine)
        )
        // v1's folder is the one that contains our files.
        var folder = ours
        if table.folder != ["rmpopt"] {
            folder = root
            for (depth, name) in table.folder.enumerated() {
                let inner = Directory(rules: .debugfs, owner: owner)
                // arch_debugfs_dir exists without the series; the folder in it does not.
                if depth == 0 {
                    folder.add(name, inner)
                } else {
                    folder.add(name, inner, whileThere: { engine.debugfsTableNumber })
                }
                folder = inner
            }
        }
        // A table made at boot and never removed is permanent, if it was made; others come and go.
        if table.creation == .boot && !table.isRemoved {
            if engine.hasDebugfsTable { folder.add(DebugfsTable.name, file) }
        } else {
            folder.add(DebugfsTable.name, file, whileThere: { engine.debugfsTableNumber })
        }
    }
}

extension Report {
    /// Whether it makes sense on a host without RMPOPT, because it says why there is none.
    fileprivate var isAboutHost: Bool { [.log, .events, .series].contains(self) }
}
