// SPDX-License-Identifier: Apache-2.0
// The start of every line about a region, in the series' own file and in ours.

extension TextBuffer {
    /// `Memory @%3lluGB: `, as series v1 patch 6/6 prints it.
    @inline(__always)
    mutating func append(region: Int) {
        append("Memory @")
        if 0..<10_000 ~= region {
            append(gigabytes: UInt32(truncatingIfNeeded: region))
        } else {
            append(decimal: UInt64(region), width: 3)
            append("GB: ")
        }
    }

    /// `%3uGB: ` of a number below 10,000, in one word: a table has a line for each gigabyte.
    @inline(__always)
    private mutating func append(gigabytes number: UInt32) {
        let (tens, hundreds, thousands) = (number / 10, number / 100, number / 1_000)
        // The first digit in the lowest byte.
        var digits =
            thousands | (hundreds &- thousands &* 10) &<< 8 | (tens &- hundreds &* 10) &<< 16
            | (number &- tens &* 10) &<< 24
        digits &+= number < 10 ? 0x3020_2000 : number < 100 ? 0x3030_2000 : 0x3030_3030
        let columns = number < 1_000 ? 3 : 4
        if columns == 3 { digits >>= 8 }
        let unit: UInt64 = 0x203A_4247
        append(UInt64(digits) | unit << UInt64(columns * 8), bytes: columns + 4)
    }
}
