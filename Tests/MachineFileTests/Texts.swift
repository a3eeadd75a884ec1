// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: small files, and the errors for them.

import Foundation
import RMPModel

@testable import MachineFile

/// The folder of the machine files that come with rmpfs.
let shippedFolder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Machines")
    .standardizedFileURL

/// The file's bytes by its name without the ending.
func shipped(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: shippedFolder.appending(path: name + ".yaml")))
}

/// A machine of a text.
func machine(_ text: String) throws -> MachineFile {
    try MachineFile(bytes: Array(text.utf8), file: "test.yaml")
}

/// What is said of a text that makes no machine; nil for one that does.
func refusal(_ text: String) -> String? {
    do {
        _ = try MachineFile(bytes: Array(text.utf8), file: "test.yaml")
        return nil
    } catch {
        return error.description
    }
}

/// CPUs and memory that go with whatever else a test is about.
let smallest = """
    cpus: {cores_per_package: 8}
    memory: [{size: 64G}]

    """

/// Bytes in a region.
let gigabyte = Granularity.region
