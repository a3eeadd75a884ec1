// SPDX-License-Identifier: Apache-2.0
// The checker's output: values of the kinds that the schema asks for, each with its place in the file.

/// A value of the kind that its key asks for.
indirect enum Value {
    case text(String)
    case integer(Int)
    case bytes(UInt64)
    case duration(UInt64)
    case flag(Bool)
    case record(Record)
    case list([Place])
}

/// A value and its place.
struct Place {
    let value: Value
    let line: Int
    /// The key's path, such as `memory[1].size`.
    let path: String

    /// An error about this value.
    func fault(_ text: String) -> Fault { Fault(line, path, text) }
}

/// A mapping that has been checked.
struct Record {
    let line: Int
    let path: String
    let fields: [String: Place]

    func text(_ key: String) -> String? { if case .text(let value) = fields[key]?.value { value } else { nil } }
    func integer(_ key: String) -> Int? { if case .integer(let value) = fields[key]?.value { value } else { nil } }
    func bytes(_ key: String) -> UInt64? { if case .bytes(let value) = fields[key]?.value { value } else { nil } }
    func record(_ key: String) -> Record? { if case .record(let value) = fields[key]?.value { value } else { nil } }
    func list(_ key: String) -> [Place]? { if case .list(let value) = fields[key]?.value { value } else { nil } }

    func duration(_ key: String) -> UInt64? {
        if case .duration(let value) = fields[key]?.value { value } else { nil }
    }

    /// The mappings of a list.
    func records(_ key: String) -> [Record]? {
        list(key)?.compactMap { if case .record(let record) = $0.value { record } else { nil } }
    }

    /// An error about the value of a key, or about the mapping that lacks it.
    func fault(_ key: String, _ text: String) -> Fault {
        Fault(fields[key]?.line ?? line, path.isEmpty ? key : "\(path).\(key)", text)
    }

    /// An error about the mapping as a whole.
    func fault(_ text: String) -> Fault { Fault(line, path, text) }
}
