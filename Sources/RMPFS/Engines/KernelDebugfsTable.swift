// SPDX-License-Identifier: Apache-2.0
// Parses the text of the kernel's rmpopt-table, and accepts only what the kernel can have printed.

import RMPModel

/// The rows of an `rmpopt-table`.
///
/// Source: series v1 patch 6/6, unchanged in v8: `Memory @%3lluGB: `, then `CPU(s): %*pbl` or `CPU(s): none`, and a
/// newline. One line for each region, without gaps.
struct KernelDebugfsTable: Sendable, Hashable {
    /// The region of the first line.
    let firstRegion: Int
    /// The distinct sets of CPUs.
    private(set) var sets: [CPUSet] = []
    /// For each line, the index of its set.
    private(set) var rows: [Int] = []
    /// The text, byte for byte.
    let text: [UInt8]
    /// Where each line ends in the text, after its newline.
    private(set) var ends: [Int] = []

    /// The CPUs on which the region of a line is optimized. The line must exist.
    func cpus(ofLine line: Int) -> CPUSet { sets[rows[line]] }

    /// The text of a line with its newline. The line must exist.
    func text(ofLine line: Int) -> ArraySlice<UInt8> {
        text[(line == 0 ? 0 : ends[line - 1])..<ends[line]]
    }

    /// Reads a whole table.
    /// - Parameter online: the CPUs that can occur.
    /// - Throws: what is wrong with the first bad line.
    init(_ text: [UInt8], online: CPUSet) throws(KernelDebugfsTableError) {
        self.text = text
        guard !text.isEmpty else { throw KernelDebugfsTableError(line: 1, of: text, at: 0, .empty) }
        var sets = SetReader(online: online)
        var scanner = KernelDebugfsTableScanner(text)
        var first: Int?
        while scanner.position < text.count {
            let start = scanner.position
            do throws(KernelDebugfsTableError.Reason) {
                let region = try scanner.region()
                let expected = (first ?? region) + rows.count
                first = first ?? region
                if region != expected { throw .wrongRegion(expected: expected) }
                rows.append(try sets.row(&scanner))
            } catch {
                throw KernelDebugfsTableError(line: rows.count + 1, of: text, at: start, error)
            }
            ends.append(scanner.position)
        }
        self.sets = sets.sets
        firstRegion = first ?? 0
    }

    /// The number, from 1, of the first line in which two texts differ; nil if they are equal.
    static func firstDifference(_ one: [UInt8], _ other: [UInt8]) -> Int? {
        if one == other { return nil }
        var line = 1
        for (a, b) in zip(one, other) {
            if a != b { return line }
            if a == UInt8(ascii: "\n") { line += 1 }
        }
        return line
    }
}

/// Why a text is not a table.
struct KernelDebugfsTableError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with a line.
    enum Reason: Error, Sendable, Hashable {
        /// There are no lines at all.
        case empty
        /// The text ends within the line.
        case cut
        /// The kernel does not print this.
        case unknown
        /// A line is missing or repeated.
        case wrongRegion(expected: Int)
        /// Not a list of CPUs as the kernel prints one.
        case badList
        /// A CPU that is not online.
        case notOnline(Int)
    }

    /// The line's number, from 1.
    let line: Int
    /// Its text, truncated, with `?` for unprintable characters.
    let text: String
    let reason: Reason

    init(line: Int, of bytes: [UInt8], at start: Int, _ reason: Reason) {
        self.line = line
        self.reason = reason
        text = Self.shown(bytes[min(start, bytes.count)...])
    }

    /// A line of a text, numbered from 1, in the form of ``text``; empty if there is no such line.
    static func line(_ number: Int, of bytes: [UInt8]) -> String {
        var rest = bytes[...]
        for _ in 1..<max(number, 1) {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return "" }
            rest = rest[(end + 1)...]
        }
        return shown(rest)
    }

    private static func shown(_ bytes: ArraySlice<UInt8>) -> String {
        let line = bytes.prefix(80).prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    var description: String { "line \(line) '\(text)': \(why)" }

    private var why: String {
        switch reason {
        case .empty: "the file is empty"
        case .cut: "the line has no end"
        case .unknown: "not 'Memory @...GB: CPU(s): ...', which is all that series v1 to v8 print"
        case .wrongRegion(let expected): "region \(expected) was expected here"
        case .badList: "not a list of CPUs as the kernel prints it"
        case .notOnline(let cpu): "CPU \(cpu) is not online"
        }
    }
}

/// Reads the lists of CPUs of a table. Most lines have the same list as the line before.
private struct SetReader {
    let online: CPUSet
    private(set) var sets: [CPUSet] = []
    private var known: [ArraySlice<UInt8>: Int] = [:]

    init(online: CPUSet) {
        self.online = online
    }

    mutating func row(_ scanner: inout KernelDebugfsTableScanner) throws(KernelDebugfsTableError.Reason) -> Int {
        let list = try scanner.list()
        if let index = known[list] { return index }
        let set = try KernelDebugfsTableScanner.cpus(list, online: online)
        sets.append(set)
        known[list] = sets.count - 1
        return sets.count - 1
    }
}
