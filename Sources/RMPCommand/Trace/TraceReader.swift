// SPDX-License-Identifier: Apache-2.0
// Events in, tracks out: which events begin and end a slice.

import RMPModel

/// Follows the events of a host, in their order.
struct TraceReader {
    private(set) var trace = HostTrace()
    private var guests = GuestLanes()
    private var pass: Open?
    private var turn: OpenTurn?
    private var pending: Open?
    /// Since when CPUs are offline.
    private var offline: [Int: UInt64] = [:]
    private var start: UInt64?
    private var now: UInt64 = 0
    /// Regions that were cleared at this moment: a launch does that.
    private var cleared: (time: UInt64, count: UInt64) = (0, 0)

    /// A slice that has not ended.
    private struct Open {
        let name: String
        let start: UInt64
    }

    private struct OpenTurn {
        let start: UInt64
        let pass: String
        let name: String
        let cpus: CPUSet
        let list: String
        /// As the event says it.
        let interruptsOff: String?
    }

    /// Takes an event.
    /// - Throws: ``TraceError`` if a field is missing, or wrong.
    mutating func add(_ line: EventLine) throws(TraceError) {
        // Only time that runs back would end a slice before it begins; a recorded one cannot.
        now = max(now, line.time)
        start = start ?? now
        switch line.name {
        case "kernel_start":
            endPass()
            endPending()
            trace.moments.append(.init(track: .platform, name: "kernel starts", time: now))
        case "log":
            let text = line.rest("text") ?? ""
            let details = [HostTrace.Detail(name: "level", value: line.text("level"))]
            trace.moments.append(.init(track: .log, name: text, time: now, details: details))
        case "snp": note("SNP_EN \(line.text("enabled"))")
        case "firmware": note("firmware \(line.text("state"))")
        case "tables_clear": note("tables of all cores cleared")
        case "pages_leak": note("pages leaked", line)
        case "undefined_opcode": note("#UD", line)
        case "region_clear": try noteCleared(line)
        case "cpu": try noteCPU(line)
        case "pass_request":
            let name = "\(line.text("trigger")): \(line.text("outcome"))"
            trace.moments.append(.init(track: .requests, name: name, time: now))
            if line.value("outcome") == "scheduled" && pending == nil {
                pending = Open(name: "pending: \(line.text("trigger"))", start: now)
            }
        case "pass_begin":
            endPass()
            endPending()
            pass = Open(name: "pass \(line.text("pass")): \(line.text("trigger"))", start: now)
        case "pass_turn": try beginTurn(line)
        case "pass_end": endPass(line)
        case "pass_cancel":
            if pass != nil || pending != nil {
                trace.moments.append(.init(track: .passes, name: "given up", time: now))
            }
            endPass()
            endPending()
        case "guest_create", "guest_remove", "guest", "inode_free":
            guests.add(line, at: now, cleared: cleared.time == now ? cleared.count : 0, &trace)
            if line.name == "guest" { cleared.count = 0 }
        // Others may come with later versions.
        default: break
        }
    }

    /// So many events before the next one are missing: what was open ends with the last that is there.
    mutating func lose(_ count: UInt64) {
        finish(at: now)
        trace.lost &+= count
        trace.moments.append(.init(track: .platform, name: "\(count) events are missing", time: now))
    }

    /// Ends all that is open: the last moment that is known.
    mutating func finish(at time: UInt64) {
        now = max(now, time)
        endPass()
        endPending()
        for (cpu, start) in offline.sorted(by: { $0.key < $1.key }) { noteOffline(cpu, since: start) }
        offline = [:]
        guests.finish(at: now, &trace)
    }

    private mutating func note(_ name: String, _ line: EventLine? = nil) {
        trace.moments.append(.init(track: .platform, name: name, time: now, details: line?.details ?? []))
    }

    // MARK: Passes

    private mutating func beginTurn(_ line: EventLine) throws(TraceError) {
        endTurn()
        let list = line.text("cpus")
        guard let cpus = try? CPUList.parse(list.utf8, limit: Topology.cpuLimits.upperBound) else {
            throw TraceError("'cpus=\(list)' is not a list of CPUs from 0 to \(Topology.cpuLimits.upperBound - 1)")
        }
        // Where the events begin in the middle of a pass.
        if pass == nil { pass = Open(name: "pass \(line.text("pass"))", start: now) }
        turn = OpenTurn(
            start: now,
            pass: line.text("pass"),
            name: line.text("turn"),
            cpus: cpus,
            list: list,
            interruptsOff: line.value("interrupts_off").map(String.init)
        )
    }

    private mutating func endTurn() {
        guard let open = turn else { return }
        turn = nil
        let interruptsOff: String? =
            switch open.interruptsOff {
            case "region": "interrupts off, region by region"
            case "turn": "interrupts off"
            default: nil
            }
        var details = [HostTrace.Detail(name: "cpus", value: open.list)]
        if let word = open.interruptsOff { details.append(.init(name: "interrupts_off", value: word)) }
        trace.slices.append(.init(track: .passes, name: open.name, times: open.start..<now, depth: 1, details: details))
        trace.turns.append(
            .init(
                name: open.name,
                pass: open.pass,
                interruptsOff: interruptsOff,
                times: open.start..<now,
                cpus: open.cpus
            )
        )
    }

    /// - Parameter line: its end, with what came of it; nil if it was given up.
    private mutating func endPass(_ line: EventLine? = nil) {
        endTurn()
        guard let open = pass else { return }
        pass = nil
        trace.slices.append(
            .init(track: .passes, name: open.name, times: open.start..<now, details: line?.details ?? [])
        )
    }

    private mutating func endPending() {
        guard let open = pending else { return }
        pending = nil
        trace.slices.append(.init(track: .requests, name: open.name, times: open.start..<now))
    }

    // MARK: Regions and CPUs

    private mutating func noteCleared(_ line: EventLine) throws(TraceError) {
        let (first, last) = (try line.needed("first"), try line.needed("last"))
        if last < first { throw TraceError("'last' is below 'first'") }
        if cleared.time != now { cleared = (now, 0) }
        cleared.count &+= last - first &+ 1
        note(first == last ? "region \(first) cleared" : "regions \(first)-\(last) cleared")
    }

    private mutating func noteCPU(_ line: EventLine) throws(TraceError) {
        let cpu = try line.needed("cpu")
        guard cpu < UInt64(Topology.cpuLimits.upperBound) else { throw TraceError("there is no CPU \(cpu)") }
        let number = Int(cpu)
        note("CPU \(cpu) \(line.text("online") == "0" ? "offline" : "online")")
        if try line.needed("online") == 0 {
            offline[number] = offline[number] ?? now
        } else {
            // It was offline when the events began, or comes for the first time.
            noteOffline(number, since: offline.removeValue(forKey: number) ?? start ?? now)
        }
    }

    private mutating func noteOffline(_ cpu: Int, since start: UInt64) {
        trace.turns.append(
            .init(
                name: "offline",
                pass: nil,
                interruptsOff: nil,
                times: start..<now,
                cpus: CPUSet(cpu..<(cpu + 1), limit: Topology.cpuLimits.upperBound)
            )
        )
    }
}

/// An event that cannot be drawn.
struct TraceError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension EventLine {
    /// A field's text; a question mark if there is none.
    fileprivate func text(_ field: String) -> String { value(field).map(String.init) ?? "?" }

    fileprivate func needed(_ field: String) throws(TraceError) -> UInt64 {
        guard let number = number(field) else { throw TraceError("there is no number '\(field)='") }
        return number
    }

    /// All fields.
    fileprivate var details: [HostTrace.Detail] {
        event.split(separator: " ").dropFirst().compactMap { word in
            guard let mark = word.firstIndex(of: "=") else { return nil }
            return .init(name: String(word[..<mark]), value: String(word[word.index(after: mark)...]))
        }
    }

    /// What follows `field=`, to the end of the line.
    fileprivate func rest(_ field: String) -> String? {
        guard let place = event.firstRange(of: " \(field)=") else { return nil }
        return String(event[place.upperBound...])
    }
}
