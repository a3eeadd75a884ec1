// SPDX-License-Identifier: Apache-2.0
// How virtual time follows the wall clock: the one place where the simulated host meets a real clock.

import Glibc

/// The ratio of virtual time to the wall clock's.
public enum Pace: Sendable, Hashable {
    /// Virtual time runs this many times as fast as the wall clock: above 0 up to ``fastest``.
    case factor(Double)
    /// Virtual time moves only by writes to `rmpsim/clock`.
    case manual
    /// As factor 1, but whatever a write starts has ended when the write returns.
    case instant

    /// The fastest factor: more than a month per second.
    public static let fastest = 1e7
    /// How many decimals a factor has at most.
    private static let decimals = 9

    /// Reads `FACTOR`, a decimal number such as 2.5 with at most 9 decimals, `0` or `instant`.
    public init?(_ text: String) {
        switch text {
        case "instant": self = .instant
        case "0": self = .manual
        default:
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
            guard (1...2).contains(parts.count),
                parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(digits.contains) }),
                parts.count == 1 || parts[1].utf8.count <= Self.decimals,
                let factor = Double(text), factor > 0, factor <= Self.fastest
            else { return nil }
            self = .factor(factor)
        }
    }
}

extension Pace: CustomStringConvertible {
    /// As it is written: never in exponents.
    public var description: String {
        switch self {
        case .manual: "0"
        case .instant: "instant"
        case .factor(let factor): factor == factor.rounded() ? "\(Int(factor))" : Self.decimal("\(factor)")
        }
    }

    /// A number as Swift prints it, which is exact, without its exponent.
    private static func decimal(_ text: String) -> String {
        guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]), exponent < 0
        else { return text }
        return "0." + String(repeating: "0", count: -exponent - 1) + text[..<mark].filter { $0 != "." }
    }
}

/// Virtual time since boot as a function of the wall clock.
struct HostClock: Sendable {
    private var running: Pace
    /// Where it stops by itself, in ns of virtual time; moving it by hand, or another pace, then sets it free.
    private var stop: UInt64?
    /// The wall clock's time since which it runs at this pace.
    private var origin = HostClock.monotonic
    /// Virtual time at the origin, plus what was skipped by hand since.
    private var offset: UInt64

    init(pace: Pace, startingAt start: UInt64, stoppingAt stop: UInt64? = nil) {
        running = pace
        offset = start
        self.stop = stop.map { max($0, start) }
    }

    /// How it runs now.
    var pace: Pace {
        if let stop, now >= stop { return .manual }
        return running
    }

    /// No time that it comes to by itself is as late as this.
    var limit: UInt64 { stop.map { $0 + 1 } ?? Self.end }

    /// The wall clock in nanoseconds, which never goes back.
    static var monotonic: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Unix time in nanoseconds.
    static var unix: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(time.tv_sec, 0)) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Virtual time in nanoseconds since boot.
    var now: UInt64 {
        let elapsed = HostClock.monotonic &- origin
        let passed: UInt64 =
            switch running {
            case .manual: 0
            case .instant: elapsed
            case .factor(let factor): UInt64(exactly: (Double(elapsed) * factor).rounded(.down)) ?? .max
            }
        let (sum, overflow) = offset.addingReportingOverflow(passed)
        return min(overflow ? .max : sum, stop ?? .max)
    }

    /// Whoever takes it in hand where it has stopped moves it on from there.
    mutating func setFree() {
        guard let stop, now >= stop else { return }
        self.stop = nil
        (offset, origin, running) = (stop, HostClock.monotonic, .manual)
    }

    /// When virtual time will be `time`, by the monotonic clock; nil if that takes a hand, or centuries.
    func wallTime(of time: UInt64) -> UInt64? {
        let elapsed: UInt64
        let ahead = time > offset ? time - offset : 0
        if let stop, time > stop { return nil }
        switch running {
        case .manual: return nil
        case .instant: elapsed = ahead
        case .factor(let factor):
            guard let rounded = UInt64(exactly: (Double(ahead) / factor).rounded(.up)) else { return nil }
            elapsed = rounded
        }
        let (sum, overflow) = origin.addingReportingOverflow(elapsed)
        // A nanosecond more, for what rounding may have lost.
        return overflow || sum > UInt64(Int64.max) ? nil : sum + 1
    }

    /// Skips `duration` nanoseconds of virtual time.
    /// - Returns: whether the time stays below 2^63 ns (292 years); if not, nothing has changed.
    mutating func skip(_ duration: UInt64) -> Bool {
        setFree()
        let (sum, overflow) = now.addingReportingOverflow(duration)
        guard !overflow, sum < HostClock.end else { return false }
        offset += duration
        return true
    }

    /// No time is as late as this: 292 years.
    static let end: UInt64 = 1 << 63

    /// Runs at another pace from now on.
    mutating func set(_ pace: Pace) {
        setFree()
        offset = now
        origin = HostClock.monotonic
        running = pace
    }

    /// Continues from `time` if that is ahead.
    mutating func catchUp(to time: UInt64) {
        if time > now { setFree() }
        let now = now
        if time > now { offset += time - now }
    }
}
