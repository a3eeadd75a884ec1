// SPDX-License-Identifier: Apache-2.0
// Decodes a file: editors write UTF-8 and UTF-16, with or without a byte order mark.

/// The encoding of a file.
///
/// Source: YAML 1.2.2, 5.2 (Character Encodings), which tells encodings apart by their first bytes and requires UTF-8
/// and UTF-16.
enum Encoding {
    /// The text of a file, without its byte order mark.
    static func text(_ bytes: [UInt8]) throws(Fault) -> String {
        let zeros = bytes.prefix(4).map { $0 == 0 }
        if bytes.starts(with: [0, 0, 0xFE, 0xFF]) || bytes.starts(with: [0xFF, 0xFE, 0, 0])
            || zeros == [true, true, true, false] || zeros == [false, true, true, true]
        {
            throw Fault(nil, nil, "this is UTF-32; save the file as UTF-8")
        }
        for (mark, isBigEndian) in [([0xFE, 0xFF], true), ([0xFF, 0xFE], false)] as [([UInt8], Bool)]
        where bytes.starts(with: mark) {
            if let text = utf16(bytes.dropFirst(mark.count), isBigEndian: isBigEndian) { return text }
            throw Fault(nil, nil, "this begins as UTF-16 and is not; save the file as UTF-8")
        }
        // Without a mark: the first character of a machine file is ASCII.
        if [[true, false], [false, true]].contains(Array(zeros.prefix(2))),
            let text = utf16(bytes[...], isBigEndian: zeros[0])
        {
            return text
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let rest = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
        if let text = String(validating: rest, as: UTF8.self) { return text }
        throw Fault(firstLineNotUTF8(rest), nil, "this is not UTF-8; save the file as UTF-8")
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> String? {
        guard bytes.count.isMultiple(of: 2) else { return nil }
        let units = stride(from: bytes.startIndex, to: bytes.endIndex, by: 2).map { index in
            let pair = isBigEndian ? (bytes[index], bytes[index + 1]) : (bytes[index + 1], bytes[index])
            return UInt16(pair.0) << 8 | UInt16(pair.1)
        }
        return String(validating: units, as: UTF16.self)
    }

    private static func firstLineNotUTF8(_ bytes: ArraySlice<UInt8>) -> Int? {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }.map { $0 + 1 }
    }
}
