// SPDX-License-Identifier: Apache-2.0
// One entry of the RMP segment table: where a segment's table lies and how many gigabytes it covers.

/// An entry of the RST.
///
/// Source: APM vol 2 15.36.22.
public struct RSTEntry: Sendable, Hashable {
    /// The most entries that an RST has: 4 KB of 8 bytes.
    public static let limit = 512
    /// The most gigabytes that an entry can state.
    public static let gigabyteLimit = 0xf_ffff
    private static let baseMask: UInt64 = (1 << 52 - 1) & ~0xf_ffff

    /// The entry's number, 0 ... 511: the segment covers the addresses from `index` << shift on.
    public var index: Int
    /// Where the segment's table begins, in bytes: a multiple of 1 MB below 2^52.
    public var base: UInt64
    /// The gigabytes covered, as stated, 0 ... 1,048,575; 0 means no segment.
    public var gigabytes: Int

    /// An entry by its fields; checked by ``RMPLayout/segmented(base:shift:entries:)``.
    public init(index: Int, base: UInt64, gigabytes: Int) {
        self.index = index
        self.base = base
        self.gigabytes = gigabytes
    }

    /// An entry from its eight bytes: base in bits 51:20, gigabytes in 19:0; nil if any of bits 63:52, which must be
    /// zero, is set.
    public init?(index: Int, rawValue: UInt64) {
        guard rawValue >> 52 == 0 else { return nil }
        self.init(
            index: index,
            base: rawValue & RSTEntry.baseMask,
            gigabytes: Int(truncatingIfNeeded: rawValue) & RSTEntry.gigabyteLimit
        )
    }

    /// The eight bytes; bits that do not fit are dropped.
    public var rawValue: UInt64 {
        base & RSTEntry.baseMask | UInt64(truncatingIfNeeded: gigabytes & RSTEntry.gigabyteLimit)
    }
}
