// SPDX-License-Identifier: Apache-2.0
// RMP instructions by hand, free memory, and what the host has of it, rmpsim/memory/: what a test needs to put pages
// into any state.

import RMPModel
import Synchronization

/// Builds `rmpsim/memory/`.
struct MemoryFiles {
    let engine: SimulatedEngine
    let owner: Owner

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        folder.add([
            "rmpupdate": rmpupdate, "psmash": psmash, "rmpread": rmpread, "leak": leak, "online": online, "free": free,
            "host": host, "page_cache": pageCache,
        ])
        let image = MemoryImage(engine: engine)
        folder.add("registers", image.registers(owner: owner))
        // As large as the host's memory: grep -r and tar(1) would read for hours.
        folder.addUnlisted("image", SparseFile(rules: .configfs, owner: owner, content: image))
        return folder
    }

    /// How much memory is free, in bytes; then a line for each node with memory: how much of it is there, and how much
    /// of that in one piece. As many nodes as fit in a page.
    private var free: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                let nodes = try engine.look { machine throws(Errno) in machine.freeMemoryByNode }
                text.append(decimal: nodes.reduce(0) { $0 + $1.bytes })
                text.append(0x0A)
                for free in nodes {
                    let start = text.count
                    text.append("node=")
                    text.append(decimal: UInt64(free.node))
                    text.append(" free=")
                    text.append(decimal: free.bytes)
                    text.append(" largest_block=")
                    text.append(decimal: free.largestBlock)
                    text.append(0x0A)
                    if text.count > FileLimits.page { return text.truncate(to: start) }
                }
            },
            store: nil
        )
    }

    /// The memory of the host itself, in bytes; written as a size.
    private var host: Attribute {
        share(of: { machine in machine.hostMemory }, Command.setHostMemory)
    }

    /// The memory of the host's page cache, in bytes, which makes room where guests or the host find too little free;
    /// written as a size.
    private var pageCache: Attribute {
        share(of: { machine in machine.pageCache }, Command.setPageCache)
    }

    private func share(
        of value: @escaping @Sendable (Machine) -> UInt64,
        _ command: @escaping @Sendable (UInt64) -> Command
    ) -> Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(decimal: try engine.look { machine throws(Errno) in value(machine) })
                text.append(0x0A)
            },
            store: { [engine] text throws(Errno) in try engine.perform(command(text.size())) }
        )
    }

    /// `1`, or `0` while memory that the machine keeps for later is missing. Writing `1` adds it.
    private var online: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                let isThere = try engine.look { machine throws(Errno) in machine.hasAllMemory }
                text.append(isThere ? "1\n" : "0\n")
            },
            store: { [engine] value throws(Errno) in
                guard try value.flag() else { throw .invalid }
                try engine.perform(.addMemory)
            }
        )
    }

    /// `ADDRESS [assigned=0|1] [size=4K|2M] [asid=N] [gpa=N] [immutable=0|1]`; omitted fields are 0 and 4K. Reads
    /// return the address of the last one and its return code.
    private var rmpupdate: Attribute {
        instruction { value throws(Errno) in
            let words = value.words()
            guard let address = words.first else { throw .invalid }
            var input = RMPUpdateInput()
            for word in words.dropFirst() { try input.take(word) }
            let spa = SPA(try address.size())
            return (spa, .rmpupdate(spa, input))
        }
    }

    /// The address of an assigned 2 MB entry. Reads return the address of the last one and its return code.
    private var psmash: Attribute {
        instruction { value throws(Errno) in
            let spa = SPA(try value.size())
            return (spa, .psmash(spa))
        }
    }

    /// A file that executes an RMP instruction and remembers its last return code.
    private func instruction(
        _ parse: @escaping @Sendable (StoredText) throws(Errno) -> (SPA, Command)
    ) -> Attribute {
        let last = LastCode()
        return Attribute(
            owner: owner,
            show: { text throws(Errno) in
                guard let (spa, code) = last.value.withLock({ $0 }) else { return }
                text.append("0x")
                text.append(hexadecimal: spa.rawValue)
                text.append(0x20)
                text.append(Array(code.description.utf8))
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                let (spa, command) = try parse(value)
                let code = try engine.code(of: command)
                last.value.withLock { $0 = (spa, code) }
                if code != .success { throw Errno(code) }
            }
        )
    }

    /// Writes: `ADDRESS [PAGES]`, free memory that firmware does not give back. Reads: all leaked page frame numbers,
    /// one range per line, as many as fit in a page.
    private var leak: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                for range in try engine.look({ machine throws(Errno) in machine.leaked }) {
                    let start = text.count
                    text.append("0x")
                    text.append(hexadecimal: range.lowerBound.rawValue)
                    text.append("-0x")
                    text.append(hexadecimal: range.upperBound.rawValue)
                    text.append(0x0A)
                    if text.count > FileLimits.page { return text.truncate(to: start) }
                }
            },
            store: { [engine] value throws(Errno) in
                let words = value.words()
                guard 1...2 ~= words.count else { throw .invalid }
                let spa = try words[0].size()
                guard spa.isMultiple(of: Granularity.page) else { throw .invalid }
                let count = words.count == 2 ? try words[1].unsignedLongLong() : 1
                let (end, overflow) = (spa >> 12).addingReportingOverflow(count)
                if overflow { throw .outOfRange }
                try engine.perform(.leak(PFN(spa >> 12)..<PFN(end)))
            }
        )
    }

    /// Writes: an address. Reads: the RMP entry of the page at the address written last, initially 0.
    private var rmpread: Attribute {
        let address = Atomic<UInt64>(0)
        let shared = AddressBox(address)
        return Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                let spa = SPA(shared.address.load(ordering: .relaxed))
                let entry = try engine.look { machine throws(Errno) in machine.describeEntry(at: spa) }
                guard let entry else { throw .invalid }
                entry.write(into: &text)
            },
            store: { [engine] value throws(Errno) in
                let spa = SPA(try value.size())
                let exists = try engine.look { machine throws(Errno) in machine.describeEntry(at: spa) != nil }
                if !exists { throw .invalid }
                shared.address.store(spa.rawValue, ordering: .relaxed)
            }
        )
    }
}

/// The return code of the last instruction, for its two methods.
private final class LastCode: Sendable {
    let value = Lock<(SPA, RMPCode)?>(nil)
}

/// The address that `rmpread` shows, shared by its two methods.
private final class AddressBox: Sendable {
    let address: Atomic<UInt64>

    init(_ address: consuming Atomic<UInt64>) { self.address = address }
}

extension RMPUpdateInput {
    /// Parses one `name=value`.
    fileprivate mutating func take(_ word: StoredText) throws(Errno) {
        guard let (name, value) = word.assignment() else { throw .invalid }
        if name.equals("assigned") {
            assigned = try value.flag()
        } else if name.equals("immutable") {
            immutable = try value.flag()
        } else if name.equals("asid") {
            guard let number = UInt32(exactly: try value.unsignedLongLong()) else { throw .outOfRange }
            asid = number
        } else if name.equals("gpa") {
            gpa = GPA(try value.size())
        } else if name.equals("size") {
            switch try value.size() {
            case PageSize.size4K.bytes: pageSize = .size4K
            case PageSize.size2M.bytes: pageSize = .size2M
            default: throw .invalid
            }
        } else {
            throw .invalid
        }
    }
}

/// An entry with its address and state, as `rmpread` prints it.
private struct EntryDescription: Sendable {
    let spa: SPA
    let entry: RMPEntry
    let raw: UInt64

    func write(into text: inout TextBuffer) {
        text.append("spa=0x")
        text.append(hexadecimal: spa.rawValue)
        text.append(entry.assigned ? " assigned=1" : " assigned=0")
        text.append(entry.pageSize == .size2M ? " size=2M" : " size=4K")
        text.append(entry.immutable ? " immutable=1" : " immutable=0")
        text.append(" asid=")
        text.append(decimal: UInt64(entry.asid))
        text.append(" gpa=0x")
        text.append(hexadecimal: entry.gpa.rawValue)
        text.append(entry.vmsa ? " vmsa=1" : " vmsa=0")
        text.append(entry.validated ? " validated=1" : " validated=0")
        text.append(" raw=0x")
        text.append(hexadecimal: raw)
        text.append(0x0A)
    }
}

extension Machine {
    fileprivate func describeEntry(at spa: SPA) -> EntryDescription? {
        rawRMP(spa.pfn).map { EntryDescription(spa: SPA(spa.pfn), entry: $0.entry, raw: $0.low) }
    }
}
