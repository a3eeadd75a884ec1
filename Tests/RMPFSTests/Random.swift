// SPDX-License-Identifier: Apache-2.0
// Repeatable random tests: RMPFS_TEST_SEED=NUMBER repeats a failing run.

import Foundation

/// The seed of this run.
let testSeed: UInt64 =
    ProcessInfo.processInfo.environment["RMPFS_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999_999)

/// SplitMix64: the same numbers on every machine.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// One of some values.
    mutating func pick<Value>(_ values: [Value]) -> Value {
        values[Int.random(in: values.indices, using: &self)]
    }

    /// True once in `odds` times.
    mutating func chance(_ odds: UInt64) -> Bool { next().isMultiple(of: odds) }
}
