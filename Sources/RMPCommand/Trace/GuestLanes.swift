// SPDX-License-Identifier: Apache-2.0
// Guests as rows of a picture: as many rows as there were guests at once, not as many as there were guests.

/// Which guest is drawn where.
///
/// A guest takes the row in which one of its name was last, if nobody is there, or else the first free one.
struct GuestLanes {
    private struct Life {
        let name: String
        let lane: Int
        let start: UInt64
        var state: (name: String, start: UInt64)?
        /// Whether it has been removed: another may have its name now.
        var isRemoved = false
    }

    /// Those that exist, or still end.
    private var lives: [Life] = []
    private var taken: [Bool] = []
    private var last: [String: Int] = [:]

    /// Takes an event about a guest.
    /// - Parameter cleared: how many regions were cleared at this moment.
    mutating func add(_ line: EventLine, at now: UInt64, cleared: UInt64, _ trace: inout HostTrace) {
        let name = line.guest ?? "?"
        switch line.name {
        case "guest_create": begin(name, at: now, &trace)
        case "guest_remove":
            let place = place(of: name, at: now, &trace) { !$0.isRemoved }
            if line.value("ending") == "1" { lives[place].isRemoved = true } else { end(place, at: now, &trace) }
        case "inode_free":
            let place = place(of: name, at: now, &trace) { $0.state?.name == Self.ending }
            trace.moments.append(.init(track: .guests(lane: lives[place].lane), name: "inode freed", time: now))
        default: change(name, to: line.value("state").map(String.init) ?? "?", at: now, cleared, &trace)
        }
    }

    /// Ends all slices.
    mutating func finish(at now: UInt64, _ trace: inout HostTrace) {
        while !lives.isEmpty { end(0, at: now, &trace) }
    }

    private static let (running, ending, stopped) = ("running", "teardown", "stopped")

    private mutating func change(
        _ name: String,
        to word: String,
        at now: UInt64,
        _ cleared: UInt64,
        _ trace: inout HostTrace
    ) {
        let state = word == "ending" ? Self.ending : word
        // Events have names, not numbers: of two that end under one name, the older one has been removed.
        let place = place(of: name, at: now, &trace) { state == Self.stopped || !$0.isRemoved }
        endState(place, at: now, &trace)
        if state == Self.stopped {
            if lives[place].isRemoved { end(place, at: now, &trace) }
            return
        }
        lives[place].state = (state, now)
        if state != Self.running { return }
        let details = cleared == 0 ? [] : [HostTrace.Detail(name: "regions_cleared", value: String(cleared))]
        trace.moments.append(
            .init(track: .guests(lane: lives[place].lane), name: "launch", time: now, details: details)
        )
    }

    /// The oldest of a name that will do; one that begins now where the events do not have its beginning.
    private mutating func place(
        of name: String,
        at now: UInt64,
        _ trace: inout HostTrace,
        _ fits: (Life) -> Bool
    ) -> Int {
        if let place = lives.firstIndex(where: { $0.name == name && fits($0) }) { return place }
        begin(name, at: now, &trace)
        return lives.count - 1
    }

    private mutating func begin(_ name: String, at now: UInt64, _ trace: inout HostTrace) {
        var lane = taken.firstIndex(of: false) ?? taken.count
        if let old = last[name], !taken[old] { lane = old }
        if lane == taken.count {
            taken.append(true)
            trace.lanes.append([])
        }
        taken[lane] = true
        last[name] = lane
        if !trace.lanes[lane].contains(name) { trace.lanes[lane].append(name) }
        lives.append(Life(name: name, lane: lane, start: now))
    }

    private mutating func endState(_ place: Int, at now: UInt64, _ trace: inout HostTrace) {
        guard let state = lives[place].state else { return }
        lives[place].state = nil
        let track = HostTrace.Track.guests(lane: lives[place].lane)
        trace.slices.append(.init(track: track, name: state.name, times: state.start..<now, depth: 1))
    }

    private mutating func end(_ place: Int, at now: UInt64, _ trace: inout HostTrace) {
        endState(place, at: now, &trace)
        let life = lives.remove(at: place)
        taken[life.lane] = false
        trace.slices.append(.init(track: .guests(lane: life.lane), name: life.name, times: life.start..<now))
    }
}
