// SPDX-License-Identifier: Apache-2.0
// Random numbers that can be had again: the one generator of all tests.

import Glibc

/// SplitMix64: the same numbers on every machine.
public struct Random: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The numbers of a seed.
    public init(seed: UInt64) { state = seed }

    /// The next number, of all 64-bit ones.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True once in `odds` times; `odds` is 1 or more.
    public mutating func chance(_ odds: UInt64) -> Bool { next().isMultiple(of: odds) }

    /// A number in 0 ..< `limit`, which is 1 or more.
    public mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

    /// One of some values, of which there is at least one.
    public mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }

    /// The seed that the environment gives for a run that is to be repeated.
    ///
    /// - Parameters:
    ///   - variable: the environment variable.
    ///   - seed: the seed if it is not set, or is no number.
    public static func seed(from variable: String = "RMPFS_TEST_SEED", otherwise seed: UInt64) -> UInt64 {
        getenv(variable).flatMap { UInt64(String(cString: $0)) } ?? seed
    }
}
