// SPDX-License-Identifier: Apache-2.0
// What others see while somebody's write takes long: the state before it, or a moment on its way, never half of it; and
// that looking changes nothing.

import Glibc
import RMPModel
import Synchronization
import Testing

@testable import RMPFS

@Suite struct LongWriteTests {
    /// Everything that a small host tells of itself.
    private static let files = [
        "rmpsim/clock", "rmpopt/reenable", "debug/rmpopt/rmpopt-table", "debug/rmpopt/cpu1", "debug/rmpopt/blockers",
        "debug/rmpopt/metrics", "debug/rmpopt/passes", "debug/rmpopt/schedule", "debug/rmpopt/log",
    ]

    private static func host(piece: Int, inPlace: Int, series: Series = .v1) throws -> Host {
        let configuration = try MachineConfiguration(cpus: 4, memoryBytes: 16 << 30, series: series)
        return Host(configuration, limits: SharedMachine.Limits(piece: piece, inPlace: inPlace))
    }

    private static func everything(_ host: Host) -> [String] {
        let names = (try? host.root.folder("rmpsim/guests").names.sorted()) ?? []
        let guests = names.flatMap { name in
            ["state", "asid", "regions", "convert"].map { "rmpsim/guests/\(name)/\($0)" }
        }
        return (files + guests).map { path in
            do { return "\(path): \(try host.read(path))" } catch { return "\(path): \(error)" }
        }
    }

    /// Calls `body` between the pieces of all long writes on this thread.
    private static func betweenPieces(_ host: Host, _ body: @escaping @Sendable () -> Void) {
        host.engine.host.betweenPieces.withLock { $0 = body }
    }

    @Test func aLaunchIsSeenBeforeOrAfter() throws {
        let host = try Self.host(piece: 64, inPlace: 64)
        try host.makeGuest("vm", memory: "4G")
        let before = Self.everything(host)
        let seen = Box<[[String]]>([])
        Self.betweenPieces(host) { seen.value += [Self.everything(host)] }
        try host.write("rmpsim/guests/vm/state", "running")
        #expect(seen.value == [before])
        #expect(try host.read("rmpsim/guests/vm/state") == "running\n")
        seen.value = []
        let running = Self.everything(host)
        try host.write("rmpsim/guests/vm/convert", "shared 0 2G")
        #expect(seen.value == [running])
        seen.value = []
        // What is refused is refused as without a copy, and leaves nothing but its line in the log.
        try host.makeGuest("large", memory: "15G")
        let full = Self.everything(host)
        #expect(host.refusal("rmpsim/guests/large/state", "running") == .noSpace)
        #expect(seen.value == [full])
        let after = Self.everything(host)
        #expect(zip(full, after).filter { $0 != $1 }.map(\.1).allSatisfy { $0.hasPrefix("debug/rmpopt/log: ") })
    }

    /// Between the pieces of a step of the clock, each reader is told a moment, and what is told is what a machine that
    /// was only brought there tells.
    @Test func momentsOnTheWay() throws {
        let host = try Self.host(piece: 50, inPlace: 1 << 40)
        // Two that end together, and one that goes on by itself.
        for (name, memory) in [("a", "1G"), ("b", "1G"), ("c", "6G")] {
            try host.makeGuest(name, memory: memory)
            try host.write("rmpsim/guests/\(name)/state", "running")
        }
        for name in ["a", "b", "c"] { try host.write("rmpsim/guests/\(name)/state", "stopped") }
        try host.write("rmpopt/reenable", "1")
        let reference = try host.engine.look { machine throws(Errno) in Box(copy machine) }
        let moments = Box<[UInt64]>([])
        let differences = Box<[String]>([])
        Self.betweenPieces(host) {
            do throws(Errno) {
                let now = try host.engine.now()
                moments.value += [now]
                reference.value.advance(to: now)
                let expected = (0..<16).map { reference.value.assignedPages(ofRegion: $0) }
                let bits = (0..<16).map { reference.value.optimizedCoreCount(ofRegion: $0) }
                try host.engine.look { machine throws(Errno) in
                    // What is due at this very moment may come yet.
                    var settled = copy machine
                    settled.advance(to: now)
                    if (0..<16).map({ settled.assignedPages(ofRegion: $0) }) != expected
                        || (0..<16).map({ settled.optimizedCoreCount(ofRegion: $0) }) != bits
                    {
                        differences.value += ["at \(now)"]
                    }
                }
            } catch {
                differences.value += ["\(error)"]
            }
        }
        let before = try host.engine.now()
        try host.write("rmpsim/clock", "+1h")
        #expect(differences.value == [])
        #expect(moments.value.count >= 10)
        #expect(moments.value == moments.value.sorted() && Set(moments.value).count > moments.value.count / 2)
        let last = try host.engine.now()
        #expect(last == before + 3_600_000_000_000)
        #expect(moments.value.allSatisfy { before...last ~= $0 })
    }

    /// Random writes on three hosts: one does all in place, one in small pieces and on copies, one does that while
    /// everything is read between the pieces. All three must answer and end the same.
    @Test(arguments: [Series.v1, .v2, .v8]) func lookingChangesNothing(_ series: Series) throws {
        var random = Random(seed: testSeed)
        let hosts = [
            try Self.host(piece: .max, inPlace: .max, series: series),
            try Self.host(piece: 37, inPlace: 20, series: series),
            try Self.host(piece: 37, inPlace: 20, series: series),
        ]
        let names = ["a", "b", "c", "d", "e"]
        for host in hosts { for name in names { try host.root.folder("rmpsim/guests").mkdir(name) } }
        let looks = Box(0)
        let watched = hosts[2]
        Self.betweenPieces(watched) {
            _ = Self.everything(watched)
            looks.value += 1
        }
        for number in 0..<400 {
            let name = names[Int(random.next() % 5)]
            let guest = "rmpsim/guests/\(name)"
            let write: (path: String, text: String) =
                switch random.next() % 12 {
                case 0, 1: (guest + "/memory", "\(random.next() % 5_000)M")
                case 2: (guest + "/page_size", ["4K", "2M", "1G"][Int(random.next() % 3)])
                case 3: (guest + "/placement", ["packed", "aligned", "scattered 7"][Int(random.next() % 3)])
                case 4, 5, 6: (guest + "/state", "running")
                case 7, 8: (guest + "/state", "stopped")
                case 9:
                    (guest + "/convert", "\(random.chance(2) ? "shared" : "private") 0 \(random.next() % 4_000 * 4)K")
                case 10: ("rmpopt/reenable", "1")
                default: ("rmpsim/clock", "+\(random.next() % 400)\(random.chance(3) ? "ms" : "us")")
                }
            let answers = hosts.map { $0.refusal(write.path, write.text) }
            try #require(Set(answers).count == 1, "seed \(testSeed), write \(number): \(write): \(answers)")
            if number % 20 == 0 || number == 399 {
                let texts = hosts.map(Self.everything)
                for number in 0..<texts[0].count {
                    let (one, expected) = (texts[0][number], texts[1][number])
                    try #require(one == expected && one == texts[2][number], "seed \(testSeed), write \(number)")
                }
            }
        }
        #expect(looks.value > 50, "seed \(testSeed)")
    }

    /// Whoever only looks is served while a write is under way; a second write comes behind the first.
    @Test(.timeLimit(.minutes(1))) func othersMeanwhile() throws {
        let host = try Self.host(piece: 64, inPlace: 64)
        try host.makeGuest("vm", memory: "4G")
        let second = Atomic<Bool>(false)
        let states = Box<[String]>([])
        let order = Box<[String]>([])
        let lock = Lock()
        inThreads(2) { number in
            if number == 0 {
                Self.betweenPieces(host) {
                    // On another thread than the one that has the turn, too.
                    inThreads(3) { _ in
                        let state = (try? host.read("rmpsim/guests/vm/state")) ?? "nothing"
                        lock.run { states.value += [state] }
                    }
                    lock.run { order.value += ["looked"] }
                    second.store(true, ordering: .releasing)
                }
                try? host.write("rmpsim/guests/vm/state", "running")
                lock.run { order.value += ["first"] }
            } else {
                while !second.load(ordering: .acquiring) { usleep(100) }
                try? host.write("rmpsim/guests/vm/state", "stopped")
            }
        }
        #expect(states.value == ["stopped\n", "stopped\n", "stopped\n"])
        #expect(order.value.first == "looked")
        #expect(try host.read("rmpsim/guests/vm/state") == "ending\n")
    }

    /// Those who wait for a lock come first when its holder gives way.
    @Test(.timeLimit(.minutes(1))) func givingWay() {
        let lock = TurnLock(0)
        let rounds = 200
        inThreads(3) { number in
            if number == 0 {
                for _ in 0..<rounds {
                    lock.withLock { (count: inout Int) in
                        count += 1
                        usleep(200)
                    }
                    lock.giveWay()
                }
            } else {
                for _ in 0..<rounds { lock.withLock { (count: inout Int) in count += 1 } }
            }
        }
        #expect(lock.withLock { (count: inout Int) in count } == 3 * rounds)
    }
}
