// SPDX-License-Identifier: Apache-2.0
// A trace as text, in the Trace Event Format: a JSON object that Perfetto and chrome://tracing open.

/// Writes a trace.
///
/// Source: "Trace Event Format" (docs/sources.md): complete events (X), instants (i) and metadata (M); times are in us,
/// with a fraction. Perfetto takes thread numbers as unique over all processes, so they are here.
struct ChromeTrace {
    /// The rows above and below which others stand.
    private enum Process: Int, CaseIterable {
        case host = 1
        case guests, cpus

        var name: String {
            switch self {
            case .host: "host"
            case .guests: "guests"
            case .cpus: "CPUs"
            }
        }
    }

    private static let firstLane = 10_000
    private static let firstCPU = 100_000

    private var bytes: [UInt8] = []
    private var isFirst = true

    /// The text of a trace.
    /// - Parameter facts: what else is told of it, such as where it comes from.
    static func text(_ trace: HostTrace, facts: [(name: String, value: String)]) -> [UInt8] {
        var writer = ChromeTrace()
        let cpus = CPUTracks(trace)
        writer.begin(facts + [("cpus", cpus.form.rawValue), ("lost_events", String(trace.lost))])
        writer.nameTracks(trace, cpus)
        // Of two that begin together, the outer one must come first.
        let slices = trace.slices.sorted { ($0.times.lowerBound, $0.depth) < ($1.times.lowerBound, $1.depth) }
        for slice in slices { writer.append(slice) }
        for moment in trace.moments { writer.append(moment) }
        for track in cpus.tracks {
            for turn in CPUTracks.apart(track.turns.map { trace.turns[$0] }) {
                writer.append(turn, on: track, cpus.form)
            }
        }
        writer.bytes += "\n]}\n".utf8
        return writer.bytes
    }

    // MARK: Tracks

    private func place(_ track: HostTrace.Track) -> (Process, Int) {
        switch track {
        case .passes: (.host, 11)
        case .requests: (.host, 12)
        case .platform: (.host, 13)
        case .log: (.host, 14)
        case .guests(let lane): (.guests, Self.firstLane + lane)
        }
    }

    private mutating func nameTracks(_ trace: HostTrace, _ cpus: CPUTracks) {
        for process in Process.allCases {
            metadata(process, nil, "process_name", name: process.name)
            metadata(process, nil, "process_sort_index", number: process.rawValue)
        }
        func name(_ process: Process, _ thread: Int, _ text: String, _ writer: inout ChromeTrace) {
            writer.metadata(process, thread, "thread_name", name: text)
            writer.metadata(process, thread, "thread_sort_index", number: thread)
        }
        let tracks: [(HostTrace.Track, String)] = [
            (.passes, "passes"), (.requests, "requests"), (.platform, "kernel, firmware, RMP"), (.log, "log"),
        ]
        for (track, text) in tracks {
            let (process, thread) = place(track)
            name(process, thread, text, &self)
        }
        var seen: [String: Int] = [:]
        for (lane, names) in trace.lanes.enumerated() {
            let (process, thread) = place(.guests(lane: lane))
            let text = names.count == 1 ? names[0] : "guests \(lane + 1)"
            seen[text, default: 0] += 1
            // A second guest of a name, while the pages of the first still go back.
            let number = seen[text] ?? 1
            name(process, thread, number == 1 ? text : "\(text) (\(number))", &self)
        }
        for track in cpus.tracks {
            let text = track.count == 1 ? "CPU \(track.list)" : "CPUs \(track.list)"
            name(.cpus, Self.firstCPU + track.first, text, &self)
        }
    }

    // MARK: Events

    private mutating func begin(_ facts: [(name: String, value: String)]) {
        bytes += #"{"displayTimeUnit":"ns","otherData":{"#.utf8
        append(facts)
        bytes += #"},"traceEvents":["#.utf8
    }

    private mutating func metadata(_ process: Process, _ thread: Int?, _ kind: StaticString, name: String) {
        event("M", process, thread ?? 0)
        bytes += #","name":""#.utf8
        append(kind)
        bytes += #"","args":{"name":"#.utf8
        JSON.append(string: name, to: &bytes)
        bytes += "}}".utf8
    }

    private mutating func metadata(_ process: Process, _ thread: Int?, _ kind: StaticString, number: Int) {
        event("M", process, thread ?? 0)
        bytes += #","name":""#.utf8
        append(kind)
        bytes += #"","args":{"sort_index":"#.utf8
        bytes += String(number).utf8
        bytes += "}}".utf8
    }

    private mutating func append(_ slice: HostTrace.Slice) {
        let (process, thread) = place(slice.track)
        complete(process, thread, slice.name, slice.times)
        end(with: slice.details)
    }

    private mutating func append(_ moment: HostTrace.Moment) {
        let (process, thread) = place(moment.track)
        event("i", process, thread)
        time("ts", moment.time)
        bytes += #","s":"t","name":"#.utf8
        JSON.append(string: moment.name, to: &bytes)
        end(with: moment.details)
    }

    private mutating func append(_ turn: HostTrace.Turn, on track: CPUTracks.Track, _ form: CPUTracks.Form) {
        let thread = Self.firstCPU + track.first
        complete(.cpus, thread, turn.name, turn.times)
        var details: [HostTrace.Detail] = []
        if let pass = turn.pass { details.append(.init(name: "pass", value: pass)) }
        if form == .all { details.append(.init(name: "cpus", value: CPUTracks.list(turn.cpus))) }
        end(with: details)
        guard let interruptsOff = turn.interruptsOff else { return }
        complete(.cpus, thread, interruptsOff, turn.times)
        end(with: [])
    }

    private mutating func complete(_ process: Process, _ thread: Int, _ name: String, _ times: Range<UInt64>) {
        event("X", process, thread)
        time("ts", times.lowerBound)
        time("dur", times.upperBound - times.lowerBound)
        bytes += #","name":"#.utf8
        JSON.append(string: name, to: &bytes)
    }

    private mutating func event(_ kind: StaticString, _ process: Process, _ thread: Int) {
        bytes += (isFirst ? "\n" : ",\n").utf8
        isFirst = false
        bytes += #"{"ph":""#.utf8
        append(kind)
        bytes += #"","pid":"#.utf8
        bytes += String(process.rawValue).utf8
        bytes += #","tid":"#.utf8
        bytes += String(thread).utf8
    }

    /// ns as us with three decimals.
    private mutating func time(_ name: StaticString, _ nanoseconds: UInt64) {
        bytes += #",""#.utf8
        append(name)
        bytes += #"":"#.utf8
        bytes += String(nanoseconds / 1_000).utf8
        let rest = nanoseconds % 1_000
        if rest == 0 { return }
        bytes += [0x2E, 0x30 + UInt8(rest / 100), 0x30 + UInt8(rest / 10 % 10), 0x30 + UInt8(rest % 10)]
    }

    private mutating func end(with details: [HostTrace.Detail]) {
        if !details.isEmpty {
            bytes += #","args":{"#.utf8
            append(details.map { (name: $0.name, value: $0.value) })
            bytes += "}".utf8
        }
        bytes += "}".utf8
    }

    /// Numbers stay numbers, so that queries can sum them.
    private mutating func append(_ members: [(name: String, value: String)]) {
        for (number, member) in members.enumerated() {
            if number > 0 { bytes.append(UInt8(ascii: ",")) }
            JSON.append(string: member.name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            if let value = UInt64(member.value), String(value) == member.value {
                bytes += member.value.utf8
            } else {
                JSON.append(string: member.value, to: &bytes)
            }
        }
    }

    private mutating func append(_ text: StaticString) {
        bytes += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
