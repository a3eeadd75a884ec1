// SPDX-License-Identifier: Apache-2.0
// Files that are not YAML, and hostile ones: refused immediately, with a message.

import Testing

@testable import MachineFile

@Suite struct HostileTests {
    @Test(arguments: [
        (
            "cpus: {cores_per_package: 4\n",
            "test.yaml:2: this is not YAML: did not find expected ',' or '}' (while parsing "
                + "a flow mapping in line 1); see the line and the one above it"
        ),
        (
            "cpus:\n\tcores: 4\n",
            "test.yaml:2: this is not YAML: found character that cannot start any token (while "
                + "scanning for the next token in line 2); see the line and the one above it"
        ),
        ("a: 1\n---\nb: 2\n", "test.yaml:2: a second document begins here; split the file"),
        (
            "a: *b\n",
            "test.yaml:1: found undefined alias; anchors and aliases are not supported, write the value itself"
        ),
        (
            "a: &b 1\nc: *b\n",
            "test.yaml:2: anchors (&) and aliases (*) are not supported, as in *b; write the value itself"
        ),
        ("a: &b 1\n", "test.yaml:1: anchors (&) are not supported; write the value itself"),
        ("name: 1\ncpus: !!map {}\n", "test.yaml:2: tags (!) are not supported; write the value without its tag"),
        ("name: !x y\n", "test.yaml:1: tags (!) are not supported; write the value without its tag"),
        ("? [a, b]\n: 1\n", "test.yaml:1: a key is a list or a mapping; keys must be words"),
        (
            "a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n",
            "test.yaml:1: more than 16 levels of lists and mappings; no key needs as many"
        ),
        ("a: \u{1}\n", "test.yaml:1: control characters are not allowed; save the file as plain text"),
    ])
    func noMachine(text: String, said: String) {
        #expect(refusal(text) == said)
    }

    @Test func notUTF8() {
        let bytes = Array("name: x\ncpus: ".utf8) + [0xff, 0xfe, 10]
        let text = "this is not UTF-8; save the file as UTF-8"
        #expect(throws: MachineFileError(file: "x", line: 2, key: nil, text: text)) {
            try MachineFile(bytes: bytes, file: "x")
        }
    }

    @Test func tooLarge() {
        let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: 1 << 20 + 1)
        let text = "1048577 bytes are too many; a file has at most 1048576"
        #expect(throws: MachineFileError(file: "x", line: nil, key: nil, text: text)) {
            try MachineFile(bytes: bytes, file: "x")
        }
    }

    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            "[", "{", "- ", "? ", "{a: ", "[a, ", "!", "'", "\"", "|\n ", "&a ", "*a ", "\n", "a: ", "&a\n", "k: v\n",
        ]
    )
    func endlessRepetition(_ piece: String) {
        let whole = String(repeating: piece, count: (1 << 20) / piece.utf8.count)
        #expect(refusal(whole) != nil)
        #expect(refusal("cpus: " + whole.prefix(1 << 16)) != nil)
    }

    @Test(.timeLimit(.minutes(1))) func aliasesOfAliases() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            let previous = "*a\(level - 1)"
            text += "a\(level): &a\(level) [" + Array(repeating: previous, count: 9).joined(separator: ", ") + "]\n"
        }
        let said = "test.yaml:2: anchors (&) and aliases (*) are not supported, as in *a0; write the value itself"
        #expect(refusal(text) == said)
        #expect(refusal(text + "? *a40\n: 1\n")?.contains("not supported") == true)
    }

    @Test(.timeLimit(.minutes(1))) func manyEntries() {
        let keys = (0..<100_000).map { "k\($0): 1\n" }.joined()
        #expect(refusal(keys)?.hasPrefix("test.yaml:1: k0: there is no such key") == true)
        let spans = String(repeating: "  - {size: 2M}\n", count: 60_000)
        let said = refusal("cpus: {cores_per_package: 1}\nmemory:\n" + spans)
        #expect(said == "test.yaml:3: memory: 60000 entries; give 1 to 1024")
        let cpus = Array(repeating: "0-8191", count: 140_000).joined(separator: ",")
        let long = refusal("cpus: {cores_per_package: 1, online: '\(cpus)'}\nmemory: [{size: 1G}]\n")
        #expect(long?.contains("is not valid") == true)
    }
}
