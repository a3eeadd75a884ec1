// SPDX-License-Identifier: Apache-2.0
// The files of one simulated guest, rmpsim/guests/NAME/.

import RMPModel

/// Builds the folder of a guest. Its rmdir ends the guest, if it is running, and removes it.
struct GuestFiles {
    let id: GuestID
    let engine: SimulatedEngine
    let owner: Owner

    func folder() -> Directory {
        let folder = Directory(
            rules: .configfs,
            owner: owner,
            dropItem: { [engine, id] in
                // rmdir(2) has succeeded; a guest of this number exists until here.
                _ = try? engine.perform(.removeGuest(id))
            }
        )
        folder.add(["memory": memory, "state": state])
        return folder
    }

    /// The guest's memory in bytes.
    private var memory: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                text.append(decimal: try engine.guest(id).memoryBytes)
                text.append(0x0A)
            },
            store: { [engine, id] value throws(Errno) in
                // A guest that cannot take memory now says so before it looks at the value.
                if try engine.guest(id).state != .stopped { throw .busy }
                try engine.perform(.setGuestMemory(id, bytes: value.size()))
            }
        )
    }

    /// `stopped`, `running`, or `ending` while the pages of a guest that was stopped go back to the hypervisor.
    private var state: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                switch try engine.guest(id).state {
                case .stopped: text.append("stopped\n")
                case .running: text.append("running\n")
                case .ending: text.append("ending\n")
                }
            },
            store: { [engine, id] value throws(Errno) in
                if value.equals("running") {
                    try engine.perform(.startGuest(id))
                } else if value.equals("stopped") {
                    try engine.perform(.stopGuest(id))
                } else {
                    throw .invalid
                }
            }
        )
    }
}

extension SimulatedEngine {
    /// What is known of a guest now.
    /// - Throws: ``Errno/noSuchFile`` if it was removed.
    fileprivate func guest(_ id: GuestID) throws(Errno) -> GuestInfo {
        try look { machine throws(Errno) in
            guard let info = machine.guest(id) else { throw .noSuchFile }
            return info
        }
    }
}
