// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: small machines, and a repeatable random sequence.

import Glibc

@testable import RMPModel

/// A uniform machine.
func machine(cpus: Int = 16, gigabytes: UInt64 = 64) throws -> Machine {
    Machine(try MachineConfiguration(cpus: cpus, memoryBytes: gigabytes << 30))
}

/// A region of the default machine that nothing blocks after boot.
let freeRegion = 10
/// Its first byte.
let freeSPA = SPA(UInt64(freeRegion) << 30)

/// The seed of random tests: fixed, unless RMPFS_TEST_SEED says otherwise.
let testSeed: UInt64 = getenv("RMPFS_TEST_SEED").flatMap { UInt64(String(cString: $0)) } ?? usualSeed
let usualSeed: UInt64 = 20_260_217

/// SplitMix64: the same numbers on every machine.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True once in `odds` times.
    mutating func chance(_ odds: UInt64) -> Bool { next().isMultiple(of: odds) }
}

extension Machine {
    /// The code of a command that is an RMP instruction.
    mutating func code(_ command: Command) -> RMPCode? {
        do {
            try perform(command, at: now)
            return .success
        } catch {
            guard case .rmp(let code) = error else { return nil }
            return code
        }
    }

    /// Makes a guest with memory.
    mutating func makeGuest(
        _ name: String,
        bytes: UInt64,
        backing: Backing = .size2M,
        placement: Placement = .packed,
        node: Int? = nil
    ) throws -> GuestID {
        guard case .guest(let id) = try perform(.createGuest(name: Array(name.utf8)), at: now) else {
            throw CommandError.invalid(.name)
        }
        try perform(.setGuestMemory(id, bytes: bytes), at: now)
        try perform(.setGuestBacking(id, backing), at: now)
        try perform(.setGuestPlacement(id, placement), at: now)
        try perform(.setGuestNode(id, node), at: now)
        return id
    }

    /// Why a command is refused; nil when it is not.
    mutating func refusal(_ command: Command) -> CommandError? {
        do {
            try perform(command, at: now)
            return nil
        } catch { return error }
    }

    /// The regions that every core has optimized.
    var optimizedRegions: [Int] { (0..<regionCount).filter { optimizedCoreCount(ofRegion: $0) == coreCount } }
}

extension Series {
    /// Its place among all, from 1: the number of a posted version, and 11 for the merged form.
    var version: Int { (Series.all.firstIndex(of: self) ?? -1) + 1 }
}
