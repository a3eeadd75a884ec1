// SPDX-License-Identifier: Apache-2.0
// Checks a file against a schema: unknown and missing keys, wrong types, numbers out of range.

/// Checks a file against a schema.
package struct Checker {
    /// The keys of the file.
    private let root: [Key]

    /// The longest cpulist: every other one of 8,192 CPUs takes 20 KB.
    private static let longestList = 32_768

    /// A checker of files with these keys.
    package init(_ root: [Key]) { self.root = root }

    /// The file's mapping, checked.
    package func check(_ item: Item) throws(Fault) -> Record {
        guard case .record(let record) = try value(item, .mapping(root), path: "") else {
            throw Fault(item.line, nil, "the file must be a mapping; begin with a key, such as cpus:")
        }
        return record
    }

    private func value(_ item: Item, _ kind: Kind, path: String) throws(Fault) -> Value {
        switch (kind, item.content) {
        case (.mapping(let keys), .mapping(let entries)):
            return .record(try record(entries, keys, line: item.line, path: path))
        case (.list(let kind, let counts), .list(let items)):
            guard counts.contains(items.count) else {
                let text = "\(items.count) entries; give \(counts.lowerBound) to \(counts.upperBound)"
                throw Fault(item.line, path, text)
            }
            var places: [Place] = []
            for (number, item) in items.enumerated() {
                let path = "\(path)[\(number)]"
                places.append(Place(value: try value(item, kind, path: path), line: item.line, path: path))
            }
            return .list(places)
        case (.oneOrMore(let kind, let most), .list): return try value(item, .list(kind, 1...most), path: path)
        case (.oneOrMore(let kind, _), _):
            return .list([Place(value: try value(item, kind, path: path), line: item.line, path: path)])
        case (.mapping, _), (.list, _): throw Fault(item.line, path, wrong(item, kind))
        case (_, .scalar(let text)):
            guard let value = scalar(text, kind) else { throw Fault(item.line, path, wrong(item, kind)) }
            return value
        default: throw Fault(item.line, path, wrong(item, kind))
        }
    }

    /// The value of a text; nil if it is not of this kind.
    private func scalar(_ text: String, _ kind: Kind) -> Value? {
        switch kind {
        case .text: return .text(text)
        case .cpuList: return text.utf8.count <= Checker.longestList ? .text(text) : nil
        case .word(let words): return words.contains(text) ? .text(text) : nil
        case .flag: return text == "true" ? .flag(true) : text == "false" ? .flag(false) : nil
        case .integer(let range):
            let number = Quantities.parse(text, units: [("", 1)]).flatMap { Int(exactly: $0) }
            return number.flatMap { range.contains($0) ? .integer($0) : nil }
        case .bytes(let range, let unit):
            guard let bytes = Quantities.parse(text, units: Quantities.sizeUnits), range.contains(bytes) else {
                return nil
            }
            return bytes.isMultiple(of: unit) ? .bytes(bytes) : nil
        case .duration(let range):
            guard let time = Quantities.parse(text, units: Quantities.timeUnits), range.contains(time) else {
                return nil
            }
            return .duration(time)
        case .period(let range):
            guard let time = Quantities.parse(text, units: Quantities.periodUnits), range.contains(time) else {
                return nil
            }
            return .duration(time)
        case .decimal(let range):
            return Quantities.decimal(text).flatMap { range.contains($0) ? .decimal($0) : nil }
        case .mapping, .list, .oneOrMore: return nil
        }
    }

    private func record(
        _ entries: [Entry],
        _ keys: [Key],
        line: Int,
        path: String
    ) throws(Fault) -> Record {
        var fields: [String: Place] = [:]
        for entry in entries {
            guard let key = keys.first(where: { $0.name == entry.key }) else {
                throw unknown(entry, keys, path: path)
            }
            let path = path.isEmpty ? key.name : "\(path).\(key.name)"
            guard fields[key.name] == nil else {
                throw Fault(entry.line, path, "the key appears twice in one mapping; keep one of them")
            }
            fields[key.name] = Place(value: try value(entry.value, key.kind, path: path), line: entry.line, path: path)
        }
        for key in keys where key.isRequired && fields[key.name] == nil {
            let path = path.isEmpty ? key.name : "\(path).\(key.name)"
            throw Fault(line, path, "the key is missing; give \(Expectation.text(key.kind))")
        }
        return Record(line: line, path: path, fields: fields)
    }

    private func unknown(_ entry: Entry, _ keys: [Key], path: String) -> Fault {
        let name = shown(entry.key)
        let full = path.isEmpty ? name : "\(path).\(name)"
        if let near = Spelling.nearest(to: entry.key, among: keys.map(\.name)) {
            return Fault(entry.line, full, "there is no such key; did you mean \(near)?")
        }
        if let place = Schema.places(of: entry.key, in: root).first {
            let owner = place.isEmpty ? "to the file itself" : "into \(place)"
            return Fault(entry.line, full, "there is no such key here; it belongs \(owner)")
        }
        return Fault(entry.line, full, "there is no such key; known are \(keys.map(\.name).joined(separator: ", "))")
    }

    private func wrong(_ item: Item, _ kind: Kind) -> String {
        let given =
            switch item.content {
            case .scalar(""): "there is no value"
            case .scalar(let text): "'\(shown(text))' is not valid"
            case .list: "a list is not valid here"
            case .mapping: "a mapping is not valid here"
            }
        return "\(given); give \(Expectation.text(kind))"
    }
}
