// SPDX-License-Identifier: Apache-2.0
// rmpsim/clock: steps of virtual time, and which ones are refused.

import Testing

@testable import RMPFS

@Suite struct ClockFileTests {
    @Test(
        arguments: [
            ("+1ns", 1), ("+250ms\n", 250_000_000), ("+10s", 10_000_000_000), ("+7us", 7000),
            ("+2min", 120_000_000_000),
            ("+1h", 3_600_000_000_000), ("+0s", 0), ("+1d", 86_400_000_000_000), ("+1.5s", 1_500_000_000),
            ("+0.000000001s\n", 1), ("+0.1us", 100), ("+2.25us", 2_250), ("+0.999999999d", 86_399_999_913_600),
            ("+1.0000000000s", 1_000_000_000),
        ] as [(String, UInt64)]
    )
    func steps(written: String, nanoseconds: UInt64) throws {
        let host = try Host(cpus: 1)
        let before = try #require(UInt64(try host.lines("rmpsim/clock")[0]))
        try host.write("rmpsim/clock", written)
        #expect(try host.read("rmpsim/clock") == "\(before + nanoseconds)\n")
    }

    @Test(
        arguments: [
            ("", .invalid), ("1s", .invalid), ("-1s", .invalid), ("+1", .invalid), ("+1w", .invalid), ("+s", .invalid),
            ("+1.s", .invalid), ("+.5s", .invalid), ("+1.0000000001s", .invalid), ("+0.5ns", .invalid),
            ("+1,5s", .invalid),
            ("+idle", .invalid), ("next", .invalid), ("+next 1", .invalid), ("+213503.99d", .outOfRange),
            ("+9223372036854775807ns", .outOfRange), ("+18446744073709551616ns", .outOfRange),
            ("+99999999999h", .outOfRange),
            ("+2562048h", .outOfRange),
        ] as [(String, Errno)]
    )
    func refusals(written: String, error: Errno) throws {
        let host = try Host(cpus: 1)
        let before = try host.read("rmpsim/clock")
        #expect(host.refusal("rmpsim/clock", written) == error)
        #expect(try host.read("rmpsim/clock") == before)
    }

    @Test func nextAndIdle() throws {
        let host = try Host(cpus: 4, memory: 4 << 30)
        func now() throws -> UInt64 { try #require(UInt64(try host.lines("rmpsim/clock")[0])) }
        func events() throws -> Int { try host.lines("debug/rmpopt/events").count }
        // Nothing is pending: neither moves the clock.
        let start = try now()
        try host.write("rmpsim/clock", "+next")
        try host.write("rmpsim/clock", "idle\n")
        #expect(try now() == start)
        try host.write("rmpopt/reenable", "1")
        let before = try events()
        try host.write("rmpsim/clock", "+next")
        #expect(try events() == before + 1)
        #expect(try host.lines("debug/rmpopt/events").last?.contains(" pass_end: pass=3 ") == true)
        #expect(try now() == UInt64(try host.lines("debug/rmpopt/passes")[3].split(separator: " ")[3]))
        #expect(try host.lines("debug/rmpopt/schedule").contains { $0.hasPrefix("next_ns: ") && $0 != "next_ns: -" })
        try host.write("rmpsim/clock", "idle")
        #expect(try host.lines("debug/rmpopt/events").last?.hasSuffix(" thread_sleep:") == true)
        #expect(try host.lines("debug/rmpopt/schedule").contains("next_ns: -"))
        // A guest's whole end.
        try host.makeGuest("vm", memory: "2G")
        try host.write("rmpsim/guests/vm/state", "running")
        try host.write("rmpsim/guests/vm/state", "stopped")
        #expect(try host.read("rmpsim/guests/vm/state") == "ending\n")
        try host.write("rmpsim/clock", "idle")
        #expect(try host.read("rmpsim/guests/vm/state") == "stopped\n")
    }

    @Test func paceCanBeChanged() throws {
        let host = try Host(cpus: 4, memory: 4 << 30)
        #expect(try host.read("rmpsim/pace") == "0\n")
        #expect(try host.lines("debug/rmpopt/schedule").contains { $0.hasPrefix("clock: stopped (pace 0)") })
        for wrong in [
            "", "-1", "1e3", "0x10", ".5", "1.", "+2", "0.0", "10000001", "0.0000000001", "fast", "inf", "nan",
        ] {
            #expect(host.refusal("rmpsim/pace", wrong) == .invalid, "\(wrong)")
        }
        let start = try host.read("rmpsim/clock")
        #expect(try host.read("rmpsim/clock") == start)
        // What is pending when it becomes instant ends at once.
        try host.write("rmpopt/reenable", "1")
        #expect(try host.read("rmpopt/reenable") == "1\n")
        try host.write("rmpsim/pace", "instant\n")
        #expect(try host.read("rmpopt/reenable") == "0\n" && host.read("rmpsim/pace") == "instant\n")
        try host.write("rmpopt/reenable", "1")
        #expect(try host.read("rmpopt/reenable") == "0\n")
        for (written, read) in [
            ("2.5", "2.5"), ("100", "100"), ("0.0000001", "0.0000001"), ("0.00000015", "0.00000015"),
            ("9999999.125", "9999999.125"), ("2.10", "2.1"), ("0", "0"),
        ] {
            try host.write("rmpsim/pace", written)
            #expect(try host.read("rmpsim/pace") == read + "\n")
        }
        let still = try host.read("rmpsim/clock")
        #expect(still != start)
        #expect(try host.read("rmpsim/clock") == still)
        let hint = "clock: stopped (pace 0): write +next, idle or a step to rmpsim/clock"
        #expect(try host.lines("debug/rmpopt/schedule").contains(hint))
    }

    @Test func startsAtTheEndOfTheBootPass() throws {
        let now = try #require(UInt64(try Host().lines("rmpsim/clock")[0]))
        // A second passes between the end of the kernel's pass and SNP_INIT_EX.
        #expect(now > 1_000_000_000)
        #expect(now < 1_000_000_000 + 2 * 64 * 200_000)
    }
}
