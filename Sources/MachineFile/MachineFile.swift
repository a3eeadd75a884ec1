// SPDX-License-Identifier: Apache-2.0
// Reads a machine file: from bytes to a configuration that can boot, or to an error with file, line and key.

public import RMPModel

/// A machine described by a file.
public struct MachineFile: Sendable, Hashable {
    /// The machine's name: the key `name`, or else the file's own name.
    public let name: String
    /// The key `description`; empty without it.
    public let about: String
    /// The machine.
    public let configuration: MachineConfiguration

    /// Reads the text of a machine file.
    ///
    /// - Parameters:
    ///   - bytes: YAML in UTF-8 or UTF-16, at most 1 MB.
    ///   - file: the file's name, for errors.
    /// - Throws: `MachineFileError` with line, key and remedy.
    public init(bytes: [UInt8], file: String) throws(MachineFileError) {
        do {
            let record = try Checker(Schema.root).check(Document.read(bytes))
            name = record.text("name") ?? MachineFile.stem(of: file)
            about = record.text("description") ?? ""
            configuration = try Builder(file: record).configuration()
        } catch {
            throw MachineFileError(file: file, line: error.line, key: error.key, text: error.text)
        }
    }

    /// For fuzzing: reads any bytes as a machine file. Always returns, in bounded time and memory.
    ///
    /// - Returns: whether they describe a machine.
    @discardableResult
    public static func fuzz(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do {
            _ = try MachineFile(bytes: Array(bytes), file: "fuzz.yaml")
            return true
        } catch {
            return error.description.isEmpty
        }
    }

    private static func stem(of file: String) -> String {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        return name.hasSuffix(".yaml") ? String(name.dropLast(5)) : name
    }
}
