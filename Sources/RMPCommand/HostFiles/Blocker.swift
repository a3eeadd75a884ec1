// SPDX-License-Identifier: Apache-2.0
// Reads debug/rmpopt/blockers: why regions are not optimized everywhere.

/// A reason why a region is not optimized on all CPUs.
enum Blocker: Sendable, Hashable {
    case rmpTable(pages: UInt64)
    case firmware(pages: UInt64)
    case guest(name: String, asid: UInt64, pages: UInt64)
    case leaked(pages: UInt64)
    case notScanned
    case outside(cpus: String)
}

/// The lines of `blockers`.
enum BlockersReader {
    /// A region and its reasons, in the order of the file: most pages first.
    struct Row: Equatable {
        let region: UInt64
        let reasons: [Blocker]
    }

    /// All lines. A guest's name may hold any byte but `/` and NUL, newlines too: what does not begin as a line about a
    /// region goes on the line before.
    static func rows(_ text: HostText) throws(HostFileError) -> [Row] {
        var rows: [Row] = []
        var open: (number: Int, region: UInt64, start: Int, end: Int)?
        func close() throws(HostFileError) {
            guard let line = open else { return }
            let reasons = text.bytes[line.start..<line.end]
            guard let found = Self.reasons(reasons) else {
                throw text.error((line.number, reasons), "a list of reasons why a region is not optimized")
            }
            rows.append(Row(region: line.region, reasons: found))
        }
        for line in try text.lines() {
            var reader = TextReader(line.line)
            if let region = reader.takeRegion(), open.map({ region > $0.region }) ?? true {
                try close()
                open = (line.number, region, reader.rest.startIndex, line.line.endIndex)
            } else {
                guard let begun = open else { throw text.error(line, "'Memory @...GB: ...'") }
                open = (begun.number, begun.region, begun.start, line.line.endIndex)
            }
        }
        try close()
        return rows
    }

    /// The reasons of one line, which are separated by `, `; nil if it is no such list.
    ///
    /// Read from the end, because a guest's name may hold anything, also what looks like reasons: behind the name
    /// there is always ` (asid N) M pages`. The shortest name with which the whole line can be read is taken.
    static func reasons(_ text: ArraySlice<UInt8>) -> [Blocker]? {
        var hopeless: Set<Int> = []
        return reasons(text, &hopeless)?.reversed()
    }

    /// The reasons from the last to the first.
    /// - Parameter hopeless: ends from which no reading was found, so that none is tried twice.
    private static func reasons(_ text: ArraySlice<UInt8>, _ hopeless: inout Set<Int>) -> [Blocker]? {
        if hopeless.contains(text.endIndex) { return nil }
        for start in starts(in: text) {
            guard let last = reason(text[start...]) else { continue }
            if start == text.startIndex { return [last] }
            if let earlier = reasons(text[..<(start - 2)], &hopeless) { return [last] + earlier }
        }
        hopeless.insert(text.endIndex)
        return nil
    }

    /// Where the last reason may begin: behind each `, `, the last one first, and at the front.
    private static func starts(in text: ArraySlice<UInt8>) -> [Int] {
        var starts: [Int] = []
        var index = text.endIndex - 1
        while index > text.startIndex {
            if text[index] == 0x20 && text[index - 1] == UInt8(ascii: ",") { starts.append(index + 1) }
            index -= 1
        }
        starts.append(text.startIndex)
        return starts
    }

    /// One reason.
    private static func reason(_ text: ArraySlice<UInt8>) -> Blocker? {
        var reader = TextReader(text)
        if text.elementsEqual("not scanned".utf8) { return .notScanned }
        if reader.take("RMP table ") { return pages(reader).map { .rmpTable(pages: $0) } }
        if reader.take("firmware ") { return pages(reader).map { .firmware(pages: $0) } }
        if reader.take("leaked ") { return pages(reader).map { .leaked(pages: $0) } }
        if reader.take("outside the window of CPU(s) ") {
            guard CPURanges(reader.rest) != nil else { return nil }
            return .outside(cpus: String(decoding: reader.rest, as: UTF8.self))
        }
        if reader.take("guest ") { return guest(reader.rest) }
        return nil
    }

    /// `N pages` and nothing else.
    private static func pages(_ reader: TextReader) -> UInt64? {
        var reader = reader
        guard let count = reader.takeNumber(), reader.take(" pages"), reader.isAtEnd else { return nil }
        return count
    }

    /// `NAME (asid N) M pages`
    private static func guest(_ text: ArraySlice<UInt8>) -> Blocker? {
        guard let bracket = text.lastIndex(of: UInt8(ascii: "(")), bracket >= text.startIndex + 2,
            text[bracket - 1] == 0x20
        else { return nil }
        var reader = TextReader(text[bracket...])
        guard reader.take("(asid "), let asid = reader.takeNumber(), reader.take(") "), let pages = pages(reader) else {
            return nil
        }
        let name = String(decoding: text[text.startIndex..<(bracket - 1)], as: UTF8.self)
        return .guest(name: name, asid: asid, pages: pages)
    }
}
