// SPDX-License-Identifier: Apache-2.0
// Path patterns: what they match, which are invalid, and that none takes long.

import Testing

@testable import RMPFS

@Suite struct GlobPatternTests {
    private static func matches(_ pattern: String, _ path: String) throws -> Bool {
        try GlobPattern(Array(pattern.utf8)).matches(Array(path.utf8))
    }

    @Test(arguments: [
        ("rmpopt/action", "rmpopt/action"), ("debug/rmpopt/cpu*", "debug/rmpopt/cpu0"),
        ("debug/rmpopt/cpu*", "debug/rmpopt/cpu"), ("*/*/cpu?", "debug/rmpopt/cpu7"), ("**", "."), ("**", "a/b/c"),
        ("**/state", "rmpsim/guests/vm0/state"), ("a**z", "a/b/z"), ("cpu[0-3]", "cpu2"), ("cpu[!0-3]", "cpu4"),
        ("cpu[^0-3]", "cpu4"), ("[]x]", "]"), ("[a-]", "-"), ("[a-c-]", "-"), ("\\*", "*"), ("a\\[", "a["),
        ("***", "a/b"),
        ("rmpsim/guests/*", "rmpsim/guests/a\nb"), ("*a*a*b", "aXaYaaab"), (".", "."), ("[]-a]", "^"),
    ])
    func matching(pattern: String, path: String) throws {
        #expect(try Self.matches(pattern, path))
    }

    @Test(arguments: [
        ("rmpopt/action", "rmpopt/actio"), ("rmpopt/action", "rmpopt/actions"), ("rmpopt", "rmpopt/action"),
        ("*", "a/b"), ("?", "/"), ("?", ""), ("cpu?", "cpu10"), ("cpu[0-3]", "cpu4"), ("cpu[!0-3]", "cpu1"),
        ("a[!b]c", "a/c"), ("\\*", "a"), ("**/state", "state"), ("Debug", "debug"), ("*a*a*b", "aXaYaaabc"),
    ])
    func notMatching(pattern: String, path: String) throws {
        #expect(try !Self.matches(pattern, path))
    }

    @Test(arguments: ["", "/", "/rmpopt", "[", "[]", "a[b", "[!", "[!]", "[z-a]", "a\\"])
    func noPattern(text: String) {
        #expect(refusal(of: { try GlobPattern(Array(text.utf8)) }) == .invalid)
    }

    @Test func anyBytes() throws {
        let name: [UInt8] = [0x61, 0xFF, 0x0A, 0x80]
        #expect(try GlobPattern(name).matches(name))
        #expect(try GlobPattern([0x61, 0x3F, 0x0A, 0x2A]).matches(name))
        #expect(try GlobPattern([0x61, 0x5B, 0xFE, 0x2D, 0xFF, 0x5D, 0x2A]).matches(name))
    }

    /// Backtracking would take longer than the age of the universe.
    @Test func manyStarsTakeNoTime() throws {
        let pattern = String(repeating: "*a", count: 100) + "b"
        #expect(try !Self.matches(pattern, String(repeating: "a", count: 255)))
    }
}
