// SPDX-License-Identifier: Apache-2.0
// What the kernel module says of its passes, for metrics: the sums of `totals` and the last line of `passes`.

import RMPModel

/// The module's passes since it was loaded.
struct ModulePasses: Sendable {
    /// How many have begun: the module's own count, so that it never falls, whatever ends between two files' readings.
    let begun: UInt64
    let totals: PassTotals
    /// The last one that ended.
    let last: FinishedPass?

    /// The two files.
    /// - Throws: what is wrong with a line, and whether it is one of `totals`.
    init(totals text: [UInt8], passes: [UInt8]) throws(Fault) {
        var values: [String: UInt64] = [:]
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 2, let value = UInt64(words[1]) else {
                throw Fault(isOfTotals: true, "'\(String(decoding: line, as: UTF8.self))' is not a name and a number")
            }
            values[words[0]] = value
        }
        func value(_ name: String) throws(Fault) -> UInt64 {
            guard let value = values[name] else { throw Fault(isOfTotals: true, "there is no line '\(name) NUMBER'") }
            return value
        }
        begun = try value("begun")
        let ended = try value("passes")
        var counts: [UInt64] = []
        var below: UInt64 = 0
        for limit in PassTotals.durationLimits {
            let name = "up_to_\(limit / 1_000_000)ms"
            let upTo = try value(name)
            guard upTo >= below else { throw Fault(isOfTotals: true, "\(name) is less than the number before it") }
            counts.append(upTo - below)
            below = upTo
        }
        guard ended >= below else { throw Fault(isOfTotals: true, "there are fewer passes than durations") }
        counts.append(ended - below)
        totals = PassTotals(
            durationCounts: counts,
            nanoseconds: try value("time_ns"),
            broadcasts: try value("broadcasts"),
            interrupts: try value("interrupts"),
            executions: try value("executions"),
            executionsInVain: try value("in_vain"),
            stolenNanoseconds: try value("stolen_ns"),
            interruptsOffNanoseconds: try value("interrupts_off_ns")
        )
        last = try Self.last(passes)
    }

    /// The last line, if there is one below the heading.
    private static func last(_ passes: [UInt8]) throws(Fault) -> FinishedPass? {
        let lines = passes.split(separator: UInt8(ascii: "\n"))
        guard let heading = lines.first, let line = lines.last, lines.count > 1 else { return nil }
        func words(_ line: ArraySlice<UInt8>) -> [String] {
            line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        }
        let columns = Dictionary(zip(words(heading), words(line))) { first, _ in first }
        func value(_ name: String) throws(Fault) -> UInt64 {
            guard let value = columns[name].flatMap(UInt64.init) else {
                throw Fault(isOfTotals: false, "the last line has no number at \(name)")
            }
            return value
        }
        let (start, end) = (try value("start_ns"), try value("end_ns"))
        guard end >= start else { throw Fault(isOfTotals: false, "the last pass ended before it began") }
        return FinishedPass(
            nanoseconds: end - start,
            end: end,
            scan: try value("leader_ns"),
            follower: try value("follower_ns"),
            // The module does not know it.
            broadcast: nil,
            broadcasts: try value("broadcasts"),
            interruptsOff: try value("interrupts_off_ns")
        )
    }

    /// Why a file cannot be read.
    struct Fault: Error {
        let isOfTotals: Bool
        let reason: String

        init(isOfTotals: Bool, _ reason: String) { (self.isOfTotals, self.reason) = (isOfTotals, reason) }
    }
}
