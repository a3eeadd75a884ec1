// SPDX-License-Identifier: Apache-2.0
// The lab's sums against the machine's pages: both are driven through the same steps, and must agree on every region
// and on everything that passes have cost, at every step, for every version.

import RMPModel
import Testing

@testable import PolicyLab

@Suite struct AgreementTests {
    private struct Pair {
        var machine: Machine
        var host: LabHost
        let start: UInt64
        let before: PassTotals
        let passesBefore: UInt64
        var ids: [Int: GuestID] = [:]
        var pages: [Int: Int] = [:]

        init(_ series: Series, _ allocator: String, _ backing: Backing, seed: UInt64, gigabytes: UInt64) throws {
            machine = Machine(try MachineConfiguration(cpus: 8, memoryBytes: gigabytes << 30, series: series))
            start = machine.now
            before = machine.passTotals
            passesBefore = machine.passCount
            host = LabHost(
                machine.outline(),
                costs: .standard,
                policy: LowestControls(other: policy(allocator, seed: seed)),
                settings: LabHost.Settings(trigger: Trigger(series), backing: (backing, .size2M))
            )
        }

        mutating func launch(_ number: Int, pages count: Int, vcpus: Int, isSNP: Bool, at time: UInt64) throws {
            let spec = GuestSpec(arrival: time, lifetime: nil, pages: count, isSNP: isSNP, vcpus: vcpus)
            let runs = host.launch(number, spec, at: time)
            let backing = isSNP ? host.snpBacking : .size2M
            machine.advance(to: start + time)
            guard let runs else { return }
            let guest = GuestDescription(
                "\(number)",
                memoryBytes: UInt64(count) << 12,
                backing: backing,
                placement: .ranges(runs.map { Range(raw: $0.bytes) }),
                vcpus: vcpus,
                type: isSNP ? .snp : .ordinary
            )
            let id = try machine.launch(guest)
            ids[number] = id
            if isSNP { pages[number] = count }
        }

        mutating func end(_ number: Int, at time: UInt64) throws {
            host.end(number, at: time)
            if let id = ids[number] { try machine.perform(.removeGuest(id), at: start + time) }
            ids[number] = nil
            pages[number] = nil
        }

        mutating func convert(_ number: Int, _ range: Range<Int>, toPrivate: Bool, at time: UInt64) throws {
            guard let id = ids[number] else { return }
            host.convert(number, range, toPrivate: toPrivate, at: time)
            let bytes = UInt64(range.lowerBound) << 12..<UInt64(range.upperBound) << 12
            try machine.perform(.convert(id, gpa: Range(raw: bytes), toPrivate: toPrivate), at: start + time)
        }

        mutating func advance(to time: UInt64) {
            host.advance(to: time)
            machine.advance(to: start + time)
        }

        /// Pages of ordinary guests in the machine, by region.
        private var ordinaryPages: [UInt64] {
            var counts = [UInt64](repeating: 0, count: machine.regionCount)
            for id in machine.guestIDs {
                guard let guest = machine.guest(id), guest.type == .ordinary else { continue }
                for start in stride(from: 0, to: guest.memoryBytes, by: 2 << 20) {
                    let pages = min(512, (guest.memoryBytes - start) >> 12)
                    if let spa = machine.spa(ofGuest: id, gpa: GPA(start)) { counts[Int(spa.rawValue >> 30)] += pages }
                }
            }
            return counts
        }

        /// What they disagree about.
        var difference: String? {
            let (free, expected) = (UInt64(host.memory.freePages) << 12, machine.freeMemory)
            if free != expected { return "\(free) bytes free in the lab, \(expected) in the machine" }
            let ordinary = ordinaryPages
            for region in 0..<machine.regionCount {
                if host.ordinaryPages(ofRegion: region) != ordinary[region] {
                    let counts = "\(host.ordinaryPages(ofRegion: region)) ordinary pages, \(ordinary[region])"
                    return "region \(region): \(counts)"
                }
                let (left, right) = (
                    host.optimizedCoreCount(ofRegion: region), machine.optimizedCoreCount(ofRegion: region)
                )
                if left != right { return "region \(region): \(left) cores in the lab, \(right) in the machine" }
                let guests = machine.blockers(ofRegion: region).reduce(0) { sum, blocker in
                    if case .guest = blocker.owner { sum + blocker.pages } else { sum }
                }
                // Context and response pages are firmware's in the machine.
                let mine = host.assignedPages(ofRegion: region)
                if guests > mine || mine > guests + 2 * 64 { return "region \(region): \(mine) pages, \(guests)" }
            }
            if host.nextDue != (machine.nextDue.map { $0 - start } ?? .max) {
                // A kernel thread goes to sleep in the machine: nothing that the lab must do.
                if machine.passIsRunning || machine.pendingPass != nil {
                    return "due at \(host.nextDue) in the lab, \(String(describing: machine.nextDue)) - \(start)"
                }
            }
            let (mine, totals) = (host.passCounts, machine.passTotals)
            if machine.passIsRunning { return nil }
            if mine.passes != machine.passCount - passesBefore {
                return "\(mine.passes) passes, \(machine.passCount - passesBefore)"
            }
            if mine.executions != totals.executions - before.executions { return "executions" }
            if mine.executionsInVain != totals.executionsInVain - before.executionsInVain { return "in vain" }
            if mine.broadcasts != totals.broadcasts - before.broadcasts { return "broadcasts" }
            if mine.interrupts != totals.interrupts - before.interrupts { return "interrupts" }
            if mine.stolenTime != totals.stolenNanoseconds - before.stolenNanoseconds { return "stolen time" }
            if mine.passes > 0
                && max(mine.interruptsOffMax, before.interruptsOffNanoseconds) != totals.interruptsOffNanoseconds
            {
                return "interrupts off"
            }
            return nil
        }
    }

    /// Steps of all sizes: within a chunk's return, within a pass, within a delay.
    private static func pause(_ random: inout PolicyLab.Random) -> UInt64 {
        let longest: [UInt64] = [200, 50_000, 2_000_000, 300_000_000, 20_000_000_000]
        return UInt64(random.next(below: Int(longest[random.next(below: longest.count)])))
    }

    @Test(arguments: Series.all.map(\.name))
    func agreesAtEveryStep(version: String) throws {
        let series = try #require(Series.named(version))
        for seed in 0..<2 {
            let seed = testSeed &+ UInt64(seed)
            var random = PolicyLab.Random(seed: seed)
            // Allocators with lists of their own would give out the control pages' chunks again.
            let backing = Backing.allCases[random.next(below: 2)]
            let names = allocators.filter { !["buddy", "pool", "scattered"].contains($0) }
            let name = names[random.next(below: names.count)]
            var pair = try Pair(series, name, backing, seed: seed, gigabytes: 12)
            var (time, number) = (UInt64(0), 0)
            var shared: [Int: Range<Int>] = [:]
            for step in 0..<50 {
                time += Self.pause(&random)
                let running = pair.ids.keys.sorted()
                switch random.next(below: running.isEmpty ? 2 : 6) {
                case 0, 1:
                    number += 1
                    let pages = 1 + random.next(below: random.chance(3) ? 700_000 : 6_000)
                    let (vcpus, isSNP) = (1 + random.next(below: 3), !random.chance(3))
                    try pair.launch(number, pages: pages, vcpus: vcpus, isSNP: isSNP, at: time)
                case 2, 3:
                    let guest = running[random.next(below: running.count)]
                    shared[guest] = nil
                    try pair.end(guest, at: time)
                    // Sometimes others end with it.
                    if random.chance(3), let other = pair.ids.keys.min() {
                        shared[other] = nil
                        try pair.end(other, at: time)
                    }
                case 4:
                    // Only SNP guests have pages to convert.
                    let convertible = running.filter { pair.pages[$0] != nil }
                    if convertible.isEmpty { break }
                    let guest = convertible[random.next(below: convertible.count)]
                    if let range = shared[guest] {
                        try pair.convert(guest, range, toPrivate: true, at: time)
                        shared[guest] = nil
                    } else {
                        let pages = pair.pages[guest] ?? 1
                        let first = random.next(below: pages)
                        let range = first..<min(pages, first + 1 + random.next(below: 3_000))
                        try pair.convert(guest, range, toPrivate: false, at: time)
                        shared[guest] = range
                    }
                default: pair.advance(to: time)
                }
                let difference = pair.difference
                try #require(difference == nil, "\(name), \(backing), seed \(seed), step \(step)")
            }
            pair.advance(to: time + 100_000_000_000)
            #expect(pair.difference == nil, "\(name), seed \(seed), at the end")
        }
    }
}
