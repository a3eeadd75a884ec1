// SPDX-License-Identifier: Apache-2.0
// Reads a scenario and the files that it names: paths are relative to the scenario's own folder.

import Glibc
import PolicyLab
import RMPFS
import RMPModel

/// Why a file cannot be read.
struct SimulateError: Error, CustomStringConvertible {
    let description: String
}

enum ScenarioSource {
    /// The scenario of a file.
    static func load(_ path: String) throws -> Scenario {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        func resolved(_ name: String) -> String {
            name.hasPrefix("/") || !path.contains("/") ? name : "\(folder)/\(name)"
        }
        return try Scenario(
            bytes: bytes(of: path, limit: 1 << 20),
            file: path,
            machine: { name in
                guard MachineSource.isPath(name) else { return (try MachineSource.load(name).configuration, nil) }
                let file = resolved(name)
                return (
                    // A path without a folder must not turn into a name.
                    try MachineSource.load(file.contains("/") ? file : "./\(file)").configuration,
                    ScenarioFile(path: file, bytes: try bytes(of: file, limit: 1 << 20))
                )
            },
            contents: { name in
                let file = resolved(name)
                do {
                    return ScenarioFile(path: file, bytes: try bytes(of: file, limit: Trace.largest))
                } catch let error as SimulateError {
                    throw SimulateError(description: "\(error); paths are relative to the scenario's folder")
                }
            }
        )
    }

    /// A file's bytes.
    static func bytes(of path: String, limit: Int) throws -> [UInt8] {
        func failure(_ text: String) -> SimulateError { SimulateError(description: "\(path): \(text)") }
        // A FIFO without a writer must not block.
        let descriptor = open(path.systemName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw failure("this is not a regular file; give a file")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(max(0, Int(status.st_size)), limit) + 1)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while bytes.count <= limit {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(String(cString: strerror(errno))) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
        throw failure("the file is larger than \(limit) bytes; give a smaller one")
    }
}
