// SPDX-License-Identifier: Apache-2.0
// Recordings: every command reads back as it was written, malformed lines are refused, and a replayed machine is the
// same.

import Glibc
import RMPModel
import RMPModelTestSupport
import Testing

@testable import Recording

@Suite struct RecordingTests {
    private static let id = GuestID(7)
    /// One of each, with the values most easily lost.
    static let commands: [Command] = [
        .reoptimize, .createGuest(name: GuestName(bytes: Array("a b\\\"\n".utf8) + [0xFF, 0x80])),
        .setGuestMemory(id, bytes: .max), .setGuestType(id, .ordinary), .setGuestType(id, .snp),
        .setHostMemory(bytes: .max), .setPageCache(bytes: 4096),
        .setGuestBacking(id, .size1G), .setGuestPlacement(id, .scattered(seed: .max)),
        .setGuestPlacement(id, .ranges([0x4000_0000..<0x8000_0000, 0..<0x20_0000])), .setGuestNode(id, nil),
        .setGuestNode(id, 3), .setGuestNode(id, -5), .setGuestVCPUs(id, 0), .setGuestVCPUs(id, -1), .createVM(id),
        .startGuest(id), .stopGuest(id), .removeGuest(id), .setOnline(cpu: 5, false), .initializeFirmware,
        .shutDownFirmware(x86: true), .failFirmware(count: .max), .failDecommission(count: 2), .kexec(),
        .kexec(online: CPUSet(2..<70, limit: 128)), .addMemory, .holdPasses(true),
        .convert(id, gpa: 4096..<8192, toPrivate: false), .validate(id, gpa: 0..<0x100_0000_0000, .size2M),
        .leak(3..<3),
        .rmpupdate(
            SPA(.max),
            RMPUpdateInput(gpa: GPA(1 << 51), assigned: true, pageSize: .size2M, immutable: true, asid: .max)
        ), .psmash(SPA(0)), .firmwareChange(SPA(4096), .swapIn, gpa: GPA(8)), .lock(SPA(1), true),
        .pvalidate(SPA(1), gpa: GPA(2), asid: .max, .size4K, validate: false), .wrmsr(cpu: 1, .max, .max),
        .rmpopt(cpu: 3, SPA(1 << 30), function: .max),
    ]

    @Test(arguments: commands) func commandsComeBack(_ command: Command) throws {
        var line: [UInt8] = []
        RecordingLine.append(command.fields, to: &line)
        #expect(line.last == 0x0A && line.dropLast().allSatisfy { (0x20..<0x7F).contains($0) })
        #expect(try Command(RecordingLine.fields(line.dropLast())) == command)
    }

    @Test(
        arguments: [
            "", "{", "}", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":-1}", "{\"a\":1.5}", "{\"a\":null}",
            "{\"a\":[1]}", "{\"a\":\"b}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":1,\"a\":2}",
            "{\"a\":18446744073709551616}", "{\"a\":\"\u{1}\"}",
        ]
    )
    func linesThatAreNone(_ text: String) {
        #expect(throws: RecordingError.self) { try RecordingLine.fields(Array(text.utf8)[...]) }
    }

    @Test(
        arguments: [
            "{\"do\":\"fly\"}", "{\"do\":\"start\"}", "{\"do\":\"start\",\"guest\":\"1\"}",
            "{\"do\":\"leak\",\"start\":2,\"end\":1}", "{\"do\":\"page_size\",\"guest\":1,\"bytes\":5}",
            "{\"do\":\"online\",\"cpu\":99999999999,\"on\":true}", "{\"do\":\"create\",\"name\":\"\\\\999\"}",
            "{\"do\":\"type\",\"guest\":1,\"type\":\"fast\"}", "{\"do\":\"host_memory\"}",
            "{\"do\":\"kexec\",\"cpus\":\"5-1\",\"limit\":8}",
            "{\"do\":\"kexec\",\"cpus\":\"1\",\"limit\":99999999999}",
        ]
    )
    func commandsThatAreNone(_ text: String) throws {
        let fields = try RecordingLine.fields(Array(text.utf8)[...])
        #expect(throws: RecordingError.self) { try Command(fields) }
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/rmpfs-recording.XXXXXX".utf8CString)
        return try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    private static func removeFolder(of path: String) {
        unlink(path)
        rmdir(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
    }

    private static func bytes(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return bytes
    }

    /// A random run of a machine, recorded and replayed, gives the same answers and the same machine. A replay that
    /// lacks a command, or runs it at another time, does not.
    @Test(arguments: ["life", "life.gz"]) func aLifeRunsAgain(name: String) throws {
        let seed: UInt64 = 4711
        var random = Random(seed: seed)
        let configuration = try MachineConfiguration(cpus: 8, memoryBytes: 16 << 30, series: .v4)
        var machine = Machine(configuration)
        let path = "\(try Self.makeFolder())/\(name)"
        defer { Self.removeFolder(of: path) }
        let header = Fields(["rmpfs": .text("recording"), "version": .number(2), "start": .number(machine.now)])
        let writer = try RecordingWriter(path: path, header, start: machine.now) { _ in }
        #expect(throws: RecordingError.self) { try RecordingWriter(path: path, Fields(), start: 0) { _ in } }
        func perform(_ command: Command, at time: UInt64, on machine: inout Machine) -> Result<
            CommandResult, CommandError
        > {
            Result { () throws(CommandError) in try machine.perform(command, at: time) }
        }
        for number in 0..<300 {
            let guest = GuestID(UInt64.random(in: 1...9, using: &random))
            let commands: [Command] = [
                .createGuest(name: "g\(number % 12)"),
                .setGuestMemory(guest, bytes: UInt64.random(in: 1...3, using: &random) << 30),
                .startGuest(guest), .stopGuest(guest), .removeGuest(guest), .reoptimize,
                .convert(guest, gpa: 0..<GPA(4096 * UInt64.random(in: 1...700, using: &random)), toPrivate: false),
                .rmpupdate(SPA(UInt64.random(in: 0..<(1 << 34), using: &random)), RMPUpdateInput(assigned: true)),
            ]
            let command = commands[Int.random(in: commands.indices, using: &random)]
            let time = machine.now + UInt64.random(in: 0..<20_000_000, using: &random)
            writer.note(command, perform(command, at: time, on: &machine), at: machine.now)
        }
        machine.advance(to: machine.now + 3_000_000)
        writer.end(at: machine.now, digest: machine.digest)

        /// - Parameter left: the number of a command that is left out.
        func again(leaving left: Int? = nil, delay: UInt64 = 0) throws -> (same: Int, different: Int, isEnd: Bool) {
            var recording = try Recording(Self.bytes(of: path))
            var other = Machine(configuration)
            var counts = (same: 0, different: 0, isEnd: false)
            while let (time, step) = try recording.next() {
                switch step {
                case .command(let command, let answer):
                    if counts.same + counts.different == left {
                        counts.different += 1
                        continue
                    }
                    let now = perform(command, at: time + delay, on: &other).recorded
                    if now == answer { counts.same += 1 } else { counts.different += 1 }
                case .report: other.noteReport()
                case .end(let digest):
                    other.advance(to: time + delay)
                    counts.isEnd = digest == other.digest
                }
            }
            return counts
        }
        let whole = try again()
        #expect(whole.same == 300 && whole.different == 0 && whole.isEnd)
        let shorter = try again(leaving: 0)
        #expect(!shorter.isEnd)
        #expect(!(try again(delay: 1).isEnd))
        // What a killed process leaves: an incomplete last line.
        let cut = Array(Self.bytes(of: path).dropLast(20))
        var recording = try Recording(cut)
        var count = 0
        while try recording.next() != nil { count += 1 }
        #expect(name == "life" ? count == 300 : (250...301).contains(count))
    }

    /// Members one behind the other are one text; of the last one what is there; what is damaged is refused.
    @Test func membersAreOneText() throws {
        let lines = (0..<20_000).map { "{\"dt\":\($0 &* 7_919 % 10_007),\"do\":\"reoptimize\"}\n" }
        let parts = [lines[..<7_000], lines[7_000..<7_001], lines[7_001...]].map { Array($0.joined().utf8) }
        let members = try parts.map { try #require(Gzip.member($0)) }
        let all = Array(members.joined())
        #expect(Gzip.isOne(all) && all.count * 5 < lines.joined().utf8.count)
        #expect(try Gzip.text(of: all) == Array(lines.joined().utf8))
        for length in stride(from: members[0].count, through: all.count, by: 997) {
            let text = try Gzip.text(of: Array(all[..<length]))
            #expect(text.count >= parts[0].count && lines.joined().utf8.starts(with: text))
        }
        var damaged = all
        damaged[members[0].count + members[1].count + 40] ^= 0xFF
        damaged[members[0].count - 6] ^= 0xFF
        #expect(throws: RecordingError.self) { try Gzip.text(of: damaged) }
        #expect(throws: RecordingError.self) { try Gzip.text(of: all + Array("more".utf8)) }
    }

    /// Two seconds after a line, or with 64 KB of them, it is in the file; the first one at once.
    @Test func linesDoNotWaitLong() throws {
        let path = "\(try Self.makeFolder())/life.gz"
        defer { Self.removeFolder(of: path) }
        let header = Fields(["rmpfs": .text("recording"), "version": .number(2), "start": .number(5)])
        let writer = try RecordingWriter(path: path, header, start: 5) { _ in }
        func steps() throws -> Int {
            var recording = try Recording(Self.bytes(of: path))
            var count = 0
            while try recording.next() != nil { count += 1 }
            return count
        }
        #expect(try steps() == 0)
        for number in 0..<5_000 { writer.note(.reoptimize, .success(.pass(.absorbed)), at: UInt64(5 + number)) }
        var tries = 0
        while try steps() < 5_000, tries < 600 {
            usleep(50_000)
            tries += 1
        }
        #expect(try steps() == 5_000)
        writer.end(at: 9_000, digest: 1)
        #expect(try steps() == 5_001)
    }

    @Test func filesThatAreNone() {
        for text in [
            "", "{}\n", "cpus: 4\n", "{\"rmpfs\":\"recording\",\"version\":1,\"start\":1}\n",
            "{\"rmpfs\":\"recording\",\"version\":2}\n", "{\"rmpfs\":\"recording\"}\n",
        ] {
            #expect(throws: RecordingError.self, "\(text)") { try Recording(Array(text.utf8)) }
        }
    }
}
