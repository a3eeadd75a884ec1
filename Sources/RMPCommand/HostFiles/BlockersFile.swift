// SPDX-License-Identifier: Apache-2.0
// Reads debug/rmpopt/blockers: why regions are not optimized everywhere.

/// A reason why a region is not optimized on all CPUs.
enum HostBlocker: Sendable, Hashable {
    case rmpTable(pages: UInt64)
    case firmware(pages: UInt64)
    case guest(name: String, asid: UInt64, pages: UInt64)
    case leaked(pages: UInt64)
    /// Nothing holds these pages, and there is no RMP entry that could say so.
    case uncovered(pages: UInt64)
    case notScanned
    case outside(cpus: String)
    case notEnabled(cpus: String)
    /// A running kernel's table does not say why.
    case unexplained(cpus: String)
}

/// The lines of `blockers`.
enum BlockersReader {
    /// A region and its reasons, in the order of the file: most pages first.
    struct Row: Equatable {
        let region: UInt64
        let reasons: [HostBlocker]
    }

    /// All lines.
    static func rows(_ text: HostText) throws(HostFileError) -> [Row] {
        var rows: [Row] = []
        for line in try text.lines() {
            var reader = TextReader(line.line)
            let region = try text.takeRegion(of: line, with: &reader, after: rows.last?.region)
            var reasons: [HostBlocker] = []
            // Comes before the CPUs of a region for which a running kernel gives no reason.
            for part in parts(reader.rest) where !part.elementsEqual("reason unknown".utf8) {
                guard let reason = reason(part) else {
                    throw text.error((line.number, part), "a reason why a region is not optimized")
                }
                reasons.append(reason)
            }
            rows.append(Row(region: region, reasons: reasons))
        }
        return rows
    }

    /// Splits at `, `: lists of CPUs have commas without a space, names have neither.
    private static func parts(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var start = text.startIndex
        for index in text.indices.dropLast() where text[index] == UInt8(ascii: ",") && text[index + 1] == 0x20 {
            parts.append(text[start..<index])
            start = index + 2
        }
        return parts + [text[start...]]
    }

    /// One reason.
    private static func reason(_ text: ArraySlice<UInt8>) -> HostBlocker? {
        var reader = TextReader(text)
        if text.elementsEqual("not scanned".utf8) { return .notScanned }
        if reader.take("RMP table ") { return pages(reader).map { .rmpTable(pages: $0) } }
        if reader.take("firmware ") { return pages(reader).map { .firmware(pages: $0) } }
        // An RMP alone does not say whether they are on their way back.
        if reader.take("reclaim ") || reader.take("locked ") { return pages(reader).map { .leaked(pages: $0) } }
        if reader.take("not covered ") { return pages(reader).map { .uncovered(pages: $0) } }
        if reader.take("leaked ") { return pages(reader).map { .leaked(pages: $0) } }
        if reader.take("outside the window of CPU(s) ") { return cpus(reader).map { .outside(cpus: $0) } }
        if reader.take("RMPOPT not enabled on CPU(s) ") { return cpus(reader).map { .notEnabled(cpus: $0) } }
        if reader.take("not optimized on CPU(s) ") { return cpus(reader).map { .unexplained(cpus: $0) } }
        if reader.take("guest ") { return guest(reader) }
        return nil
    }

    /// `N pages` and nothing else.
    private static func pages(_ reader: TextReader) -> UInt64? {
        var reader = reader
        guard let count = reader.takeNumber(), reader.take(" pages"), reader.isAtEnd else { return nil }
        return count
    }

    /// A list of CPUs and nothing else.
    private static func cpus(_ reader: TextReader) -> String? {
        CPURanges(reader.rest) == nil ? nil : String(decoding: reader.rest, as: UTF8.self)
    }

    /// `NAME (asid N) M pages`. In the name, spaces, commas, backslashes and control characters are written as `\` and
    /// three octal digits.
    private static func guest(_ reader: TextReader) -> HostBlocker? {
        guard let blank = reader.rest.firstIndex(of: 0x20), let name = unescaped(reader.rest[..<blank]), !name.isEmpty
        else { return nil }
        var rest = TextReader(reader.rest[blank...])
        guard rest.take(" (asid "), let asid = rest.takeNumber(), rest.take(") "), let pages = pages(rest) else {
            return nil
        }
        return .guest(name: String(decoding: name, as: UTF8.self), asid: asid, pages: pages)
    }

    private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "\\") {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(3)
            guard digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            else { return nil }
            bytes.append(code)
            rest = rest.dropFirst(3)
        }
        return bytes
    }
}
