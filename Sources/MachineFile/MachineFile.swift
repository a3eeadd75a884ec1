// SPDX-License-Identifier: Apache-2.0
// A machine as a file: from bytes to a configuration that can boot, or to a refusal with file, line and key.

public import RMPModel

/// A machine that was described in a file.
public struct MachineFile: Sendable, Hashable {
    /// What the file calls the machine: its key `name`, or the file's own name.
    public let name: String
    /// What the file says of it; empty without the key `description`.
    public let about: String
    /// The machine.
    public let configuration: MachineConfiguration

    /// Reads the text of a machine file.
    ///
    /// - Parameters:
    ///   - bytes: YAML as UTF-8, at most 1 MB.
    ///   - file: the file's name, for errors.
    /// - Throws: `MachineFileError` with line, key and remedy.
    public init(bytes: [UInt8], file: String) throws(MachineFileError) {
        do {
            let record = try Checker.check(Document.read(bytes))
            name = record.text("name") ?? MachineFile.stem(of: file)
            about = record.text("description") ?? ""
            configuration = try Builder(file: record).configuration()
        } catch {
            throw MachineFileError(file: file, line: error.line, key: error.key, text: error.text)
        }
    }

    /// For fuzzing: reads any bytes as a machine file. Whatever they are, it returns, in bounded time and memory.
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
