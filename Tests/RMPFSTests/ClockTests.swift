// SPDX-License-Identifier: Apache-2.0
// Pace and HostClock: how virtual time follows the wall clock, and how far it can be moved.

import Glibc
import Testing

@testable import RMPFS

/// A clock that closures can change.
private final class Clock {
    private var clock: HostClock

    init(_ pace: Pace, at start: UInt64) {
        clock = HostClock(pace: pace, startingAt: start)
    }

    var now: UInt64 { clock.now }
    func skip(_ duration: UInt64) -> Bool { clock.skip(duration) }
    func catchUp(to time: UInt64) { clock.catchUp(to: time) }
}

@Suite struct ClockTests {
    @Test(
        arguments: [
            ("1", Pace.factor(1)), ("0.5", .factor(0.5)), ("10", .factor(10)), ("1000", .factor(1000)),
            ("10000000", .factor(1e7)), ("0.000000001", .factor(1e-9)), ("01.50", .factor(1.5)),
            ("0", .manual), ("instant", .instant), ("0.0", nil), ("-1", nil), ("-0", nil), ("100000000", nil),
            ("1e3", nil), ("0x10", nil), (".5", nil), ("1.", nil), ("+1", nil), ("1_0", nil),
            ("0.0000000001", nil), ("1.5.5", nil), ("١", nil),
            ("10000000.1", nil),
            ("inf", nil), ("nan", nil), ("", nil), ("x", nil), ("1x", nil), ("Instant", nil), (" 1", nil),
        ] as [(String, Pace?)]
    )
    func pace(text: String, expected: Pace?) {
        #expect(Pace(text) == expected)
    }

    @Test func aManualClockStandsStill() {
        let clock = Clock(.manual, at: 500)
        #expect(clock.now == 500)
        usleep(2000)
        #expect(clock.now == 500)
        #expect(clock.skip(250))
        #expect(clock.now == 750)
        #expect(clock.skip(0))
        #expect(clock.now == 750)
    }

    @Test func aClockCannotPass292Years() {
        let clock = Clock(.manual, at: 500)
        #expect(!clock.skip(.max))
        #expect(!clock.skip(1 << 63))
        #expect(!clock.skip((1 << 63) - 500))
        #expect(clock.now == 500, "a step that is refused changes nothing")
        #expect(clock.skip((1 << 63) - 501))
        #expect(clock.now == UInt64(Int64.max))
        #expect(!clock.skip(1))
    }

    @Test(arguments: [Pace.factor(1), .instant, .factor(100), .factor(1e7)])
    func runningClocksGoForward(pace: Pace) {
        let clock = HostClock(pace: pace, startingAt: 1000)
        var last = clock.now
        #expect(last >= 1000)
        for _ in 0..<1000 {
            let now = clock.now
            #expect(now >= last)
            last = now
        }
        usleep(1000)
        #expect(clock.now > last)
    }

    @Test func theFactorIsKept() {
        let slow = HostClock(pace: .factor(1), startingAt: 0)
        let fast = HostClock(pace: .factor(1000), startingAt: 0)
        usleep(20_000)
        // Both were made and are read at almost the same time; 20 ms is a lower bound, whatever the load.
        #expect(slow.now >= 20_000_000)
        #expect(fast.now >= 20_000_000_000)
        let (first, second) = (slow.now, fast.now)
        #expect(Double(second) > Double(first) * 500)
        #expect(Double(second) < Double(slow.now) * 2000)
    }

    @Test func catchesUpAndNeverGoesBack() {
        let clock = Clock(.manual, at: 1000)
        clock.catchUp(to: 900)
        #expect(clock.now == 1000)
        clock.catchUp(to: 5000)
        #expect(clock.now == 5000)
    }
}
