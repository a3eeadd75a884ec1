// SPDX-License-Identifier: Apache-2.0
// What a trace makes of events: which CPUs share a track, slices that would overlap, events that are missing or wrong.

import RMPModel
import Testing

@testable import RMPCommand

@Suite struct TraceTests {
    private static func trace(_ lines: [String], until end: UInt64? = nil) throws -> HostTrace {
        try TraceSource.events(Array(lines.map { $0 + "\n" }.joined().utf8), name: "events", until: end)
    }

    /// A pass of two turns of 1 s each at a second, and what the CPUs do.
    private static func pass(_ number: Int, at second: Int, leader: Int, followers: String) -> [String] {
        [
            "\(second).000000000: pass_begin: pass=\(number) trigger=request",
            "\(second).000000000: pass_turn: pass=\(number) turn=leader cpus=\(leader) interrupts_off=never",
            "\(second + 1).000000000: pass_turn: pass=\(number) turn=followers cpus=\(followers) interrupts_off=turn",
            "\(second + 2).000000000: pass_end: pass=\(number) trigger=request won=3",
        ]
    }

    @Test func eachCPUHasATrackWhereThereIsRoom() throws {
        let trace = try Self.trace(
            Self.pass(1, at: 10, leader: 0, followers: "1-3") + Self.pass(2, at: 20, leader: 0, followers: "1-3")
        )
        // CPU 0 has two slices, the others four each: two turns, and in them the time without interrupts.
        let each = CPUTracks(trace, most: 14)
        #expect(each.form == .each && each.tracks.map(\.list) == ["0", "1", "2", "3"])
        let alike = CPUTracks(trace, most: 13)
        #expect(alike.form == .alike && alike.tracks.map(\.list) == ["0", "1-3"])
        #expect(alike.tracks.map(\.turns.count) == [2, 2])
        let all = CPUTracks(trace, most: 5)
        #expect(all.form == .all && all.tracks.map(\.list) == ["0-3"] && all.tracks[0].turns.count == 4)
    }

    @Test func whoDoesSomethingElseHasATrackOfItsOwn() throws {
        let trace = try Self.trace(
            Self.pass(1, at: 10, leader: 0, followers: "1-5") + ["15.000000000: cpu: cpu=4 online=0"]
                + Self.pass(2, at: 20, leader: 2, followers: "0-1,3,5")
        )
        #expect(CPUTracks(trace, most: 20).tracks.map(\.list) == ["0", "1,3,5", "2", "4"])
    }

    @Test func aCPUThatGoesHasNoTurnMeanwhile() throws {
        let trace = try Self.trace(
            [
                "1.000000000: pass_turn: pass=1 turn=independent cpus=0-1 interrupts_off=turn",
                "3.000000000: cpu: cpu=1 online=0", "4.000000000: cpu: cpu=1 online=1",
                "9.000000000: pass_end: pass=1 trigger=boot",
            ]
        )
        let track = try #require(CPUTracks(trace).tracks.first { $0.first == 1 })
        let seconds = CPUTracks.apart(track.turns.map { trace.turns[$0] }).map { turn in
            "\(turn.name) \(turn.times.lowerBound / 1_000_000_000)-\(turn.times.upperBound / 1_000_000_000)"
        }
        #expect(seconds == ["independent 1-3", "offline 3-4", "independent 4-9"])
    }

    @Test func aNameCanBeThereTwice() throws {
        let trace = try Self.trace([
            "1.000000000: guest_create: guest=a", "2.000000000: guest: guest=a state=running",
            "3.000000000: guest: guest=a state=ending", "3.000000000: guest_remove: guest=a ending=1",
            "4.000000000: guest_create: guest=a", "5.000000000: guest: guest=a state=running",
            "6.000000000: guest: guest=a state=stopped", "9.000000000: guest_create: guest=b",
        ])
        #expect(trace.lanes == [["a", "b"], ["a"]])
        let slices = trace.slices.map { slice in
            "\(slice.name) \(slice.times.lowerBound / 1_000_000_000)-\(slice.times.upperBound / 1_000_000_000)"
        }
        // The one that was removed has stopped; the other one runs on.
        #expect(slices == ["running 2-3", "teardown 3-6", "a 1-6", "running 5-9", "a 4-9", "b 9-9"])
    }

    @Test func whatIsMissingEndsWhatWasOpen() throws {
        let trace = try Self.trace(
            [
                "1.000000000: guest: guest=a state=running", "2.000000000: pass_begin: pass=1 trigger=boot",
                "3.000000000: log: level=6 text=x", "# lost 12", "9.000000000: guest: guest=a state=ending",
            ],
            until: 10_000_000_000
        )
        #expect(trace.lost == 12)
        let ends = trace.slices.map { "\($0.name) \($0.times.upperBound / 1_000_000_000)" }
        #expect(ends == ["pass 1: boot 3", "running 3", "a 3", "teardown 10", "a 10"])
    }

    @Test(arguments: [
        ("1.000000000: pass_turn: pass=1 turn=leader cpus=0-8192 interrupts_off=never", "is not a list of CPUs"),
        ("1.000000000: region_clear: first=3 last=2", "'last' is below 'first'"),
        ("1.000000000: region_clear: first=3", "there is no number 'last='"),
        ("1.000000000: cpu: cpu=8192 online=0", "there is no CPU 8192"),
        ("1.0000: cpu: cpu=1 online=0", "is not an event"), ("", "is not an event"),
    ])
    func wrongLines(line: String, reason: String) throws {
        do {
            _ = try Self.trace(["0.000000000: kernel_start:", line])
            Issue.record("taken")
        } catch let error as HostFileError {
            #expect(error.line == 2 && "\(error)".contains(reason))
        }
    }

    @Test func halfOfALineIsLeftOut() throws {
        let text = "1.000000000: kernel_start:\n2.000000000: pass_be"
        #expect(try TraceSource.events(Array(text.utf8), name: "events").moments.count == 1)
    }

    /// Numbers stay numbers, names of any bytes are JSON, times have no more digits than they need.
    @Test func text() throws {
        let trace = try Self.trace([
            "0.000000000: kernel_start:", "0.000001001: guest_create: guest=\"\\040\u{E9}",
            "0.000001002: guest: guest=\"\\040\u{E9} state=running", "1.000000000: pages_leak: first=0x10 count=2",
        ])
        let text = String(decoding: ChromeTrace.text(trace, facts: [("source", "a\"b")]), as: UTF8.self)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines[0].contains(#""source":"a\"b""#) && lines[0].contains(#""lost_events":0"#))
        #expect(
            lines.contains(
                #"{"ph":"X","pid":2,"tid":10000,"ts":1.001,"dur":999998.999,"name":"\"\\040é"},"#
            )
        )
        let leak = #"{"ph":"i","pid":1,"tid":13,"ts":1000000,"s":"t","name":"pages leaked","#
        #expect(lines.contains(leak + #""args":{"first":"0x10","count":2}}"#))
    }
}
