// SPDX-License-Identifier: Apache-2.0
// One host in virtual time: guests come and go, their memory goes back piece by piece, passes run. Work that is due
// comes in the machine's order: pages that go back, then a region's turn, then a pending pass.

public import RMPModel

/// A host of the lab.
public struct LabHost: Sendable {
    /// The choices of a host.
    public struct Settings: Sendable {
        /// When passes come.
        public var trigger: Trigger
        /// The folios of SNP guests' memory and of everybody else's.
        public var backing: (snp: Backing, ordinary: Backing)
        /// How much memory the host itself holds from the start, as a share of what can be had.
        public var hostShare: Double
        /// The share of otherwise free memory that the page cache grows to.
        public var cacheShare: Double
        /// When measuring begins, in ns.
        public var start: UInt64
        /// The width of a step of the timeline, in ns.
        public var step: UInt64?

        /// A host without memory of its own that is measured from the start.
        public init(
            trigger: Trigger,
            backing: (snp: Backing, ordinary: Backing) = (.size4K, .size2M),
            hostShare: Double = 0,
            cacheShare: Double = 0,
            start: UInt64 = 0,
            step: UInt64? = nil
        ) {
            self.trigger = trigger
            self.backing = backing
            self.hostShare = hostShare
            self.cacheShare = cacheShare
            self.start = start
            self.step = step
        }
    }

    let settings: Settings
    let costs: CostModel
    private let asids: Int
    private let bound: Bound
    var memory: HostMemory
    var policy: any PlacementPolicy
    var table: RegionTable
    var driver: LabDriver
    private var control = ControlPool()
    private var cache: PageCache
    var guests: [Int: LabGuest] = [:]
    var teardowns: [LabTeardown] = []
    /// SNP guests that have an ASID.
    var snpGuests = 0
    /// Assigned pages of SNP guests that run, and the number of all that run.
    private var assignedPages = 0
    var recoveries = Recoveries()
    /// The time, in ns since the host has booted.
    public internal(set) var now: UInt64 = 0
    /// Guests that were refused.
    public private(set) var refused = 0
    /// Guests that were launched.
    public private(set) var launched = 0

    /// - Parameters:
    ///   - outline: the booted machine, with the passes of the trigger's version.
    ///   - costs: how long things take.
    ///   - policy: the allocator.
    public init(_ outline: HostOutline, costs: CostModel, policy: any PlacementPolicy, settings: Settings) {
        self.settings = settings
        self.costs = costs
        self.policy = policy
        asids = outline.asids
        memory = outline.memory
        bound = Bound(outline)
        table = RegionTable(outline, start: settings.start, width: settings.step)
        driver = LabDriver(settings.trigger, outline, costs)
        cache = PageCache(share: settings.cacheShare)
        table.integrals[.free] = UInt64(memory.freePages)
        recoveries = Recoveries(regions: outline.firstAssigned.count)
        let own = Int(Double(memory.usablePages) * settings.hostShare)
        if own > 0, let runs = self.policy.take(MemoryRequest(pages: own, use: .host), from: memory) {
            take(runs, own: own, .host)
        }
        growCache()
        updateBound()
    }

    // MARK: What is asked of a host

    /// Launches a guest; a guest that gets no memory or ASID is refused.
    ///
    /// - Returns: whether it runs; its memory with it, in the order of its guest physical addresses.
    @discardableResult
    public mutating func launch(_ number: Int, _ spec: GuestSpec, at time: UInt64) -> [PageRun]? {
        advance(to: time)
        table.integrals.advance(to: time)
        let isSNP = spec.isSNP ?? false
        let use: MemoryUse = isSNP ? .snp : .ordinary
        let backing = isSNP ? settings.backing.snp : settings.backing.ordinary
        let request = MemoryRequest(pages: spec.pages, use: use, backing: backing, node: spec.node)
        if isSNP && snpGuests >= asids { return refuse() }
        var pages: [Int] = []
        // Control pages come first, unless they could take one of the last whole gigabytes.
        if isSNP && !request.wantsRegions {
            guard let taken = takeControl(spec) else { return refuse() }
            pages = taken
        }
        guard let runs = findMemory(request) else {
            for page in pages { releaseControl(page) }
            return refuse()
        }
        take(runs, own: spec.pages, use)
        if isSNP && request.wantsRegions {
            guard let taken = takeControl(spec) else {
                giveBack(runs, own: spec.pages, use)
                return refuse()
            }
            pages = taken
        }
        var guest = LabGuest(isSNP: isSNP, pages: spec.pages, backing: backing, runs: runs)
        if isSNP {
            guest.control = pages
            snpGuests += 1
            for page in pages { assign(PageRun(first: page, count: 1)) }
            table.assign(runs, pages: spec.pages) { recoveries.lost($0) }
            assignedPages += spec.pages + pages.count
            table.integrals[.snp] += UInt64(spec.pages)
        }
        guests[number] = guest
        launched += 1
        table.integrals[.guests] += 1
        growCache()
        updateBound()
        return runs
    }

    /// Ends a guest; one that was refused is not there.
    public mutating func end(_ number: Int, at time: UInt64) {
        advance(to: time)
        guard let guest = guests[number], !teardowns.contains(where: { $0.guest == number }) else { return }
        table.integrals.advance(to: time)
        table.integrals[.guests] -= 1
        if !guest.isSNP {
            giveBack(guest.runs, own: guest.pages, .ordinary)
            guests[number] = nil
            growCache()
            updateBound()
            return
        }
        recoveries.begin(number, at: time)
        for page in guest.control { returnControl(page, number) }
        assignedPages -= guest.pages - guest.shared.count + guest.control.count
        table.integrals[.snp] -= UInt64(guest.pages)
        updateBound()
        var teardown = LabTeardown(guest: number, asked: time)
        schedule(&teardown, guest, after: time)
        let place = teardowns.firstIndex { ($0.due, $0.guest) > (teardown.due, number) } ?? teardowns.count
        teardowns.insert(teardown, at: place)
        switch settings.trigger.guestEndPoint {
        case .beforeDecommission, .afterDecommission: request(settings.trigger.atGuestEnd)
        case .never, .inodeFree: break
        }
    }

    /// A running SNP guest makes some of its pages shared, or private again. It has at most one shared range at a time.
    public mutating func convert(_ number: Int, _ pages: Range<Int>, toPrivate: Bool, at time: UInt64) {
        advance(to: time)
        guard var guest = guests[number], guest.isSNP, !teardowns.contains(where: { $0.guest == number }) else {
            return
        }
        table.integrals.advance(to: time)
        let pages = toPrivate ? guest.shared : pages.clamped(to: 0..<guest.pages)
        if pages.isEmpty || !toPrivate && !guest.shared.isEmpty { return }
        var freed = false
        LabHost.forEachPiece(of: guest, pages) { page, run in
            if toPrivate {
                assign(run)
                // A whole chunk is faulted in with one entry again.
                if run.count == Pages.perChunk { guest.converted[page >> 9] = true }
            } else {
                // A 2 MB entry that is shared in part is split first.
                if run.count < Pages.perChunk { guest.converted[page >> 9] = false }
                driver.noteReturn(run.first >> 18)
                if table.share(run) { freed = noteFreed(run.first >> 18, nil) || freed }
            }
        }
        guest.shared = toPrivate ? 0..<0 : pages
        assignedPages += toPrivate ? pages.count : -pages.count
        guests[number] = guest
        updateBound()
        if !toPrivate { request(settings.trigger.atConversion) }
        if freed { request(settings.trigger.atFreedRegion) }
    }

    /// A request by the clock.
    public mutating func tick(at time: UInt64) {
        advance(to: time)
        request(Trigger.Request(delay: 0, batching: .lastRequest))
    }

    mutating func request(_ request: Trigger.Request?) {
        if let request { driver.request(request, at: now, &table) }
    }

    private mutating func refuse() -> [PageRun]? {
        refused += 1
        growCache()
        updateBound()
        return nil
    }

    // MARK: Time

    /// When the next work falls due; .max when nothing is pending.
    public var nextDue: UInt64 { min(teardowns.first?.due ?? .max, driver.next) }

    /// Does all work that is due at `time` or before.
    public mutating func advance(to time: UInt64) {
        while true {
            let driverNext = driver.next
            if let first = teardowns.first, first.due <= driverNext {
                if first.due > time { break }
                tearDown(until: min(time, driverNext))
            } else if driverNext <= time {
                now = max(now, driverNext)
                let horizon = min(time, teardowns.first.map { $0.due - 1 } ?? .max)
                let isContended = !teardowns.isEmpty
                driver.step(until: horizon, &table, isContended: isContended) { region, time, table in
                    recoveries.optimized(region, at: time)
                }
            } else {
                break
            }
        }
        now = max(now, time)
    }

    /// Measures from `time` on, which is the settings' `start`: what passes have cost before does not count.
    public mutating func beginMeasuring(at time: UInt64) {
        advance(to: time)
        driver.resetCounts()
        recoveries.reset()
        launched = 0
        refused = 0
    }

    /// Ends the measurement at `time`.
    public mutating func finish(at time: UInt64) {
        advance(to: time)
        table.integrals.advance(to: time)
    }

    // MARK: Memory

    /// Free memory for a request; the page cache gives way, its oldest memory first.
    private mutating func findMemory(_ request: MemoryRequest) -> [PageRun]? {
        while true {
            if let runs = policy.take(request, from: memory) { return runs }
            if cache.pages == 0 { return nil }
            let dropped = cache.drop(PageCache.step(wanted: request.pages, pages: cache.pages))
            giveBack(dropped, own: dropped.reduce(0) { $0 + $1.count }, .ordinary)
        }
    }

    /// Lets the page cache fill its share.
    mutating func growCache() {
        if cache.share == 0 { return }
        table.integrals.advance(to: now)
        var wanted = cache.growth(free: memory.freePages)
        while wanted >= Pages.perChunk {
            // A policy may keep some of the free memory for others.
            if let runs = policy.take(MemoryRequest(pages: wanted, use: .ordinary, backing: .size4K), from: memory) {
                take(runs, own: wanted, .ordinary)
                cache.add(runs)
                return
            }
            wanted = wanted / 2 / Pages.perChunk * Pages.perChunk
        }
    }

    private mutating func take(_ runs: [PageRun], own: Int, _ use: MemoryUse) {
        let before = memory.freePages
        memory.take(runs, for: use)
        if use == .ordinary || use == .host { table.change(ordinary: runs, pages: own, sign: 1) }
        table.integrals.add(memory.freePages - before, to: .free, at: now)
    }

    private mutating func giveBack(_ runs: [PageRun], own: Int, _ use: MemoryUse) {
        let before = memory.freePages
        memory.release(runs[...], from: use)
        policy.release(runs[...], from: use, to: memory)
        table.integrals.add(memory.freePages - before, to: .free, at: now)
        if use == .ordinary || use == .host { table.change(ordinary: runs, pages: own, sign: -1) }
    }

    mutating func release(_ run: PageRun, _ use: MemoryUse) {
        memory.release(run, from: use)
        policy.release(run, from: use, to: memory)
        table.integrals.add(run.count, to: .free, at: now)
    }

    mutating func updateBound() {
        let best = bound.best(assigned: assignedPages, ordinary: table.integrals[.ordinary])
        table.integrals[.optimum] = best.fast
        table.integrals[.fewestLost] = best.lost
    }

    private mutating func assign(_ run: PageRun) {
        table.assign(run) { recoveries.lost($0) }
    }

    // MARK: Control pages

    private mutating func takeControl(_ spec: GuestSpec) -> [Int]? {
        var freed: [Int] = []
        // Work around overlapping access: the pool is taken out while it asks for a chunk.
        var pool = control
        let request = MemoryRequest(pages: Pages.perChunk, use: .control, node: spec.node)
        let pages = pool.take(
            vcpus: spec.vcpus,
            newChunk: {
                guard let run = findMemory(request)?.first else { return nil }
                take([run], own: Pages.perChunk, .control)
                return run.first >> 9
            },
            freed: { freed.append($0) }
        )
        control = pool
        for chunk in freed { releaseChunk(chunk) }
        return pages
    }

    private mutating func releaseControl(_ page: Int) {
        if let chunk = control.release(page) { releaseChunk(chunk) }
    }

    private mutating func releaseChunk(_ chunk: Int) {
        release(PageRun(first: chunk << 9, count: Pages.perChunk), .control)
    }

    private mutating func returnControl(_ page: Int, _ guest: Int) {
        driver.noteReturn(page >> 18)
        let isFree = table.share(PageRun(first: page, count: 1))
        releaseControl(page)
        if isFree && noteFreed(page >> 18, guest) { request(settings.trigger.atFreedRegion) }
    }

    // MARK: Results

    /// What was measured so far.
    public var tally: HostTally {
        HostTally(
            integrals: table.integrals,
            counts: driver.counts,
            recoveries: recoveries.times,
            unrecovered: recoveries.waitingCount,
            launched: launched,
            refused: refused
        )
    }

    /// On how many cores a region's bit is set.
    public func optimizedCoreCount(ofRegion region: Int) -> Int { Int(table.setCores[region]) }
    /// Assigned pages of guests in a region.
    public func assignedPages(ofRegion region: Int) -> Int { Int(table.assigned[region]) }
    /// Pages of ordinary memory in a region.
    func ordinaryPages(ofRegion region: Int) -> UInt64 { table.ordinary[region] }
    /// The folios of SNP guests' memory.
    var snpBacking: Backing { settings.backing.snp }
    /// What passes have cost so far.
    public var passCounts: PassCounts { driver.counts }
}
