// SPDX-License-Identifier: Apache-2.0
// The start of every line about a region, in the series' own file and in ours.

extension TextBuffer {
    /// `Memory @%3lluGB: `, as series v1 patch 6/6 prints it.
    @inline(__always)
    mutating func append(region: Int) {
        append("Memory @")
        append(decimal: UInt64(region), width: 3)
        append("GB: ")
    }
}
