// SPDX-License-Identifier: Apache-2.0
// The text of debugfs' rmpopt-table, byte for byte as the series prints it.

import RMPModel

/// The lines of `rmpopt-table`.
///
/// Source: series v1 patch 6/6 to v8 patch 7/7. In v1 to v4 the iterator continues to the address equal to the end, so
/// there is one more line than there are regions; but start() stops at just that address, so a read that begins there
/// does not get the line.
enum DebugfsTableText {
    /// The regions of the lines that one fill of the buffer gets, starting with line number `first`.
    static func lines(from first: Int, regions: Range<Int>, hasEndLine: Bool) -> Range<Int> {
        let start = regions.lowerBound + min(first, regions.count)
        return start..<(start < regions.upperBound && hasEndLine ? regions.upperBound + 1 : regions.upperBound)
    }

    /// A region's line, `Memory @%3lluGB: CPU(s): %*pbl\n`, or `none` for an empty list.
    /// - Parameter rest: what ``rest(_:)`` gives for the list.
    @inline(__always)
    static func line(region: Int, _ rest: UnsafeRawBufferPointer, into text: inout TextBuffer) {
        text.append(region: region)
        text.append(rest)
    }

    /// What follows the region in all lines with the same list of CPUs.
    static func rest(_ cpus: CPUSet) -> [UInt8] {
        var rest = Array("CPU(s): ".utf8)
        if cpus.isEmpty { rest += Array("none".utf8) } else { CPUList.append(cpus, to: &rest) }
        rest.append(0x0A)
        return rest
    }
}

/// `rmpopt-table` as a source of records.
struct DebugfsTableSource: RecordSource {
    let engine: any Engine

    func show(from first: Int, into page: inout RecordPage) throws(Errno) {
        try engine.showDebugfsTable(from: first, into: &page)
    }

    func rendering(from first: Int) throws(Errno) -> Rendering? { try engine.renderedDebugfsTable(from: first) }
}
