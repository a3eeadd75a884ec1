// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: small machines, and the seed of random tests.

import RMPModelTestSupport

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
let testSeed = Random.seed(otherwise: usualSeed)
let usualSeed: UInt64 = 20_260_217

/// The generator of all tests.
typealias Random = RMPModelTestSupport.Random

extension Machine {
    /// Performs an RMP instruction and returns its code; nil for any other refusal.
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
        guard case .guest(let id) = try perform(.createGuest(name: GuestName(name)), at: now) else {
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
}

extension Series {
    /// Its place among all, from 1: the number of a posted version, and 11 for the merged form.
    var version: Int { (Series.all.firstIndex(of: self) ?? -1) + 1 }
}
