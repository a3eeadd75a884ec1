// SPDX-License-Identifier: Apache-2.0
// A simulated host for tests, used by paths and texts as in a shell.

import RMPModel

@testable import RMPFS

/// A simulated host's files, without a mount.
struct Host {
    let engine: SimulatedEngine
    let root: Directory

    init(cpus: Int = 16, memory: UInt64 = 64 << 30, pace: Pace = .manual, debugMode: UInt32 = 0o700) throws {
        self.init(try MachineConfiguration(cpus: cpus, memoryBytes: memory), pace: pace, debugMode: debugMode)
    }

    init(
        _ configuration: MachineConfiguration,
        pace: Pace = .manual,
        debugMode: UInt32 = 0o700,
        limits: SharedMachine.Limits = SharedMachine.Limits()
    ) {
        engine = SimulatedEngine(configuration, pace: pace, limits)
        root = HostTree(owner: .root, debugMode: debugMode).root(engine)
    }

    func read(_ path: String) throws -> String { try root.file(path).content() }
    func write(_ path: String, _ text: String) throws { try root.file(path).store(text) }
    func refusal(_ path: String, _ text: String) -> Errno? { RMPFSTests.refusal { try write(path, text) } }

    /// The lines of a file, without newlines.
    func lines(_ path: String) throws -> [String] { try read(path).split(separator: "\n").map(String.init) }

    /// Makes a guest with memory.
    func makeGuest(_ name: String, memory: String) throws {
        try root.folder("rmpsim/guests").mkdir(name)
        try write("rmpsim/guests/\(name)/memory", memory)
    }

    /// How many regions are optimized on every CPU, according to the table.
    func optimizedRegions() throws -> Int {
        try lines("debug/rmpopt/rmpopt-table").count { $0.hasSuffix("CPU(s): 0-\(engine.cpuCount - 1)") }
    }
}
