// SPDX-License-Identifier: Apache-2.0
// What libFuzzer calls for machine files: reading any bytes as one may fail, but must return. It is a separate program
// because it needs the YAML parser and the whole model.

import MachineFile

/// One input; a trap is a finding, and so is a refusal without a word.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = Array(UnsafeRawBufferPointer(start: data, count: size))
    do {
        let first = try MachineFile(bytes: bytes, file: "fuzz.yaml")
        // The same bytes give the same machine.
        guard let again = try? MachineFile(bytes: bytes, file: "fuzz.yaml"), first == again else {
            fatalError("the same bytes give another machine")
        }
    } catch {
        precondition(!error.description.utf8.contains { $0 < 0x20 } && error.description.hasPrefix("fuzz.yaml"))
    }
    return 0
}
