// SPDX-License-Identifier: Apache-2.0
// Results as a table that reports are made of, read back from CSV.

/// A table of results.
public struct ResultTable: Sendable, Hashable {
    /// The names of the columns.
    public let columns: [String]
    /// The fields of each run.
    public let rows: [[String]]

    /// Reads what `simulate` writes: a header and a line for each run.
    public init(csv: String) {
        var rows: [[String]] = []
        var fields = [""]
        var isQuoted = false
        // In quotes a quotation mark stands twice; it opens again what the first one has closed.
        var previous: Unicode.Scalar = "\n"
        for scalar in csv.unicodeScalars {
            switch scalar {
            case "\"":
                if !isQuoted && previous == "\"" { fields[fields.count - 1].unicodeScalars.append(scalar) }
                isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            case "\n" where !isQuoted:
                rows.append(fields)
                fields = [""]
            default: fields[fields.count - 1].unicodeScalars.append(scalar)
            }
            previous = scalar
        }
        columns = rows.first ?? []
        self.rows = Array(rows.dropFirst())
    }

    /// The fields of a column.
    public func column(_ name: String) -> [String] {
        guard let index = columns.firstIndex(of: name) else { return [] }
        return rows.map { index < $0.count ? $0[index] : "" }
    }

    /// The columns that tell the runs apart: those before `seed`.
    public var keys: [String] { Array(columns.prefix { $0 != "seed" }) }

    /// The table as JSON: an array of objects. Numbers are numbers, an empty field is null.
    public var json: String {
        var text = "[\n"
        for (number, row) in rows.enumerated() {
            let members = zip(columns, row).map { "    \(ResultTable.string($0)): \(ResultTable.value($1))" }
            text += "  {\n" + members.joined(separator: ",\n") + "\n  }" + (number + 1 < rows.count ? ",\n" : "\n")
        }
        return text + "]\n"
    }

    private static func value(_ field: String) -> String {
        if field.isEmpty { return "null" }
        let isNumber = field.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
        let hasForm = field.first != "." && field.last != "." && field.utf8.count { $0 == 0x2E } <= 1
        let isCanonical = field == "0" || !field.hasPrefix("0") || field.hasPrefix("0.")
        return isNumber && hasForm && isCanonical ? field : string(field)
    }

    private static func string(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}
