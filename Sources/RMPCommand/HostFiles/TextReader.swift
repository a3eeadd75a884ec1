// SPDX-License-Identifier: Apache-2.0
// Reads text byte by byte: numbered lines, decimal numbers, and the start of each line about a region.

/// A position in a text that is read from front to back.
struct TextReader {
    private(set) var rest: ArraySlice<UInt8>

    init(_ text: ArraySlice<UInt8>) { rest = text }

    var isAtEnd: Bool { rest.isEmpty }

    /// Takes `word` if it comes next.
    mutating func take(_ word: StaticString) -> Bool {
        let bytes = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard rest.starts(with: bytes) else { return false }
        rest = rest.dropFirst(bytes.count)
        return true
    }

    /// Takes a decimal number; nil if there is none or it does not fit.
    mutating func takeNumber() -> UInt64? {
        var value: UInt64 = 0
        var count = 0
        for byte in rest {
            guard (0x30...0x39).contains(byte) else { break }
            let (tens, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = tens.addingReportingOverflow(UInt64(byte - 0x30))
            if first || second { return nil }
            value = sum
            count += 1
        }
        if count == 0 { return nil }
        rest = rest.dropFirst(count)
        return value
    }

    /// Takes the blanks that come next.
    mutating func takeBlanks() { rest = rest.drop { $0 == 0x20 } }

    /// Takes `Memory @%3lluGB: `, as series v1 patch 6/6 prints it: the region's number.
    mutating func takeRegion() -> UInt64? {
        var ahead = self
        guard ahead.take("Memory @") else { return nil }
        ahead.takeBlanks()
        guard let region = ahead.takeNumber(), ahead.take("GB: ") else { return nil }
        self = ahead
        return region
    }
}

/// The lines of a file, with its name for messages.
struct HostText {
    let name: String
    let bytes: [UInt8]

    /// Each line without its newline, and its number from 1.
    /// - Throws: ``HostFileError`` if the last line has no newline: the file was cut off.
    func lines() throws(HostFileError) -> [(number: Int, line: ArraySlice<UInt8>)] {
        if bytes.isEmpty { return [] }
        var lines: [(number: Int, line: ArraySlice<UInt8>)] = []
        var start = 0
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            lines.append((lines.count + 1, bytes[start..<end]))
            start = end + 1
        }
        guard start == bytes.count else {
            throw HostFileError(name, line: lines.count + 1, "the line does not end: the file was cut")
        }
        return lines
    }

    /// What a line is not.
    func error(_ line: (number: Int, line: ArraySlice<UInt8>), _ expected: String) -> HostFileError {
        HostFileError(name, line: line.number, "\(HostFileError.quote(line.line)) is not \(expected)")
    }

    /// The region that a line begins with; they ascend.
    func takeRegion(
        of line: (number: Int, line: ArraySlice<UInt8>),
        with reader: inout TextReader,
        after last: UInt64?
    ) throws(HostFileError) -> UInt64 {
        guard let region = reader.takeRegion() else { throw error(line, "'Memory @...GB: ...'") }
        if let last, region <= last {
            throw HostFileError(name, line: line.number, "region \(region) comes after region \(last)")
        }
        return region
    }
}
