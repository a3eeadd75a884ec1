// SPDX-License-Identifier: Apache-2.0
// Random numbers for tests, which a seed brings back.

import Glibc
import RMPModel

/// A generator of random numbers (SplitMix64): equal seeds give equal numbers on every machine.
public struct Random: RandomNumberGenerator, Sendable {
    private var generator: SplitMix64

    /// The numbers of a seed.
    public init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    /// The next number, of all 64-bit ones.
    public mutating func next() -> UInt64 { generator.next() }

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
