// SPDX-License-Identifier: Apache-2.0
// Finds and reads machine files: by path, or by the bare name of one that comes with rmpfs.

import Glibc
import MachineFile
import RMPFS

/// Why a machine file cannot be read.
struct MachineSourceError: Error, CustomStringConvertible {
    let description: String
}

enum MachineSource {
    /// The folder of the machine files that come with rmpfs: RMPFS_MACHINES, or ../share/rmpfs/machines next to the
    /// program, or, for a program that was built and not installed, `Machines` in the sources.
    static var folder: String {
        if let given = getenv("RMPFS_MACHINES"), given.pointee != 0 { return String(systemName: given) }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let program = String(systemBytes: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) })
        let parts = program.split(separator: "/").dropLast()
        func path(_ levels: Int, _ below: String) -> String {
            "/" + (parts.dropLast(levels) + [below[...]]).joined(separator: "/")
        }
        let installed = path(1, "share/rmpfs/machines")
        if SystemFiles.names(in: installed) != nil { return installed }
        // The build folder, or a folder in it, holds one for the platform and in that one for the configuration.
        for levels in 3...4 where access(path(levels, "Package.swift").systemName, F_OK) == 0 {
            let source = path(levels, "Machines")
            if SystemFiles.names(in: source) != nil { return source }
        }
        return installed
    }

    /// The names of the machines that come with rmpfs, sorted.
    static var names: [String] {
        (SystemFiles.names(in: folder) ?? []).filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
            .sorted()
    }

    /// The machine that an argument names: a path if it has a `/` or ends in `.yaml`, otherwise a name.
    static func load(_ argument: String) throws -> MachineFile {
        let isPath = isPath(argument)
        let path = isPath ? argument : "\(folder)/\(argument)\(suffix)"
        let (bytes, isOpen) = try bytes(of: path, argument: argument, isPath: isPath)
        do {
            return try MachineFile(bytes: bytes, file: path)
        } catch {
            if isOpen { throw error }
            throw failure(
                path + (error.line.map { ":\($0)" } ?? ""),
                "this cannot be read as a machine file; as the file is closed to others, nothing of it is shown here"
            )
        }
    }

    /// The text of the machine file that an argument names, and its path, for a recording.
    static func text(of argument: String) throws -> (text: String, file: String) {
        let isPath = isPath(argument)
        let path = isPath ? argument : "\(folder)/\(argument)\(suffix)"
        guard
            let text = String(validating: try bytes(of: path, argument: argument, isPath: isPath).bytes, as: UTF8.self)
        else { throw failure(path, "a recording holds the machine file; save it as UTF-8") }
        return (text, path)
    }

    /// Whether an argument is a path, not a name.
    static func isPath(_ argument: String) -> Bool { argument.contains("/") || argument.hasSuffix(suffix) }

    private static let suffix = ".yaml"
    /// One byte more than a machine file can have, to detect longer ones.
    private static let mostBytes = 1 << 20 + 1

    /// A file's bytes, and whether messages may quote them: a sudoers rule can let users pass root a file that they may
    /// not read.
    private static func bytes(
        of path: String,
        argument: String,
        isPath: Bool
    ) throws -> (bytes: [UInt8], isOpen: Bool) {
        // A FIFO without a writer must not block.
        let descriptor = open(path.systemName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let number = errno
            if isPath { throw failure(path, String(cString: strerror(number))) }
            let known = names
            let remedy =
                known.isEmpty
                ? "\(folder) has none; set RMPFS_MACHINES to their folder, or give a path"
                : "give \(known.joined(separator: ", ")), or a path with a / or .yaml in it"
            throw failure(argument, "no machine of this name comes with rmpfs; \(remedy)")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw failure(path, "this is not a regular file; give a file that can be read twice")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < mostBytes {
            let count = read(descriptor, &chunk, min(chunk.count, mostBytes - bytes.count))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        let isOpen = status.st_mode & S_IROTH != 0 && (!isForSomebodyElse || isReachable(descriptor))
        return (bytes, geteuid() != 0 || isOpen)
    }

    /// Whether sudo, pkexec or doas says that another user than root asked for this.
    private static var isForSomebodyElse: Bool {
        ["SUDO_UID", "PKEXEC_UID", "DOAS_USER"].contains { name in
            guard let user = getenv(name).map({ String(cString: $0) }) else { return false }
            return user != "0" && user != "root"
        }
    }

    /// Whether every user comes to an open file: all folders above it let them through.
    private static func isReachable(_ descriptor: Int32) -> Bool {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count - 1)
        // Another root than this process', or removed: nothing is known.
        guard count > 0, buffer[0] == CChar(bitPattern: UInt8(ascii: "/")) else { return false }
        var length = count
        while let end = buffer[..<length].lastIndex(of: CChar(bitPattern: UInt8(ascii: "/"))) {
            length = end
            buffer[max(end, 1)] = 0
            var status = stat()
            if stat(buffer, &status) != 0 || status.st_mode & S_IXOTH == 0 { return false }
        }
        return true
    }

    private static func failure(_ name: String, _ text: String) -> MachineSourceError {
        MachineSourceError(description: "\(name): \(text)")
    }
}
