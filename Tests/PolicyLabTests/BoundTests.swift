// SPDX-License-Identifier: Apache-2.0
// The bound, which no placement beats, on small hosts at random, most of them so full that guests are refused: against
// every allocator with the guests that it launched, and with those that were asked for.

import RMPModel
import Testing

@testable import PolicyLab

@Suite struct BoundTests {
    /// A host that remembers who was launched, and that can be asked only for some.
    private struct Watched<Host: WorkloadHost>: WorkloadHost {
        var host: Host
        var only: Set<Int>?
        var launched: Set<Int> = []
        var firstRefused: Int?

        init(_ host: Host, only: Set<Int>? = nil) {
            self.host = host
            self.only = only
        }

        mutating func start(_ number: Int, _ spec: GuestSpec, at time: UInt64) -> Bool {
            if let only, !only.contains(number) { return false }
            if host.start(number, spec, at: time) {
                launched.insert(number)
                return true
            }
            firstRefused = firstRefused ?? number
            return false
        }

        mutating func end(_ number: Int, at time: UInt64) { host.end(number, at: time) }
        mutating func convert(_ number: Int, _ pages: Range<Int>, toPrivate: Bool, at time: UInt64) {
            host.convert(number, pages, toPrivate: toPrivate, at: time)
        }
        mutating func tick(at time: UInt64) { host.tick(at: time) }
        mutating func beginMeasuring(at time: UInt64) { host.beginMeasuring(at: time) }
        mutating func finish(at time: UInt64) { host.finish(at: time) }
        var tally: HostTally { host.tally }
    }

    /// A host and what comes to it.
    private struct Trial {
        let outline: HostOutline
        var settings: LabHost.Settings
        let guests: [GuestSpec]
        let conversions: Conversions
        static let end: UInt64 = 200_000_000_000

        init(_ random: inout PolicyLab.Random) throws {
            let gigabytes = 8 + random.next(below: 17)
            outline = Machine(try MachineConfiguration(cpus: 8, memoryBytes: UInt64(gigabytes) << 30)).outline()
            let backings = [Backing.size4K, .size2M, .size1G]
            settings = LabHost.Settings(
                trigger: Trigger(random.chance(2) ? .v10 : .merged),
                backing: (backings[random.next(below: 3)], backings[random.next(below: 3)]),
                hostShare: [0, 0.02, 0.1][random.next(below: 3)],
                start: random.chance(2) ? 0 : 20_000_000_000,
                step: 10_000_000_000
            )
            // From a host that nothing fills to one that is asked for several times its memory.
            let count = 5 + random.next(below: 60)
            let most = 1 + random.next(below: gigabytes << 17)
            guests = (0..<count)
                .map { _ in
                    GuestSpec(
                        arrival: UInt64(random.next(below: Int(Trial.end))),
                        lifetime: random.chance(4) ? nil : 1 + UInt64(random.next(below: Int(Trial.end) / 2)),
                        pages: 1 + random.next(below: random.chance(2) ? most : 20_000),
                        isSNP: random.chance(2),
                        vcpus: 1 + random.next(below: 8)
                    )
                }
                .sorted { $0.arrival < $1.arrival }
            conversions = Conversions(perHour: random.chance(2) ? 0 : 500, size: 6 << 20, hold: 5_000_000_000)
        }

        func play<Host: WorkloadHost>(_ host: Host, only: Set<Int>? = nil) throws -> Watched<Host> {
            var run = HostRun(
                host: Watched(host, only: only),
                guests: guests,
                conversions: conversions,
                period: nil,
                start: settings.start,
                end: Trial.end,
                seed: 7
            )
            let tally = run.run(goesOn: { true })
            try #require(tally != nil)
            return run.host
        }
    }

    /// The sums of every step of the timeline.
    private static func steps(_ tally: HostTally) -> [[UInt128]] {
        tally.integrals.steps + [tally.integrals.lastStep.sums]
    }

    @Test(arguments: allocators)
    func noPlacementBeatsTheBound(allocator: String) throws {
        var random = PolicyLab.Random(seed: testSeed)
        var (full, alike) = (0, 0)
        for number in 0..<60 {
            let trial = try Trial(&random)
            let policy = policy(allocator, seed: UInt64(number))
            let lab = try trial.play(
                LabHost(trial.outline, costs: .standard, policy: policy, settings: trial.settings)
            )
            let about = "trial \(number), seed \(testSeed)"
            // The guests that it launched: none of them is refused, and the sums are those of its `optimum_share`.
            let same = try trial.play(BoundHost(trial.outline, settings: trial.settings), only: lab.launched)
            try #require(same.firstRefused == nil && same.launched == lab.launched, "\(about)")
            for (placed, best) in zip(Self.steps(lab.tally), Self.steps(same.tally)) {
                func sum(_ quantity: Quantity) -> UInt128 { placed[quantity.rawValue] }
                func most(_ quantity: Quantity) -> UInt128 { best[quantity.rawValue] }
                try #require(sum(.fast) + sum(.unscanned) <= most(.fast), "\(about)")
                try #require(sum(.optimum) == most(.fast) && sum(.fewestLost) == most(.lostRegions), "\(about)")
                try #require(sum(.ordinary) == most(.ordinary) && sum(.snp) == most(.snp), "\(about)")
                try #require(sum(.lostRegions) >= most(.lostRegions), "\(about)")
            }
            // All guests: up to its first refusal no placement refuses fewer.
            let all = try trial.play(BoundHost(trial.outline, settings: trial.settings))
            if let refused = all.firstRefused { try #require((lab.firstRefused ?? .max) <= refused, "\(about)") }
            if lab.firstRefused != nil { full += 1 }
            if lab.launched == all.launched { alike += 1 }
        }
        #expect(full >= 10 && alike >= 5, "\(full) full, \(alike) with the same guests: seed \(testSeed)")
    }
}
