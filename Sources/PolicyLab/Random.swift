// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same everywhere: whole numbers and plain arithmetic, no library function whose last digit
// differs between systems.

/// SplitMix64.
struct Random: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A generator of its own for one use of a seed.
    init(seed: UInt64, use: UInt64) { state = seed &+ use &* 0x9e37_79b9_7f4a_7c15 ^ use << 32 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// 0 ... `limit` - 1.
    mutating func next(below limit: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(truncatingIfNeeded: limit)).high)
    }

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
