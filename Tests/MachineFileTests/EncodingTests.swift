// SPDX-License-Identifier: Apache-2.0
// UTF-8 and UTF-16, with and without a byte order mark, give the same machine and the same line numbers.

import Testing

@testable import MachineFile

@Suite struct EncodingTests {
    /// Text in an encoding of YAML 1.2.2, 5.2.
    enum Form: CaseIterable {
        case utf8, utf8Marked, utf16Big, utf16BigMarked, utf16Little, utf16LittleMarked

        func bytes(_ text: String) -> [UInt8] {
            switch self {
            case .utf8: Array(text.utf8)
            case .utf8Marked: [0xEF, 0xBB, 0xBF] + Array(text.utf8)
            case .utf16Big: text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
            case .utf16BigMarked: [0xFE, 0xFF] + Self.utf16Big.bytes(text)
            case .utf16Little: text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
            case .utf16LittleMarked: [0xFF, 0xFE] + Self.utf16Little.bytes(text)
            }
        }
    }

    @Test(arguments: Form.allCases) func theSameMachine(form: Form) throws {
        let text = "name: 'Gerät \u{1F5A5}'\r\n" + smallest
        let read = try MachineFile(bytes: form.bytes(text), file: "x")
        #expect(read.name == "Gerät \u{1F5A5}")
        #expect(read.configuration == (try machine(text)).configuration)
    }

    @Test(arguments: Form.allCases) func theSameLines(form: Form) {
        for (text, line) in [("cpu: 1\n", 1), (smallest + "x: 1\n", 3), (smallest + "x: [\n", 4)] {
            let error = #expect(throws: MachineFileError.self) { try MachineFile(bytes: form.bytes(text), file: "x") }
            #expect(error?.line == line, "\(error?.description ?? "")")
        }
    }

    @Test(
        arguments: [
            ([0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0], "this is UTF-32; save the file as UTF-8"),
            ([0, 0, 0xFE, 0xFF, 0, 0, 0, 0x61], "this is UTF-32; save the file as UTF-8"),
            ([0x61, 0, 0, 0], "this is UTF-32; save the file as UTF-8"),
            ([0, 0, 0, 0x61], "this is UTF-32; save the file as UTF-8"),
            // Half a character, and half a pair of surrogates.
            ([0xFF, 0xFE, 0x61], "this begins as UTF-16 and is not; save the file as UTF-8"),
            ([0xFE, 0xFF, 0xD8, 0], "this begins as UTF-16 and is not; save the file as UTF-8"),
            ([0x61, 0, 0x62], "control characters are not allowed; save the file as plain text"),
        ] as [([UInt8], String)]
    )
    func others(bytes: [UInt8], said: String) {
        let error = #expect(throws: MachineFileError.self) { try MachineFile(bytes: bytes, file: "x") }
        #expect(error?.text == said)
    }
}
