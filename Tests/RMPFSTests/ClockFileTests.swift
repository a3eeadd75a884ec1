// SPDX-License-Identifier: Apache-2.0
// rmpsim/clock: steps of virtual time, and which ones are refused.

import Testing

@testable import RMPFS

@Suite struct ClockFileTests {
    @Test(
        arguments: [
            ("+1ns", 1), ("+250ms\n", 250_000_000), ("+10s", 10_000_000_000), ("+7us", 7000),
            ("+2min", 120_000_000_000),
            ("+1h", 3_600_000_000_000), ("+0s", 0),
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
            ("", .invalid), ("1s", .invalid), ("-1s", .invalid), ("+1", .invalid), ("+1d", .invalid), ("+s", .invalid),
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

    @Test func startsAtTheEndOfTheBootPass() throws {
        let now = try #require(UInt64(try Host().lines("rmpsim/clock")[0]))
        // A second passes between the end of the kernel's pass and SNP_INIT_EX.
        #expect(now > 1_000_000_000)
        #expect(now < 1_000_000_000 + 2 * 64 * 200_000)
    }
}
