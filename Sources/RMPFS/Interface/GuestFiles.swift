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
        folder.add([
            "type": type, "memory": memory, "page_size": pageSize, "placement": placement, "node": node,
            "vcpus": vcpus, "state": state, "asid": asid, "regions": regions, "convert": convert,
        ])
        return folder
    }

    /// An attribute whose text is made of what is known of the guest.
    private func attribute(
        show: @escaping @Sendable (_ guest: GuestInfo, _ text: inout TextBuffer) -> Void,
        store: Attribute.Store?
    ) -> Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                show(try engine.guest(id), &text)
                text.append(0x0A)
            },
            store: store
        )
    }

    /// The guest of a command that only a stopped one takes: one that is not says so before its value is looked at.
    private func requireStopped() throws(Errno) {
        if try engine.guest(id).state != .stopped { throw .busy }
    }

    /// `snp` or `ordinary`.
    private var type: Attribute {
        attribute(
            show: { guest, text in text.append(Array(guest.type.rawValue.utf8)) },
            store: { value throws(Errno) in
                try requireStopped()
                guard let type = GuestType(rawValue: String(decoding: value.line, as: UTF8.self)) else {
                    throw .invalid
                }
                try engine.perform(.setGuestType(id, type))
            }
        )
    }

    /// The folios behind the memory: `4K`, `2M` or `1G`.
    private var pageSize: Attribute {
        attribute(
            show: { guest, text in text.append(decimal: guest.backing.bytes) },
            store: { value throws(Errno) in
                try requireStopped()
                let bytes = try value.size()
                guard let backing = Backing.allCases.first(where: { $0.bytes == bytes }) else { throw .invalid }
                try engine.perform(.setGuestBacking(id, backing))
            }
        )
    }

    /// `packed`, `local`, `aligned`, `scattered SEED` or `ranges START-END,...`.
    private var placement: Attribute {
        attribute(
            show: { guest, text in
                var bytes: [UInt8] = []
                guest.placement.append(to: &bytes)
                text.append(bytes)
            },
            store: { value throws(Errno) in
                try requireStopped()
                guard let placement = try? Placement(text: value.line) else { throw .invalid }
                try engine.perform(.setGuestPlacement(id, placement))
            }
        )
    }

    /// The node that the memory comes from, or -1 for any.
    private var node: Attribute {
        attribute(
            show: { guest, text in
                if let node = guest.node { text.append(decimal: UInt64(node)) } else { text.append("-1") }
            },
            store: { value throws(Errno) in
                try requireStopped()
                let node = value.equals("-1") ? nil : Int(try value.unsignedInt())
                try engine.perform(.setGuestNode(id, node))
            }
        )
    }

    /// vCPUs, each of which has a VMSA page in an SNP guest.
    private var vcpus: Attribute {
        attribute(
            show: { guest, text in text.append(decimal: UInt64(guest.vcpus)) },
            store: { value throws(Errno) in
                try requireStopped()
                try engine.perform(.setGuestVCPUs(id, Int(value.unsignedInt())))
            }
        )
    }

    /// The ASID while there is one, else 0.
    private var asid: Attribute {
        attribute(show: { guest, text in text.append(decimal: UInt64(guest.asid ?? 0)) }, store: nil)
    }

    /// The regions that hold memory of the guest, as a list such as `1-3,7`; an attribute's page bounds it: what does
    /// not fit is left out, and `...` ends the list.
    private var regions: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                let isOrdinary = try engine.guest(id).type == .ordinary
                let regions = try engine.survey(if: { isOrdinary || $0.mustVisitGuests }) { machine throws(Errno) in
                    var set = RegionSet(limit: machine.regionCount)
                    for region in machine.regions(ofGuest: id) { set.insert(region) }
                    return CPUList.format(set)
                }
                if regions.count < FileLimits.page {
                    text.append(regions)
                } else {
                    let end = regions[..<(FileLimits.page - 5)].lastIndex(of: UInt8(ascii: ",")) ?? 0
                    text.append(Array(regions[..<(end + 1)]))
                    text.append("...")
                }
                text.append(0x0A)
            },
            store: nil
        )
    }

    /// Written: `shared GPA SIZE` or `private GPA SIZE`, a conversion of a running guest's memory. Read: what of its
    /// memory is private, in pages, and in entries of 2 MB and 4 KB.
    private var convert: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                _ = try engine.guest(id)
                let entries = try engine.survey(if: { $0.mustVisitGuests }) { machine throws(Errno) in
                    machine.entries(ofGuest: id)
                }
                text.append("private ")
                text.append(decimal: UInt64(entries.pages))
                text.append(" pages, 2M entries ")
                text.append(decimal: UInt64(entries.size2M))
                text.append(", 4K entries ")
                text.append(decimal: UInt64(entries.size4K))
                text.append(0x0A)
            },
            store: { [engine, id] value throws(Errno) in
                let words = value.words()
                guard words.count == 3, words[0].equals("shared") || words[0].equals("private") else { throw .invalid }
                let start = try words[1].size()
                let (end, overflow) = start.addingReportingOverflow(try words[2].size())
                if overflow { throw .outOfRange }
                let toPrivate = words[0].equals("private")
                try engine.perform(.convert(id, gpa: GPA(start)..<GPA(end), toPrivate: toPrivate))
            }
        )
    }

    /// The guest's memory in bytes.
    private var memory: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                text.append(decimal: try engine.guest(id).memoryBytes)
                text.append(0x0A)
            },
            store: { value throws(Errno) in
                try requireStopped()
                try engine.perform(.setGuestMemory(id, bytes: value.size()))
            }
        )
    }

    /// `stopped`, `created` (a VM of which nothing is launched), `running`, or `ending` while the pages of a guest that
    /// was stopped go back to the hypervisor.
    private var state: Attribute {
        Attribute(
            owner: owner,
            show: { [engine, id] text throws(Errno) in
                text.append(try engine.guest(id).state.word)
                text.append(0x0A)
            },
            store: { [engine, id] value throws(Errno) in
                if value.equals("running") {
                    try engine.perform(.startGuest(id))
                } else if value.equals("created") {
                    try engine.perform(.createVM(id))
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
