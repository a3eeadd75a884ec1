// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same everywhere: whole numbers and plain arithmetic, no library function whose last digit
// differs between systems.

import RMPModel

/// The numbers of one use of a seed.
struct Random: Sendable {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: seed) }

    /// A generator of its own for one use of a seed.
    init(seed: UInt64, use: UInt64) { self.init(seed: seed &+ use &* 0x9e37_79b9_7f4a_7c15 ^ use << 32) }

    mutating func next() -> UInt64 { numbers.next() }

    /// 0 ... `limit` - 1.
    mutating func next(below limit: Int) -> Int { numbers.next(below: limit) }

    /// 0 ..< 1, in steps of 2^-53.
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number with the exponential distribution of mean 1, by von Neumann's comparisons of uniform numbers, which
    /// needs no logarithm.
    mutating func exponential() -> Double {
        var whole = 0.0
        while true {
            let first = fraction()
            var (last, count) = (first, 1)
            while true {
                let following = fraction()
                if following > last { break }
                last = following
                count += 1
            }
            if count & 1 == 1 { return whole + first }
            whole += 1
        }
    }
}
