// SPDX-License-Identifier: Apache-2.0
// The checker's output: values of the kinds that the schema asks for, each with its place in the file.

/// A value of the kind that its key asks for.
package indirect enum Value {
    case text(String)
    case integer(Int)
    case bytes(UInt64)
    case duration(UInt64)
    case flag(Bool)
    case decimal(Double)
    case record(Record)
    case list([Place])
}

/// A value and its place.
package struct Place {
    package let value: Value
    package let line: Int
    /// The key's path, such as `memory[1].size`.
    package let path: String

    /// An error about this value.
    package func fault(_ text: String) -> Fault { Fault(line, path, text) }
}

/// A mapping that has been checked.
package struct Record {
    package let line: Int
    package let path: String
    package let fields: [String: Place]

    package func text(_ key: String) -> String? { if case .text(let value) = fields[key]?.value { value } else { nil } }
    package func integer(_ key: String) -> Int? {
        if case .integer(let value) = fields[key]?.value { value } else { nil }
    }
    package func bytes(_ key: String) -> UInt64? {
        if case .bytes(let value) = fields[key]?.value { value } else { nil }
    }
    package func record(_ key: String) -> Record? {
        if case .record(let value) = fields[key]?.value { value } else { nil }
    }
    package func list(_ key: String) -> [Place]? {
        if case .list(let value) = fields[key]?.value { value } else { nil }
    }

    package func duration(_ key: String) -> UInt64? {
        if case .duration(let value) = fields[key]?.value { value } else { nil }
    }

    package func decimal(_ key: String) -> Double? {
        if case .decimal(let value) = fields[key]?.value { value } else { nil }
    }

    /// The mappings of a list.
    package func records(_ key: String) -> [Record]? {
        list(key)?.compactMap { if case .record(let record) = $0.value { record } else { nil } }
    }

    /// An error about the value of a key, or about the mapping that lacks it.
    package func fault(_ key: String, _ text: String) -> Fault {
        Fault(fields[key]?.line ?? line, path.isEmpty ? key : "\(path).\(key)", text)
    }

    /// An error about the mapping as a whole.
    package func fault(_ text: String) -> Fault { Fault(line, path, text) }
}
