// SPDX-License-Identifier: Apache-2.0
// Which folders and files a mount has that shows the running kernel's own interface.

import RMPModel

/// Builds the tree of the host that this runs on. It has no `rmpsim/`: there is nothing to be simulated.
public struct KernelHostTree {
    private let owner: Owner
    private let debugMode: UInt32

    /// - Parameters:
    ///   - owner: who owns every folder and file.
    ///   - debugMode: the permission bits of `debug/`.
    public init(owner: Owner, debugMode: UInt32 = 0o700) {
        self.owner = owner
        self.debugMode = debugMode
    }

    /// The tree: our files, and those of the kernel's that it has, with its modes.
    public func root(_ engine: KernelEngine) -> Directory {
        let root = Directory(rules: .configfs, owner: owner)
        root.add("rmpopt", configuration(engine))
        root.add("debug", debug(engine))
        return root
    }

    /// Where passes may not be asked for, the files that do so have no store: their modes say so, and open(2) does.
    private func configuration(_ engine: KernelEngine) -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        var store: Attribute.Store?
        if engine.allowsRequests {
            store = { value throws(Errno) in
                guard try value.unsignedInt() == 1 else { throw .invalid }
                try engine.reoptimize()
            }
        }
        if engine.files.series.hasAction {
            let action: Attribute.Show = { text throws(Errno) in
                text.append("RMP optimization in progress: ")
                text.append(try engine.optimizationInProgress() ? "Yes\n" : "No\n")
            }
            let description: Attribute.Show = { text throws(Errno) in
                text.append(try engine.ask { () throws(KernelError) in try engine.files.description() })
            }
            folder.add("action", Attribute(owner: owner, show: action, store: store))
            folder.add("description", Attribute(owner: owner, show: description, store: nil))
        }
        let running: Attribute.Show = { text throws(Errno) in
            text.append(try engine.passIsRunning() ? "1\n" : "0\n")
        }
        folder.add("reenable", Attribute(owner: owner, show: running, store: store))
        return folder
    }

    private func debug(_ engine: KernelEngine) -> Directory {
        let root = Directory(rules: .debugfs, owner: owner, mode: debugMode)
        let ours = Directory(rules: .debugfs, owner: owner)
        root.add("rmpopt", ours)
        let facts = engine.files.series.table
        let table = SequenceFile(
            owner: owner,
            mode: facts.mode,
            isSeekable: facts.isSeekable,
            source: RegionTableSource(engine: engine)
        )
        var folder = root
        for name in facts.folder {
            if let next = try? folder.node(at: name) as? Directory {
                folder = next
            } else {
                let next = Directory(rules: .debugfs, owner: owner)
                folder.add(name, next)
                folder = next
            }
        }
        folder.add(DebugTable.name, table)
        for cpu in 0..<engine.cpuCount {
            let text = SingleRecord { text throws(Errno) in try engine.showRegions(ofCPU: cpu, into: &text) }
            ours.add("cpu\(cpu)", SequenceFile(owner: owner, source: text))
        }
        for report in engine.reports {
            let text = SingleRecord { text throws(Errno) in try engine.show(report, into: &text) }
            ours.add(report.rawValue, SequenceFile(owner: owner, source: text))
        }
        return root
    }
}
