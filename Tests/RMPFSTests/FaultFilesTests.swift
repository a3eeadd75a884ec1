// SPDX-License-Identifier: Apache-2.0
// The files of a fault: initial values, accepted values, and the error for each refused one.

import Testing

@testable import RMPFS

@Suite struct FaultFilesTests {
    private let table = FaultTable { _ in }
    private let group: Directory
    private let fault: Directory

    init() throws {
        group = FaultFiles(faults: table, owner: .root).folder()
        fault = try group.mkdir("a")
    }

    @Test func firstValues() throws {
        let expected = [
            ("path", "\n"), ("operation", "any\n"), ("errno", "0\n"), ("delay_ms", "0\n"), ("short", "-1\n"),
            ("count", "-1\n"), ("probability", "1\n"), ("seed", "0\n"), ("hits", "0\n"), ("active", "1\n"),
        ]
        #expect(fault.names == expected.reversed().map(\.0))
        for (name, text) in expected { #expect(try fault.file(name).content() == text, "\(name)") }
        for (name, _) in expected {
            let mode = try fault.node(at: name).status.st_mode & 0o777
            #expect(mode == (name == "hits" ? 0o444 : 0o644), "\(name)")
        }
    }

    @Test(arguments: [
        ("path", "debug/**", "debug/**"), ("path", "a b\n", "a b"), ("path", "\n", ""), ("operation", "read\n", "read"),
        ("operation", "open", "open"), ("operation", "write", "write"), ("operation", "lookup", "lookup"),
        ("operation", "getattr", "getattr"), ("operation", "readdir", "readdir"), ("operation", "mkdir", "mkdir"),
        ("operation", "rmdir", "rmdir"), ("operation", "pass\n", "pass"), ("operation", "any", "any"),
        ("errno", "EIO\n", "EIO"), ("errno", "5", "EIO"), ("errno", "EAGAIN", "EAGAIN"), ("errno", "11", "EAGAIN"),
        ("errno", "EWOULDBLOCK", "EAGAIN"), ("errno", "511", "511"), ("errno", "0", "0"), ("errno", "+2", "ENOENT"),
        ("errno", "ENOTSUP", "EOPNOTSUPP"), ("delay_ms", "250\n", "250"), ("delay_ms", "4294967295", "4294967295"),
        ("short", "0", "0"), ("short", "100", "100"), ("short", "-1", "-1"), ("short", "\n", "-1"),
        ("count", "3", "3"), ("count", "0", "0"), ("count", "-1\n", "-1"), ("count", "\n", "-1"),
        ("count", "18446744073709551615", "18446744073709551615"), ("probability", "0.25\n", "0.25"),
        ("probability", "25%", "0.25"), ("probability", "12.5%\n", "0.125"), ("probability", "100%", "1"),
        ("probability", "1", "1"), ("probability", "1.000", "1"), ("probability", "0", "0"),
        ("probability", ".5", "0.5"), ("probability", "0.000000001", "0.000000001"),
        ("probability", "0.0000001%", "0.000000001"), ("seed", "42", "42"), ("seed", "0x10", "16"),
        ("active", "0\n", "0"), ("active", "1", "1"),
    ])
    func taken(name: String, value: String, shown: String) throws {
        try fault.file(name).store(value)
        #expect(try fault.file(name).content() == shown + "\n")
    }

    @Test(arguments: [
        ("path", "/debug", Errno.invalid), ("path", "[a", .invalid), ("operation", "fsync", .invalid),
        ("operation", "Read", .invalid), ("operation", "", .invalid), ("errno", "EFOO", .invalid),
        ("errno", "eio", .invalid), ("errno", "-5", .invalid), ("errno", "\n", .invalid), ("errno", "512", .outOfRange),
        ("errno", "ENOSYS", .notSupported), ("errno", "38", .notSupported), ("delay_ms", "-1", .invalid),
        ("delay_ms", "4294967296", .outOfRange), ("delay_ms", "1s", .invalid), ("short", "-2", .invalid),
        ("short", "4294967296", .outOfRange), ("count", "-2", .invalid), ("count", "18446744073709551616", .outOfRange),
        ("probability", "1.1", .outOfRange), ("probability", "101%", .outOfRange), ("probability", "2", .outOfRange),
        ("probability", "99999999999999999999999999", .outOfRange), ("probability", "-1", .invalid),
        ("probability", "", .invalid), ("probability", ".", .invalid), ("probability", "%", .invalid),
        ("probability", "0.0000000001", .invalid), ("probability", "0.5 ", .invalid), ("probability", "1e-3", .invalid),
        ("probability", "0.5.5", .invalid), ("seed", "x", .invalid), ("seed", "18446744073709551616", .outOfRange),
        ("active", "2", .invalid), ("active", "yes", .invalid), ("hits", "0", .accessDenied),
    ])
    func refused(name: String, value: String, error: Errno) throws {
        let before = try fault.file(name).content()
        #expect(refusal { try fault.file(name).store(value) } == error)
        #expect(try fault.file(name).content() == before)
    }

    @Test func whatIsRemovedIsGone() throws {
        let path = try fault.file("path")
        let opened = try path.open(.both)
        try group.rmdir("a")
        #expect(refusal(of: { try opened.text() }) == .noSuchFile)
        #expect(refusal(of: { try opened.write("**") }) == .noSuchFile)
        #expect(refusal(of: { try table.rule(1) }) == .noSuchFile)
        try group.mkdir("a")
        #expect(try group.file("a/path").content() == "\n")
    }

    @Test func errorsHaveNames() {
        for number in 1...133 as ClosedRange<Int32> where ![41, 58].contains(number) {
            guard let name = Errno(rawValue: number).name else {
                #expect(number == 133, "no name for \(number)")
                continue
            }
            #expect("\(name)".hasPrefix("E"))
            #expect(Errno(name: "\(name)".utf8)?.rawValue == number)
        }
        #expect(Errno(name: "".utf8) == nil)
        #expect(Errno(name: "EI".utf8) == nil)
        #expect(Errno(name: "EIOX".utf8) == nil)
    }
}
