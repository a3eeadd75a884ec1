// SPDX-License-Identifier: Apache-2.0
// The host behind `optimum`: it counts memory and never says where that lies, so that no placement is better.

import RMPModel

/// What a workload is played to.
protocol WorkloadHost {
    /// Launches a guest.
    ///
    /// - Returns: whether it runs; otherwise it was refused.
    mutating func start(_ number: Int, _ spec: GuestSpec, at time: UInt64) -> Bool
    /// Ends a guest.
    mutating func end(_ number: Int, at time: UInt64)
    /// A running SNP guest makes some of its pages shared, or what it has shared private again.
    mutating func convert(_ number: Int, _ pages: Range<Int>, toPrivate: Bool, at time: UInt64)
    /// A request by the clock.
    mutating func tick(at time: UInt64)
    /// Measures from `time` on.
    mutating func beginMeasuring(at time: UInt64)
    /// Ends the measurement at `time`.
    mutating func finish(at time: UInt64)
    /// What was measured.
    var tally: HostTally { get }
}

extension LabHost: WorkloadHost {
    mutating func start(_ number: Int, _ spec: GuestSpec, at time: UInt64) -> Bool {
        launch(number, spec, at: time) != nil
    }
}

/// A host whose memory lies at each moment as it is best for the guests that run.
///
/// It refuses a guest only when no placement could launch it beside those that run: when pages, in whole folios, or
/// ASIDs are too few. The pages and the ASID of a guest that ends are free at once. So whatever guests a host of the
/// lab has launched, this one can have launched too, and it has at least as much fast memory then.
struct BoundHost: WorkloadHost {
    private struct Guest {
        let isSNP: Bool
        let pages: Int
        /// What it holds: its pages in whole folios, and its control pages.
        let held: Int
        let control: Int
        var shared = 0..<0
    }

    private let bound: Bound
    private let asids: Int
    private let cores: UInt64
    private let backing: (snp: Backing, ordinary: Backing)
    private var integrals: Integrals
    private var guests: [Int: Guest] = [:]
    private var snpGuests = 0
    private var assignedPages = 0
    private var freePages: Int
    private let cacheShare: Double
    private var cachedPages = 0
    private var refused = 0
    private var launched = 0

    /// - Parameter outline: the booted machine.
    init(_ outline: HostOutline, settings: LabHost.Settings) {
        bound = Bound(outline)
        asids = outline.asids
        cores = UInt64(outline.cores)
        backing = settings.backing
        integrals = Integrals(start: settings.start, width: settings.step)
        let own = Int(Double(outline.memory.usablePages) * settings.hostShare)
        freePages = outline.memory.usablePages - own
        integrals[.ordinary] = UInt64(own)
        cacheShare = settings.cacheShare
        update()
    }

    mutating func start(_ number: Int, _ spec: GuestSpec, at time: UInt64) -> Bool {
        integrals.advance(to: time)
        let isSNP = spec.isSNP ?? false
        let control = isSNP ? 2 + spec.vcpus : 0
        let folio = Int((isSNP ? backing.snp : backing.ordinary).bytes >> 12)
        let held = (spec.pages + folio - 1) / folio * folio + control
        if held > freePages + cachedPages || isSNP && snpGuests >= asids {
            refused += 1
            return false
        }
        // As a host's page cache gives way: the oldest of it, more than is needed.
        while held > freePages { cache(-PageCache.step(wanted: held, pages: cachedPages)) }
        guests[number] = Guest(isSNP: isSNP, pages: spec.pages, held: held, control: control)
        freePages -= held
        launched += 1
        integrals[.guests] += 1
        if isSNP {
            snpGuests += 1
            assignedPages += spec.pages + control
            integrals[.snp] += UInt64(spec.pages)
        } else {
            integrals[.ordinary] += UInt64(spec.pages)
        }
        update()
        return true
    }

    mutating func end(_ number: Int, at time: UInt64) {
        guard let guest = guests.removeValue(forKey: number) else { return }
        integrals.advance(to: time)
        freePages += guest.held
        integrals[.guests] -= 1
        if guest.isSNP {
            snpGuests -= 1
            assignedPages -= guest.pages - guest.shared.count + guest.control
            integrals[.snp] -= UInt64(guest.pages)
        } else {
            integrals[.ordinary] -= UInt64(guest.pages)
        }
        update()
    }

    mutating func convert(_ number: Int, _ pages: Range<Int>, toPrivate: Bool, at time: UInt64) {
        guard let guest = guests[number], guest.isSNP, toPrivate || guest.shared.isEmpty else { return }
        integrals.advance(to: time)
        let shared = toPrivate ? 0..<0 : pages.clamped(to: 0..<guest.pages)
        assignedPages += guest.shared.count - shared.count
        guests[number]?.shared = shared
        update()
    }

    /// No pass is needed.
    mutating func tick(at time: UInt64) {}

    mutating func beginMeasuring(at time: UInt64) {
        launched = 0
        refused = 0
    }

    mutating func finish(at time: UInt64) { integrals.advance(to: time) }

    /// The page cache takes free pages, or gives them back.
    private mutating func cache(_ pages: Int) {
        cachedPages += pages
        freePages -= pages
        integrals[.ordinary] &+= UInt64(bitPattern: Int64(pages))
    }

    /// The page cache grows, and the bound is that of what there is now.
    private mutating func update() {
        cache(PageCache.growth(share: cacheShare, pages: cachedPages, free: freePages))
        let ordinary = integrals[.ordinary]
        let best = bound.best(assigned: assignedPages, ordinary: ordinary)
        integrals[.optimum] = best.fast
        integrals[.fast] = best.fast
        integrals[.neighbour] = ordinary * cores - best.fast
        integrals[.fewestLost] = best.lost
        integrals[.lostRegions] = best.lost
        integrals[.free] = UInt64(freePages)
    }

    var tally: HostTally {
        HostTally(
            integrals: integrals,
            counts: PassCounts(),
            recoveries: [],
            unrecovered: 0,
            launched: launched,
            refused: refused
        )
    }
}
