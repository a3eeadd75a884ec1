// SPDX-License-Identifier: Apache-2.0
// Scans the parts of a line of the kernel's rmpopt-table, byte by byte.

import RMPModel

/// Scans the text of a table. Every step checks for the end: the text may be anything.
struct KernelDebugfsTableScanner {
    private let text: [UInt8]
    private(set) var position = 0

    /// No address in GB has more digits.
    private static let digitLimit = 11

    init(_ text: [UInt8]) {
        self.text = text
    }

    /// `Memory @%3lluGB: CPU(s): `
    /// - Returns: the region.
    mutating func region() throws(KernelDebugfsTableError.Reason) -> Int {
        try take("Memory @")
        let start = position
        while position < text.count, text[position] == UInt8(ascii: " ") { position += 1 }
        let digits = position
        let region = try number()
        let width = position - start
        // Right-aligned to three columns: no more spaces than needed.
        if width < 3 || (digits > start && width > 3) { throw .unknown }
        try take("GB: CPU(s): ")
        return region
    }

    /// The rest of the line without its newline, which is consumed.
    mutating func list() throws(KernelDebugfsTableError.Reason) -> ArraySlice<UInt8> {
        guard let end = text[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw .cut }
        defer { position = end + 1 }
        return text[position..<end]
    }

    /// The set that a list names: `none`, or runs in ascending order, none of which touches the next.
    static func cpus(_ list: ArraySlice<UInt8>, online: CPUSet) throws(KernelDebugfsTableError.Reason) -> CPUSet {
        var set = CPUSet(limit: online.limit)
        if list.elementsEqual("none".utf8) { return set }
        var scanner = KernelDebugfsTableScanner(Array(list))
        var behind = 0
        repeat {
            let first = try scanner.listNumber()
            var last = first
            if scanner.takes(UInt8(ascii: "-")) {
                last = try scanner.listNumber()
                if last <= first { throw .badList }
            }
            if first < behind { throw .badList }
            // Runs are separated by at least one CPU; the first one may begin anywhere.
            behind = last + 2
            for cpu in first...last {
                guard online.contains(cpu) else { throw .notOnline(cpu) }
                set.insert(cpu)
            }
        } while scanner.takes(UInt8(ascii: ","))
        if scanner.position != scanner.text.count { throw .badList }
        return set
    }

    private mutating func listNumber() throws(KernelDebugfsTableError.Reason) -> Int {
        do { return try number() } catch { throw .badList }
    }

    /// A decimal number without a leading zero.
    private mutating func number() throws(KernelDebugfsTableError.Reason) -> Int {
        let start = position
        var value = 0
        while position < text.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = text[position] {
            if position - start == Self.digitLimit || (position > start && value == 0) { throw .unknown }
            value = value * 10 + Int(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        if position == start { throw position == text.count ? .cut : .unknown }
        return value
    }

    private mutating func takes(_ byte: UInt8) -> Bool {
        guard position < text.count, text[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func take(_ expected: StaticString) throws(KernelDebugfsTableError.Reason) {
        for index in 0..<expected.utf8CodeUnitCount {
            guard position < text.count else { throw .cut }
            guard text[position] == expected.utf8Start[index] else { throw .unknown }
            position += 1
        }
    }
}
