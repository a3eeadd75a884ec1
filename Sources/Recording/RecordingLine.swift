// SPDX-License-Identifier: Apache-2.0
// A line of a recording as text: a flat JSON object of numbers, texts, true and false, in ASCII.

/// Reads and writes one line. The form is a part of JSON (RFC 8259) that needs no tree: a million lines are read in
/// some seconds, and jq(1) reads them, too.
enum RecordingLine {
    static func append(_ fields: Fields, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        for (number, field) in fields.all.enumerated() {
            if number > 0 { bytes.append(UInt8(ascii: ",")) }
            append(field.name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            switch field.value {
            case .number(let value): bytes += String(value).utf8
            case .flag(let value): bytes += (value ? "true" : "false").utf8
            case .text(let value): append(value, to: &bytes)
            }
        }
        bytes += "}\n".utf8
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for unit in text.utf16 {
            switch unit {
            case 0x22, 0x5C: bytes += [0x5C, UInt8(unit)]
            case 0x0A: bytes += "\\n".utf8
            case 0x20..<0x7F: bytes.append(UInt8(unit))
            default:
                let digits = String(unit, radix: 16)
                bytes += "\\u".utf8
                bytes += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
                bytes += digits.utf8
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// The fields of a line without its newline.
    static func fields(_ line: ArraySlice<UInt8>) throws(RecordingError) -> Fields {
        var reader = Reader(rest: line)
        var fields = Fields()
        try reader.expect("{")
        if !reader.take("}") {
            repeat {
                let name = try reader.text()
                try reader.expect(":")
                if fields.has(name) { throw RecordingError("\"\(name)\" is there twice") }
                fields.add(name, try reader.value())
            } while reader.take(",")
            try reader.expect("}")
        }
        reader.skipBlanks()
        if !reader.rest.isEmpty { throw RecordingError("something follows the closing brace") }
        return fields
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } }

        mutating func take(_ sign: Unicode.Scalar) -> Bool {
            skipBlanks()
            guard rest.first == UInt8(ascii: sign) else { return false }
            rest = rest.dropFirst()
            return true
        }

        mutating func expect(_ sign: Unicode.Scalar) throws(RecordingError) {
            if !take(sign) { throw RecordingError("a '\(sign)' is missing") }
        }

        mutating func value() throws(RecordingError) -> Fields.Value {
            skipBlanks()
            if rest.first == 0x22 { return .text(try text()) }
            for (word, flag) in [("true", true), ("false", false)] where rest.starts(with: word.utf8) {
                rest = rest.dropFirst(word.utf8.count)
                return .flag(flag)
            }
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else {
                throw RecordingError("a value is not a number below 2^64, a text, true or false")
            }
            rest = rest.dropFirst(digits.count)
            return .number(number)
        }

        mutating func text() throws(RecordingError) -> String {
            try expect("\"")
            var units: [UInt16] = []
            var plain: [UInt8] = []
            func flush() {
                units += String(decoding: plain, as: UTF8.self).utf16
                plain.removeAll()
            }
            while let byte = rest.popFirst() {
                switch byte {
                case 0x22:
                    flush()
                    return String(decoding: units, as: UTF16.self)
                case 0x5C:
                    flush()
                    units.append(try escape())
                case 0..<0x20: throw RecordingError("a control character in a text")
                default: plain.append(byte)
                }
            }
            throw RecordingError("a text has no end")
        }

        private mutating func escape() throws(RecordingError) -> UInt16 {
            switch rest.popFirst() {
            case UInt8(ascii: "n"): return 0x0A
            case UInt8(ascii: "t"): return 0x09
            case UInt8(ascii: "r"): return 0x0D
            case UInt8(ascii: "b"): return 0x08
            case UInt8(ascii: "f"): return 0x0C
            case .some(let sign) where [0x22, 0x5C, 0x2F].contains(sign): return UInt16(sign)
            case UInt8(ascii: "u"):
                let digits = rest.prefix(4)
                guard digits.count == 4, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
                    throw RecordingError("\\u without four hexadecimal digits")
                }
                rest = rest.dropFirst(4)
                return unit
            default: throw RecordingError("a backslash before something that is not an escape")
            }
        }
    }
}
