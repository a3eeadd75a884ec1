// SPDX-License-Identifier: Apache-2.0
// JSON without Foundation: keys stay in the order in which they were given, so the text is always the same.

/// A JSON value.
enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(UInt64)
    case string(String)
    case array([JSON])
    case object([Member])

    /// A name and its value.
    struct Member: Sendable, Equatable {
        let name: String
        let value: JSON
    }

    /// An object with its members in this order.
    static func members(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member(name: $0.key, value: $0.value) })
    }

    /// The text, indented by two blanks, with a newline at its end.
    var text: String {
        var bytes: [UInt8] = []
        append(to: &bytes, indent: 0)
        bytes.append(0x0A)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func append(to bytes: inout [UInt8], indent: Int) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let value): bytes += String(value).utf8
        case .string(let value): Self.append(string: value, to: &bytes)
        case .array(let values):
            Self.append(items: values, between: ("[", "]"), to: &bytes, indent: indent) { value, bytes in
                value.append(to: &bytes, indent: indent + 1)
            }
        case .object(let members):
            Self.append(items: members, between: ("{", "}"), to: &bytes, indent: indent) { member, bytes in
                Self.append(string: member.name, to: &bytes)
                bytes += ": ".utf8
                member.value.append(to: &bytes, indent: indent + 1)
            }
        }
    }

    private static func append<Item>(
        items: [Item],
        between brackets: (String, String),
        to bytes: inout [UInt8],
        indent: Int,
        _ append: (Item, inout [UInt8]) -> Void
    ) {
        bytes += brackets.0.utf8
        for (number, item) in items.enumerated() {
            bytes += (number == 0 ? "\n" : ",\n").utf8
            bytes += repeatElement(0x20, count: 2 * (indent + 1))
            append(item, &bytes)
        }
        if !items.isEmpty {
            bytes.append(0x0A)
            bytes += repeatElement(0x20, count: 2 * indent)
        }
        bytes += brackets.1.utf8
    }

    /// A text in quotation marks.
    ///
    /// RFC 8259: quotation marks, backslashes and control characters are escaped, the rest is UTF-8. Invalid UTF-8
    /// becomes U+FFFD.
    static func append(string: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in String(decoding: string.systemBytes, as: UTF8.self).utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += "\\n".utf8
            case 0x09: bytes += "\\t".utf8
            case 0..<0x20, 0x7F:
                let digits = Array("0123456789abcdef".utf8)
                bytes += "\\u00".utf8
                bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
