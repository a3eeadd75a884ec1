// SPDX-License-Identifier: Apache-2.0
// The kernel's ring of log lines, as far as this host's driver writes them: what dmesg would print.

/// The level of a kernel line, as in <linux/kern_levels.h>.
public enum LogLevel: UInt8, Sendable, Hashable, CaseIterable {
    /// KERN_ERR.
    case error = 3
    /// KERN_WARNING, and lines without a level of their own.
    case warning = 4
    /// KERN_NOTICE.
    case notice = 5
    /// KERN_INFO.
    case info = 6
    /// KERN_DEBUG. Written only if dynamic debug is on.
    case debug = 7
}

/// How much of its log a kernel shows.
public enum LogView: Sendable, Hashable, CaseIterable {
    /// As dmesg prints it, without debug lines.
    case plain
    /// With debug lines, as if dynamic debug were switched on for the driver.
    case debug
    /// With debug lines and levels, as `dmesg --raw` prints it.
    case raw
}

/// One line of the kernel's log.
public struct LogLine: Sendable, Hashable {
    /// The time, in ns of virtual time since boot.
    public let time: UInt64
    /// The level.
    public let level: LogLevel
    /// The text without the time, with its prefix such as `SEV-SNP: `.
    public let text: String
}

/// The last lines of the kernel's log.
struct KernelLog: Sendable {
    /// The number of lines that are kept; the oldest are dropped first, as in the kernel's ring.
    static let limit = 1024

    private(set) var lines: [LogLine] = []
    /// Grows with each line, so that a reader can tell whether there is anything new.
    private(set) var written: UInt64 = 0

    /// Picks the lines out of the events.
    mutating func note(_ event: MachineEvent, at time: UInt64) {
        switch event {
        case .kernelStarted: lines = []
        case .line(let level, let text): write(level, at: time, text)
        default: break
        }
    }

    private mutating func write(_ level: LogLevel, at time: UInt64, _ text: String) {
        // A quarter at a time: dropping one line would move all others at each write.
        if lines.count >= KernelLog.limit { lines.removeFirst(KernelLog.limit / 4) }
        lines.append(LogLine(time: time, level: level, text: text))
        written &+= 1
    }

    /// How many of the first of `count` lines would be dropped again by the time the last is written: a multiple of
    /// what is dropped at a time, so that skipping them leaves the ring as writing all of them would.
    static func lost(of count: Int) -> Int {
        let step = limit / 4
        return max(0, count - limit - step) / step * step
    }
}
