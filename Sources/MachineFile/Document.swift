// SPDX-License-Identifier: Apache-2.0
// Parses bytes into a tree of texts, lists and mappings with line numbers: the only place that knows YAML. Whatever a
// hostile file could do to the parser is refused before the parser sees it.

import Yams

/// One value of a file and the line where it begins.
package struct Item {
    /// What it is.
    package indirect enum Content {
        case scalar(String)
        case list([Item])
        case mapping([Entry])
    }

    package let line: Int
    package let content: Content
}

/// One `key: value` of a mapping.
package struct Entry {
    package let key: String
    package let line: Int
    package let value: Item
}

package enum Document {
    /// The largest file, in bytes.
    static let largest = 1 << 20
    /// How deep lists and mappings can nest; no machine file needs more than four levels.
    static let deepest = 16
    /// How many question marks can be where YAML could read them as the start of a complex key.
    static let mostQuestionMarks = 16

    /// The file's one mapping.
    ///
    /// - Parameter canBeEmpty: whether a file without any key is one of an empty mapping.
    package static func read(_ bytes: [UInt8], canBeEmpty: Bool = false) throws(Fault) -> Item {
        guard bytes.count <= largest else {
            throw Fault(nil, nil, "\(bytes.count) bytes are too many; a file has at most \(largest)")
        }
        let text = try Encoding.text(bytes)
        try check(Array(text.utf8))
        let root: Item
        do {
            // This resolver knows no tags: types are the schema's business, and `no` is a string.
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            guard let node = try parser.singleRoot() else {
                if canBeEmpty { return Item(line: 1, content: .mapping([])) }
                throw Fault(nil, nil, "the file is empty; give at least cpus and memory")
            }
            // The parser owns the anchors.
            root = try withExtendedLifetime(parser) { () throws(Fault) in try item(node, depth: 0) }
        } catch let fault as Fault {
            throw fault
        } catch {
            throw YAMLFault.fault(error, text)
        }
        guard case .mapping = root.content else {
            throw Fault(root.line, nil, "the file must be a mapping; begin with a key, such as cpus:")
        }
        return root
    }

    private static func item(_ node: Node, depth: Int) throws(Fault) -> Item {
        let line = node.mark?.line ?? 1
        guard depth <= deepest else {
            throw Fault(line, nil, "more than \(deepest) levels of lists and mappings; no key needs as many")
        }
        guard node.anchor == nil else {
            throw Fault(line, nil, "anchors (&) are not supported; write the value itself")
        }
        switch node {
        case .scalar(let scalar):
            // Quoted strings and keys get the string tag implicitly.
            guard scalar.tag.rawValue.isEmpty || scalar.tag.rawValue == Tag.Name.str.rawValue else {
                throw tagged(line)
            }
            return Item(line: line, content: .scalar(scalar.string))
        case .sequence(let sequence):
            guard sequence.tag.rawValue.isEmpty else { throw tagged(line) }
            var items: [Item] = []
            for node in sequence { items.append(try item(node, depth: depth + 1)) }
            return Item(line: line, content: .list(items))
        case .mapping(let mapping):
            guard mapping.tag.rawValue.isEmpty else { throw tagged(line) }
            var entries: [Entry] = []
            for (key, value) in mapping {
                guard case .scalar(let name) = key else {
                    throw Fault(key.mark?.line ?? line, nil, "a key is a list or a mapping; keys must be words")
                }
                let place = try item(key, depth: depth + 1).line
                entries.append(Entry(key: name.string, line: place, value: try item(value, depth: depth + 1)))
            }
            return Item(line: line, content: .mapping(entries))
        case .alias:
            throw Fault(line, nil, "aliases (*) are not supported; write the value itself")
        }
    }

    private static func tagged(_ line: Int) -> Fault {
        Fault(line, nil, "tags (!) are not supported; write the value without its tag")
    }

    /// Refuses what would make the parser slow: an alias used as a key is compared as a whole, aliases of aliases grow
    /// without bound, and so does the cost of nested complex keys.
    private static func check(_ bytes: [UInt8]) throws(Fault) {
        var anchors: Set<ArraySlice<UInt8>> = []
        var aliases: [(name: ArraySlice<UInt8>, line: Int)] = []
        var questionMarks = 0
        var line = 1
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "&"), UInt8(ascii: "*"):
                let name = bytes[(index + 1)...].prefix(while: isNameByte)
                if byte == UInt8(ascii: "&") { anchors.insert(name) } else { aliases.append((name, line)) }
            case UInt8(ascii: "?"):
                let before = index == 0 ? UInt8(ascii: "\n") : bytes[index - 1]
                if !isNameByte(before) { questionMarks += 1 }
                if questionMarks > mostQuestionMarks {
                    let text = "more than \(mostQuestionMarks) question marks stand alone; write keys as KEY:"
                    throw Fault(line, nil, text)
                }
            default: break
            }
        }
        for alias in aliases where !alias.name.isEmpty && anchors.contains(alias.name) {
            let name = shown(String(decoding: alias.name, as: UTF8.self))
            throw Fault(
                alias.line,
                nil,
                "anchors (&) and aliases (*) are not supported, as in *\(name); write the value itself"
            )
        }
    }

    /// The bytes that libyaml accepts in the name of an anchor.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
