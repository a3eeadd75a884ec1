// SPDX-License-Identifier: Apache-2.0
// HostTree: the folders and files of a mount, their modes and order, and the text of the small ones.

import RMPModel
import Testing

@testable import RMPFS

@Suite struct HostTreeTests {
    @Test func foldersAreListedNewestFirst() throws {
        let host = try Host(cpus: 3)
        #expect(host.root.names.sorted() == ["debug", "rmpopt", "rmpsim"])
        #expect(try host.root.folder("rmpopt").names == ["reenable", "description", "action"])
        #expect(try host.root.folder("debug").names == ["rmpopt"])
        #expect(
            try host.root.folder("debug/rmpopt").names
                == [
                    "series", "events", "metrics", "log", "schedule", "passes", "blockers", "cpu2", "cpu1", "cpu0",
                    "rmpopt-table",
                ]
        )
        #expect(
            try host.root.folder("rmpsim").names.sorted() == [
                "clock", "cpus", "faults", "firmware", "guests", "memory", "pace",
            ]
        )
        #expect(try host.root.folder("rmpsim/guests").names == [])
        try host.makeGuest("g0", memory: "1G")
        #expect(
            try host.root.folder("rmpsim/guests/g0").names.sorted()
                == ["asid", "convert", "memory", "node", "page_size", "placement", "regions", "state", "type", "vcpus"]
        )
    }

    @Test(
        arguments: [
            ("", 0o755), ("rmpopt", 0o755), ("rmpopt/action", 0o644), ("rmpopt/description", 0o444),
            ("rmpopt/reenable", 0o644), ("debug", 0o700), ("debug/rmpopt", 0o755), ("debug/rmpopt/rmpopt-table", 0o444),
            ("debug/rmpopt/cpu0", 0o444), ("rmpsim", 0o755), ("rmpsim/guests", 0o755), ("rmpsim/clock", 0o644),
            ("rmpsim/guests/g0", 0o755), ("rmpsim/guests/g0/memory", 0o644), ("rmpsim/guests/g0/state", 0o644),
        ] as [(String, UInt32)]
    )
    func modes(path: String, mode: UInt32) throws {
        let host = try Host(cpus: 1)
        try host.makeGuest("g0", memory: "1G")
        let node = try host.root.node(at: path)
        #expect(node.status.st_mode & 0o7777 == mode)
        #expect(node.rules == (path.hasPrefix("debug") ? .debugfs : .configfs))
    }

    @Test func theModeOfDebugIsAnOption() throws {
        let host = try Host(cpus: 1, debugMode: 0o755)
        #expect(try host.root.node(at: "debug").status.st_mode & 0o7777 == 0o755)
    }

    @Test func everythingBelongsToTheOwner() throws {
        let engine = SimulatedEngine(try MachineConfiguration(cpus: 2, memoryBytes: 1 << 30), pace: .manual)
        let root = HostTree(owner: Owner(user: 7, group: 8)).root(engine)
        try root.folder("rmpsim/guests").mkdir("g0")
        func check(_ node: Node) {
            #expect(node.status.st_uid == 7)
            #expect(node.status.st_gid == 8)
            for entry in (node as? Directory)?.entries() ?? [] { check(entry.node) }
        }
        check(root)
    }

    @Test func mkdirWorksForGuestsOnly() throws {
        let host = try Host(cpus: 1)
        try host.makeGuest("g0", memory: "1G")
        for path in ["", "rmpopt", "debug", "debug/rmpopt", "rmpsim", "rmpsim/guests/g0"] {
            #expect(refusal(of: { try host.root.folder(path).mkdir("x") }) == .notPermitted, "in /\(path)")
        }
        for (path, name) in [("", "rmpopt"), ("", "debug"), ("rmpsim", "guests"), ("debug", "rmpopt")] {
            #expect(refusal { try host.root.folder(path).rmdir(name) } == .notPermitted)
        }
    }

    @Test func texts() throws {
        let host = try Host()
        #expect(try host.read("rmpopt/description") == "[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n")
        #expect(try host.read("rmpopt/action") == "RMP optimization in progress: No\n")
        #expect(try host.read("rmpopt/reenable") == "0\n")
    }

    @Test func contentsIsTheSameInAnyChunk() throws {
        let host = try Host(cpus: 64, memory: 512 << 30)
        let whole = try host.root.file("debug/rmpopt/cpu3").contents()
        for chunk in [-1, 1, 100, 4096, 1 << 20] {
            #expect(try host.root.file("debug/rmpopt/cpu3").contents(chunk: chunk) == whole)
        }
        #expect(whole.split(separator: 0x0A).count == 512)
    }

    @Test func valuesAreWrittenAsEchoWritesThem() throws {
        let host = try Host()
        try host.root.file("rmpopt/reenable").write("1\n")
        #expect(try host.root.file("rmpopt/reenable").contents() == Array("1\n".utf8))
        #expect(RMPFSTests.refusal { try host.root.file("rmpopt/reenable").write("x") } == .invalid)
        #expect(RMPFSTests.refusal { try host.root.file("rmpopt/description").write("1") } == .accessDenied)
        #expect(try host.root.file("rmpopt/reenable").size == 4096)
    }

    @Test(arguments: ["action", "reenable"])
    func triggersTakeOneOnly(name: String) throws {
        let host = try Host()
        for text in ["0", "2", "4294967295", "", "x", "-1", " 1", "1 1", "0x1", "\n"] {
            #expect(host.refusal("rmpopt/\(name)", text) == .invalid, "\(text.debugDescription)")
        }
        #expect(host.refusal("rmpopt/\(name)", "4294967296") == .outOfRange)
        #expect(try host.read("rmpopt/reenable") == "0\n", "what was refused started nothing")
        #expect(host.refusal("rmpopt/\(name)", "1\n") == nil)
        #expect(try host.read("rmpopt/reenable") == "1\n")
        #expect(try host.read("rmpopt/action") == "RMP optimization in progress: Yes\n")
        #expect(host.refusal("rmpopt/\(name)", "1") == nil, "a request during a pass is absorbed")
        #expect(host.refusal("rmpopt/\(name)", "0") == .invalid)
    }
}
