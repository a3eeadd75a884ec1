// SPDX-License-Identifier: Apache-2.0
// Times on the command line, read by the same rule as steps written to rmpsim/clock.

import ArgumentParser
import RMPFS

/// A time in whole nanoseconds, less than 2^63: 10, 500ms, 1.5s, 2min.
struct TimeArgument: Sendable {
    let nanoseconds: UInt64

    /// A virtual time since boot; without a unit it is in ns, as rmpsim/clock shows it.
    static func parseMoment(_ argument: String) throws -> TimeArgument {
        guard let time = TimeArgument(argument, unit: "ns") else {
            throw ValidationError("write ns, or a decimal number with ns, us, ms, s, min, h or d, such as 1.5s")
        }
        return time
    }

    /// A time of the wall clock; without a unit it is in seconds.
    static func parseDuration(_ argument: String) throws -> TimeArgument {
        guard let time = TimeArgument(argument, unit: "s") else {
            throw ValidationError("write seconds, or a decimal number with ns, us, ms, s, min, h or d, such as 500ms")
        }
        return time
    }

    private init?(_ argument: String, unit: String) {
        guard let last = argument.utf8.last, last != UInt8(ascii: "\n"), !argument.utf8.contains(0) else { return nil }
        let isBare = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(last)
        let step = Array("+\(argument)\(isBare ? unit : "")".utf8)
        guard let number = step.withUnsafeBytes({ try? StoredText($0).duration() }), number < 1 << 63 else {
            return nil
        }
        nanoseconds = number
    }
}
