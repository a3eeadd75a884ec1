// SPDX-License-Identifier: Apache-2.0
// Events as text, a line each, for debug/rmpopt/events and events_pipe: tracefs' form of time, name and fields.

public import RMPModel

/// The lines of `events`. Names and fields are an interface: what exists stays, and a change of it is another version.
public enum EventText {
    /// The version of names and fields, which the first line gives.
    public static let version: UInt64 = 1

    /// The comment that the text begins with.
    static func head(into text: inout TextBuffer) {
        text.append("# rmpfs events, version ")
        text.append(decimal: version)
        text.append(": SECONDS.NANOSECONDS: NAME: KEY=VALUE ...; the last ")
        text.append(decimal: UInt64(EventLog.limits.lowerBound))
        text.append(" at least are kept; events_pipe, which is not listed, waits for more\n")
    }

    /// The comment in the place of events that are not kept any more.
    static func lost(_ count: UInt64, into text: inout TextBuffer) {
        if count == 0 { return }
        text.append("# lost ")
        text.append(decimal: count)
        text.append(0x0A)
    }

    /// All events that are kept.
    static func write(_ log: EventLog, into text: inout TextBuffer) {
        write(log.events(from: 0), lost: log.first, into: &text)
    }

    static func write(_ events: [LoggedEvent], lost count: UInt64, into text: inout TextBuffer) {
        head(into: &text)
        lost(count, into: &text)
        for event in events { line(event, into: &text) }
    }

    /// One event as a line, with its newline.
    public static func line(_ logged: LoggedEvent, into text: inout TextBuffer) {
        text.append(decimal: logged.time / 1_000_000_000, width: 5)
        text.append(0x2E)
        var unit: UInt64 = 100_000_000
        while unit > 0 {
            text.append(decimal: logged.time / unit % 10)
            unit /= 10
        }
        text.append(": ")
        switch logged.event {
        case .kernelStarted: text.append("kernel_start:")
        case .line(let level, let line):
            text.append("log:")
            field(" level=", UInt64(level.rawValue), &text)
            text.append(" text=")
            // A line stays one, whatever is in it.
            for byte in line.utf8 { text.append(byte == 0x0A ? 0x20 : byte) }
        case .snpEnabled(let isEnabled):
            text.append("snp:")
            field(" enabled=", isEnabled ? 1 : 0, &text)
        case .firmware(let state):
            text.append("firmware: state=")
            text.append(state == .initialized ? "init" : "uninit")
        case .cpuOnline(let cpu, let isOnline):
            text.append("cpu:")
            field(" cpu=", UInt64(cpu), &text)
            field(" online=", isOnline ? 1 : 0, &text)
        case .passRequested(let trigger, let outcome):
            text.append("pass_request: trigger=")
            text.append(trigger.word)
            text.append(" outcome=")
            text.append(outcome.word)
        case .passBegan(let number, let trigger):
            text.append("pass_begin:")
            field(" pass=", number, &text)
            text.append(" trigger=")
            text.append(trigger.word)
        case .passTurn(let number, let turn, let interrupts, let cpus):
            text.append("pass_turn:")
            field(" pass=", number, &text)
            text.append(" turn=")
            text.append(turn.word)
            text.append(" cpus=")
            text.append(CPUList.format(cpus))
            text.append(" interrupts_off=")
            text.append(interrupts.word)
        case .passEnded(let record):
            text.append("pass_end:")
            field(" pass=", record.number, &text)
            text.append(" trigger=")
            text.append(record.trigger.word)
            for (name, value) in PassesReport.columns {
                text.append(0x20)
                text.append(name)
                field("=", value(record), &text)
            }
        case .passesCancelled: text.append("pass_cancel:")
        case .threadSlept: text.append("thread_sleep:")
        case .undefinedOpcodes(let count):
            text.append("undefined_opcode:")
            field(" cpus=", UInt64(count), &text)
        case .regionCleared(let region):
            let regions = logged.regions ?? region...region
            text.append("region_clear:")
            field(" first=", UInt64(regions.lowerBound), &text)
            field(" last=", UInt64(regions.upperBound), &text)
        case .regionOptimized(let region, let cores):
            text.append("region_optimize:")
            field(" region=", UInt64(region), &text)
            field(" cores=", UInt64(cores), &text)
        case .rmpoptTablesCleared: text.append("tables_clear:")
        case .pagesLeaked(let pages):
            text.append("pages_leak: first=0x")
            text.append(hexadecimal: pages.lowerBound.rawValue)
            field(" count=", pages.raw.upperBound - pages.raw.lowerBound, &text)
        case .guestCreated(_, let name):
            text.append("guest_create:")
            guest(name, &text)
        case .guestType(_, let type):
            text.append("guest_type:")
            guest(logged.guest, &text)
            text.append(" type=")
            text.append(Array(type.rawValue.utf8))
        case .hostMemory(let bytes):
            text.append("host_memory:")
            field(" bytes=", bytes, &text)
        case .pageCache(let bytes):
            text.append("page_cache:")
            field(" bytes=", bytes, &text)
        case .guestRemoved(_, let isEnding):
            text.append("guest_remove:")
            guest(logged.guest, &text)
            field(" ending=", isEnding ? 1 : 0, &text)
        case .guest(_, let state):
            text.append("guest:")
            guest(logged.guest, &text)
            text.append(" state=")
            text.append(state.word)
        case .inodeFreed:
            text.append("inode_free:")
            guest(logged.guest, &text)
        }
        text.append(0x0A)
    }

    private static func field(_ name: StaticString, _ value: UInt64, _ text: inout TextBuffer) {
        text.append(name)
        text.append(decimal: value)
    }

    private static func guest(_ name: GuestName?, _ text: inout TextBuffer) {
        text.append(" guest=")
        text.append(escaped: name?.bytes ?? [])
    }
}

extension RequestOutcome {
    /// The word in files.
    var word: StaticString {
        switch self {
        case .begun: "begun"
        case .scheduled: "scheduled"
        case .absorbed: "absorbed"
        case .lost: "lost"
        case .ignored: "ignored"
        }
    }
}

extension GuestState {
    /// The word in files.
    var word: StaticString {
        switch self {
        case .stopped: "stopped"
        case .created: "created"
        case .running: "running"
        case .ending: "ending"
        }
    }
}

extension InterruptsOff {
    /// The word in files.
    var word: StaticString {
        switch self {
        case .never: "never"
        case .eachRegion: "region"
        case .wholeTurn: "turn"
        }
    }
}

extension PassTurn {
    /// The word in files.
    var word: StaticString {
        switch self {
        case .leader: "leader"
        case .followers: "followers"
        case .independent: "independent"
        case .oneThreadPerCore: "one-thread-per-core"
        case .allThreads: "all-threads"
        }
    }
}
