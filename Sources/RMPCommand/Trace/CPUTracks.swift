// SPDX-License-Identifier: Apache-2.0
// Which CPUs have a row of their own in a picture, and which share one: pictures of thousands of CPUs and passes stay
// small enough for a browser.

import RMPModel

/// The rows of CPUs.
struct CPUTracks {
    /// One row.
    struct Track {
        /// Its CPUs, as a list.
        let list: String
        let first: Int
        let count: Int
        /// The turns in it, by their place in the trace.
        let turns: [Int]
    }

    /// How rows were made.
    enum Form: String {
        /// Each CPU has one.
        case each = "each CPU has a track"
        /// CPUs that did the same throughout have one.
        case alike = "CPUs that did the same share a track"
        /// There is one for all.
        case all = "all CPUs share a track"
    }

    let form: Form
    let tracks: [Track]

    /// So many slices of CPUs are drawn at most: 20 MB, which browsers open in some seconds.
    static let most = 200_000

    /// - Parameter most: how many slices there may be.
    init(_ trace: HostTrace, most: Int = Self.most) {
        // Passes mostly have the same CPUs: sets are compared, not turns.
        var numbers: [CPUSet: Int] = [:]
        let setOfTurn = trace.turns.map { turn in
            let next = numbers.count
            return numbers[turn.cpus]
                ?? {
                    numbers[turn.cpus] = next
                    return next
                }()
        }
        var setsOfCPU: [Int: [Int]] = [:]
        for (set, number) in numbers.sorted(by: { $0.value < $1.value }) {
            set.forEachRun { run in
                for cpu in run { setsOfCPU[cpu, default: []].append(number) }
            }
        }
        let cpusOfSets = Dictionary(grouping: setsOfCPU.keys.sorted()) { setsOfCPU[$0] ?? [] }
        func slices(_ turns: some Sequence<Int>) -> Int {
            turns.reduce(0) { $0 + (trace.turns[$1].interruptsOff == nil ? 1 : 2) }
        }
        func turns(_ sets: [Int]) -> [Int] {
            let sets = Set(sets)
            return trace.turns.indices.filter { sets.contains(setOfTurn[$0]) }
        }
        let groups = cpusOfSets.map { (cpus: $0.value, turns: turns($0.key)) }.sorted { $0.cpus[0] < $1.cpus[0] }
        let each = groups.reduce(0) { $0 + $1.cpus.count * slices($1.turns) }
        let alike = groups.reduce(0) { $0 + slices($1.turns) }
        if each <= most {
            form = .each
            tracks =
                groups.flatMap { group in group.cpus.map { Self.track([$0], group.turns) } }
                .sorted { $0.first < $1.first }
        } else if alike <= most {
            form = .alike
            tracks = groups.map { Self.track($0.cpus, $0.turns) }
        } else {
            form = .all
            tracks = [Self.track(setsOfCPU.keys.sorted(), Array(trace.turns.indices))]
        }
    }

    private static func track(_ cpus: [Int], _ turns: [Int]) -> Track {
        var set = CPUSet(limit: Topology.cpuLimits.upperBound)
        for cpu in cpus { set.insert(cpu) }
        return Track(list: list(set), first: cpus.first ?? 0, count: cpus.count, turns: turns)
    }

    /// Turns of one row in their order. A CPU has one at a time; but it can go offline in the middle of a pass, and has
    /// no turn then: slices of a row lie apart.
    static func apart(_ turns: [HostTrace.Turn]) -> [HostTrace.Turn] {
        let offline = turns.filter { $0.pass == nil }.sorted { $0.times.lowerBound < $1.times.lowerBound }
        var all = offline
        for turn in turns where turn.pass != nil {
            var start = turn.times.lowerBound
            func add(until end: UInt64) {
                var part = turn
                part.times = start..<end
                all.append(part)
            }
            for other in offline where other.times.overlaps(turn.times) {
                if start < other.times.lowerBound { add(until: other.times.lowerBound) }
                start = other.times.upperBound
            }
            if start < turn.times.upperBound { add(until: turn.times.upperBound) }
        }
        return all.sorted { $0.times.lowerBound < $1.times.lowerBound }
    }

    static func list(_ cpus: CPUSet) -> String { String(decoding: CPUList.format(cpus), as: UTF8.self) }
}
