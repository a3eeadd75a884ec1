// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: small files, and the errors for them.

import Foundation
import RMPModel

@testable import MachineFile

/// The folder of the machine files shipped with rmpfs.
let shippedFolder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Machines")
    .standardizedFileURL

/// A shipped file's bytes, by its name without the extension.
func shipped(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: shippedFolder.appending(path: name + ".yaml")))
}

/// The machine that a text describes.
func machine(_ text: String) throws -> MachineFile {
    try MachineFile(bytes: Array(text.utf8), file: "test.yaml")
}

/// The error for a text; nil for a valid one.
func refusal(_ text: String) -> String? {
    do {
        _ = try MachineFile(bytes: Array(text.utf8), file: "test.yaml")
        return nil
    } catch {
        return error.description
    }
}

/// The CPUs and memory that every machine needs, whatever else a test is about.
let smallest = """
    cpus: {cores_per_package: 8}
    memory: [{size: 64G}]

    """

/// The size of a region in bytes.
let gigabyte = Granularity.region
