// SPDX-License-Identifier: Apache-2.0
// The probe's two trees, built from the product's file kinds.

import RMPFS
import Synchronization

extension OracleModule {
    /// The tree under CONFIGROOT: rmpopt/ and rmpsim/guests/.
    func makeConfigRoot() -> Directory {
        let rmpopt = Directory(rules: .configfs, owner: .root)
        let store: Attribute.Store = { value throws(Errno) in try self.store(value) }
        rmpopt.add([
            "action": Attribute(
                owner: .root,
                show: { text throws(Errno) in
                    text.append("RMP optimization in progress: ")
                    text.append(self.isInProgress ? "Yes\n" : "No\n")
                },
                store: store
            ),
            "description": Attribute(
                owner: .root,
                show: { text throws(Errno) in
                    text.append("[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n")
                },
                store: nil
            ),
            "reenable": Attribute(
                owner: .root,
                show: { text throws(Errno) in text.append(self.isInProgress ? "1\n" : "0\n") },
                store: store
            ),
        ])
        let makeGuest: Directory.MakeItem = { _ throws(Errno) in OracleGuest().makeFolder() }
        let rmpsim = Directory(rules: .configfs, owner: .root)
        rmpsim.add("guests", Directory(rules: .configfs, owner: .root, makeItem: makeGuest))
        let root = Directory(rules: .configfs, owner: .root)
        root.add(["rmpopt": rmpopt, "rmpsim": rmpsim])
        return root
    }

    /// The tree under DEBUGROOT: rmpopt/ with a table, a file for each CPU, a number and a blob.
    func makeDebugRoot(mode: UInt32) -> Directory {
        let rmpopt = Directory(rules: .debugfs, owner: .root)
        rmpopt.add("rmpopt-table", SequenceFile(owner: .root, source: OracleTable(module: self)))
        for cpu in 0..<cpus {
            let text = SingleRecord { text throws(Errno) in
                for region in 0..<self.regions {
                    text.appendRegion(region)
                    text.append(self.isOptimized(region, on: cpu) ? "optimized\n" : "not optimized\n")
                }
            }
            rmpopt.add("cpu\(cpu)", SequenceFile(owner: .root, source: text))
        }
        rmpopt.add([
            "scans": NumberFile(owner: .root) { () throws(Errno) in self.scans },
            "blob": BlobFile(owner: .root, bytes: (0..<6000).map { UInt8($0 % 256) }),
        ])
        let root = Directory(rules: .debugfs, owner: .root, mode: mode)
        root.add("rmpopt", rmpopt)
        return root
    }
}

extension TextBuffer {
    fileprivate mutating func appendRegion(_ region: Int) {
        append("Memory @")
        append(decimal: UInt64(region), width: 3)
        append("GB: ")
    }
}

/// The lines of rmpopt-table.
private struct OracleTable: RecordSource {
    let module: OracleModule

    func show(from first: Int, into page: inout RecordPage) throws(Errno) {
        var region = first
        while region < module.regions {
            let cpus = module.cpuList(of: region)
            let more = try page.record { text throws(Errno) in
                text.appendRegion(region)
                text.append("CPU(s): ")
                if cpus.isEmpty { text.append("none") } else { text.append(cpus) }
                text.append("\n")
            }
            guard more else { return }
            region += 1
        }
    }
}

/// State kept for an item of guests/.
private final class OracleGuest: Sendable {
    let memory = Mutex<UInt64>(0)
    let isRunning = Atomic<Bool>(false)

    /// The item's folder: two values and a button.
    func makeFolder() -> Directory {
        let guest = self
        let folder = Directory(rules: .configfs, owner: .root)
        folder.add([
            "memory": Attribute(
                owner: .root,
                show: { text throws(Errno) in
                    text.append(decimal: guest.memory.withLock { $0 })
                    text.append("\n")
                },
                store: { value throws(Errno) in
                    if guest.isRunning.load(ordering: .acquiring) { throw .busy }
                    let bytes = try value.unsignedLongLong()
                    guest.memory.withLock { $0 = bytes }
                }
            ),
            "state": Attribute(
                owner: .root,
                show: { text throws(Errno) in
                    text.append(guest.isRunning.load(ordering: .acquiring) ? "running\n" : "stopped\n")
                },
                store: { value throws(Errno) in
                    if value.equals("running") {
                        guest.isRunning.store(true, ordering: .releasing)
                    } else if value.equals("stopped") {
                        guest.isRunning.store(false, ordering: .releasing)
                    } else {
                        throw .invalid
                    }
                }
            ),
            "kick": Attribute(
                owner: .root,
                show: nil,
                store: { value throws(Errno) in if !value.equals("1") { throw .invalid } }
            ),
        ])
        return folder
    }
}
