// SPDX-License-Identifier: Apache-2.0
// debug/rmpopt/events and events_pipe without a mount: the text of each kind of event, and readers' places.

import RMPModel
import Synchronization
import Testing

@testable import RMPFS

@Suite struct EventFilesTests {
    private static func text(_ event: MachineEvent, guest: String? = nil, at time: UInt64 = 1_002_000_003) -> String {
        var text = TextBuffer()
        EventText.line(LoggedEvent(time: time, event: event, guest: guest.map { GuestName($0) }), into: &text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// Names and fields are an interface: who changes a line here changes its version.
    @Test func lines() {
        let time = "    1.002000003: "
        #expect(EventText.version == 1)
        #expect(Self.text(.kernelStarted, at: 0) == "    0.000000000: kernel_start:\n")
        #expect(Self.text(.kernelStarted, at: 123_456_000_000_001) == "123456.000000001: kernel_start:\n")
        let lines: [(MachineEvent, String)] = [
            (.line(.warning, "a b=c\nd"), "log: level=4 text=a b=c d"),
            (.snpEnabled(true), "snp: enabled=1"), (.firmware(.uninitialized), "firmware: state=uninit"),
            (.cpuOnline(7, false), "cpu: cpu=7 online=0"),
            (.passRequested(.guestEnd, .absorbed), "pass_request: trigger=guest-end outcome=absorbed"),
            (.passBegan(number: 3, .request), "pass_begin: pass=3 trigger=request"),
            (
                .passTurn(number: 3, .oneThreadPerCore, .eachRegion, CPUSet(2..<5, limit: 8)),
                "pass_turn: pass=3 turn=one-thread-per-core cpus=2-4 interrupts_off=region"
            ), (.passesCancelled, "pass_cancel:"), (.threadSlept, "thread_sleep:"),
            (.undefinedOpcodes(2), "undefined_opcode: cpus=2"),
            (.regionCleared(4), "region_clear: first=4 last=4"),
            (.regionOptimized(4, cores: 2), "region_optimize: region=4 cores=2"),
            (.rmpoptTablesCleared, "tables_clear:"),
            (.pagesLeaked(255..<257), "pages_leak: first=0xff count=2"),
        ]
        for (event, line) in lines { #expect(Self.text(event) == time + line + "\n") }
        let id = GuestID(1)
        let guests: [(MachineEvent, String)] = [
            (.guestCreated(id, name: "a b"), "guest_create: guest=a\\040b"),
            (.guestRemoved(id, isEnding: true), "guest_remove: guest=a\\040b ending=1"),
            (.guest(id, .ending), "guest: guest=a\\040b state=ending"), (.inodeFreed(id), "inode_free: guest=a\\040b"),
        ]
        for (event, line) in guests { #expect(Self.text(event, guest: "a b") == time + line + "\n") }
    }

    @Test func theEndOfAPassHasTheColumnsOfPasses() throws {
        let host = try Host(cpus: 4, memory: 4 << 30)
        let header = try host.lines("debug/rmpopt/passes")[0].split(separator: " ")
        let pass = try host.lines("debug/rmpopt/passes")[1].split(separator: " ")
        let line = try #require(try host.lines("debug/rmpopt/events").first { $0.contains(" pass_end: ") })
        let fields = line.split(separator: " ").dropFirst(2)
        #expect(fields.map { $0.split(separator: "=")[0] } == header)
        #expect(fields.map { $0.split(separator: "=")[1] } == pass)
    }

    @Test func eachReaderHasAPlace() throws {
        let host = try Host(cpus: 4, memory: 4 << 30)
        let pipe = try host.root.file("debug/rmpopt/events_pipe")
        let first = try pipe.open(OpenRequest(reads: true))
        func readAll(_ open: OpenFile, size: Int = 65_536) -> String {
            var bytes: [UInt8] = []
            while let slice = try? (open as? OpenStream)?.readNow(size) { slice.withBytes { bytes += $0 } }
            return String(decoding: bytes, as: UTF8.self)
        }
        let whole = try host.read("debug/rmpopt/events")
        #expect(readAll(first) == whole)
        #expect(refusal { try first.read(at: 0, size: 100) } == .tryAgain)
        try host.makeGuest("vm", memory: "1G")
        let line = readAll(first)
        #expect(line.hasSuffix(": guest_create: guest=vm\n") && line.split(separator: "\n").count == 1)
        // Another one begins at the oldest, in pieces of any size.
        let second = try pipe.open(OpenRequest(reads: true))
        #expect(readAll(second, size: 7) == whole + line)
        #expect(refusal { try pipe.open(OpenRequest(reads: true, writes: true)) } == .accessDenied)
        // Whoever is behind is told how much is lost.
        for number in 0..<(2 * EventLog.limits.upperBound) {
            _ = host.refusal("rmpsim/cpus/cpu1/online", number % 2 == 0 ? "0" : "1")
        }
        let log = try host.engine.look { machine throws(Errno) in machine.eventLog }
        let late = readAll(second)
        let before = UInt64(whole.split(separator: "\n").count)
        #expect(late.hasPrefix("# lost \(log.first - before)\n"))
        #expect(try host.read("debug/rmpopt/events").split(separator: "\n")[1] == "# lost \(log.first)")
        #expect(late.split(separator: "\n").count - 1 == Int(log.count - log.first))
    }

    /// A reader that has everything rests: its next read, and poll(2), wait though there is more.
    @Test(arguments: [0, 3_600_000_000_000]) func readersRest(_ rest: UInt64) throws {
        let host = try Host(cpus: 4, memory: 4 << 30)
        let source = try #require(host.engine.eventStream)
        let file = StreamFile(owner: Owner(user: 0, group: 0), source: source, rest: rest)
        let stream = try #require(try file.open(OpenRequest(reads: true)) as? OpenStream)
        func text(_ slice: TextSlice) -> String { slice.withBytes { String(decoding: $0, as: UTF8.self) } }
        // Who is behind does not rest, nor does who has found nothing.
        #expect(stream.isReadable(mayRest: true))
        var all = ""
        while let slice = try? stream.read(at: 0, size: 100) { all += text(slice) }
        #expect(try all == host.read("debug/rmpopt/events"))
        #expect(refusal { try stream.readNow(100) } == .tryAgain)
        try host.makeGuest("a", memory: "1G")
        #expect(stream.isReadable(mayRest: true))
        #expect(try text(stream.read(at: 0, size: 1 << 16)).hasSuffix("guest_create: guest=a\n"))
        // Who has got something and has everything does.
        try host.makeGuest("b", memory: "1G")
        #expect(stream.isReadable(mayRest: true) == (rest == 0))
        if rest > 0 {
            #expect(refusal { try stream.read(at: 0, size: 1 << 16) } == .tryAgain)
            #expect(stream.isReadable(mayRest: false))
            #expect(stream.isReadable(mayRest: true), "what has been taken is there")
        }
        #expect(try text(stream.read(at: 0, size: 1 << 16)).hasSuffix("guest_create: guest=b\n"))
        // Until the mount ends.
        try host.makeGuest("c", memory: "1G")
        stream.end()
        #expect(stream.isReadable(mayRest: true))
        #expect(try text(stream.read(at: 0, size: 1 << 16)).hasSuffix("guest_create: guest=c\n"))
        #expect(try stream.read(at: 0, size: 1 << 16).count == 0)
    }

    /// Who rests is not called, but by a hurry or together with somebody who has rested enough.
    @Test func restsEndTogether() throws {
        let host = try Host(cpus: 4, memory: 4 << 30, pace: .manual)
        let source = try #require(host.engine.eventStream)
        let calls = Mutex<[String]>([])
        let semaphore = Semaphore()
        func wait(_ name: String, ahead: UInt64 = 0, rest: UInt64) throws -> UInt64 {
            let place = try host.engine.look { machine throws(Errno) in machine.eventLog.count } + ahead
            let earliest = rest > 0 ? HostClock.monotonic + rest : 0
            return try #require(
                source.wait(for: NextRecord(place: place, earliest: earliest)) {
                    calls.withLock { $0.append(name) }
                    semaphore.signal()
                }
            )
        }
        let long: UInt64 = 3_600_000_000_000
        let resting = try wait("resting", rest: long)
        _ = try wait("resting, too", rest: long)
        let later = try wait("later", ahead: 1_000_000, rest: 0)
        try host.makeGuest("a", memory: "1G")
        source.hurry(later)
        #expect(semaphore.wait(seconds: 20))
        source.hurry(resting)
        #expect(semaphore.wait(seconds: 20))
        #expect(calls.withLock { $0 } == ["later", "resting"])
        // One that has rested, for whom there is nothing yet.
        _ = try wait("rested", rest: 1)
        try host.makeGuest("b", memory: "1G")
        for _ in 0..<2 { #expect(semaphore.wait(seconds: 20)) }
        #expect(calls.withLock { $0.sorted() } == ["later", "rested", "resting", "resting, too"])
    }

    /// The source wakes whoever waits: at a command, when the clock is moved, and when it runs by itself.
    @Test(arguments: [Pace.manual, .factor(1), .instant]) func waitersAreWoken(_ pace: Pace) throws {
        let host = try Host(cpus: 4, memory: 4 << 30, pace: pace)
        let source = try #require(host.engine.eventStream)
        let semaphore = Semaphore()
        let calls = Atomic<Int>(0)
        func wait() throws {
            let place = try host.engine.look { machine throws(Errno) in machine.eventLog.count }
            let number = source.wait(for: NextRecord(place: place, earliest: 0)) {
                calls.add(1, ordering: .relaxed)
                semaphore.signal()
            }
            #expect(number != nil)
        }
        try wait()
        #expect(calls.load(ordering: .relaxed) == 0)
        try host.write("rmpopt/reenable", "1")
        #expect(semaphore.wait(seconds: 20))
        // The end of the pass.
        if pace == .manual {
            try wait()
            try host.write("rmpsim/clock", "+10s")
            #expect(semaphore.wait(seconds: 20))
        } else if pace != .instant {
            var text = ""
            while !text.contains("pass_end: pass=3") {
                try wait()
                text = try host.read("debug/rmpopt/events")
                if text.contains("pass_end: pass=3") { break }
                #expect(semaphore.wait(seconds: 20))
            }
        }
        // A wait that is hurried is called though nothing happens.
        let before = calls.load(ordering: .relaxed)
        let place = try host.engine.look { machine throws(Errno) in machine.eventLog.count }
        let number = try #require(
            source.wait(for: NextRecord(place: place + 1_000_000, earliest: 0)) {
                calls.add(1, ordering: .relaxed)
                semaphore.signal()
            }
        )
        source.hurry(number)
        while calls.load(ordering: .relaxed) == before { #expect(semaphore.wait(seconds: 20)) }
    }
}
