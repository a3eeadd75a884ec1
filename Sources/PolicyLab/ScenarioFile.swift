// SPDX-License-Identifier: Apache-2.0
// The files that a scenario names: results keep copies, so that a folder of results can be run again by itself.

import MachineFile

/// A file that a scenario names, as it was found.
public struct ScenarioFile: Sendable {
    /// Where it is, for errors and for a copy.
    public let path: String
    /// What it holds.
    public let bytes: [UInt8]

    /// A file at a path.
    public init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
    }

    /// The folder of the copies, below that of the results.
    public static let folder = "files"

    /// A path's last part.
    static func baseName(_ path: String) -> String {
        path.split(separator: "/").last.map { String($0) } ?? path
    }
}

extension Scenario {
    /// Notes a file that the scenario names.
    ///
    /// - Returns: the name of its copy.
    mutating func add(_ file: ScenarioFile, _ place: Place) throws(Fault) -> String {
        let name = ScenarioFile.baseName(file.path)
        if let known = files.first(where: { $0.name == name }), known.path != file.path {
            throw place.fault("\(shown(known.path)) is called \(shown(name)), too; rename one of them")
        }
        if !files.contains(where: { $0.name == name }) {
            files.append(Copy(name: name, path: file.path, checksum: Trace.checksum(file.bytes)))
        }
        return name
    }

    /// A copy to be made of a file.
    public struct Copy: Sendable {
        /// Its name in the folder `ScenarioFile.folder`.
        public let name: String
        /// Where the file is.
        public let path: String
        /// Of what it held; see `Trace.checksum`.
        let checksum: UInt64
    }
}
