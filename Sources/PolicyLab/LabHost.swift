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

    private let settings: Settings
    private let costs: CostModel
    private let asids: Int
    private let bound: Bound
    private(set) var memory: HostMemory
    private var policy: any PlacementPolicy
    private var table: RegionTable
    private var driver: LabDriver
    private var control = ControlPool()
    private var cache: PageCache
    private var guests: [Int: LabGuest] = [:]
    private var teardowns: [LabTeardown] = []
    /// SNP guests that have an ASID.
    private var snpGuests = 0
    /// Assigned pages of SNP guests that run, and the number of all that run.
    private var assignedPages = 0
    private var recoveries = Recoveries()
    /// The time, in ns since the host has booted.
    public private(set) var now: UInt64 = 0
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

    private mutating func request(_ request: Trigger.Request?) {
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
            // What is given back need not be what the request can use: the steps grow with the cache, so that a request
            // that gets nothing in the end does not ask for long.
            let dropped = cache.drop(max(request.pages, cache.pages / 8))
            giveBack(dropped, own: dropped.reduce(0) { $0 + $1.count }, .ordinary)
        }
    }

    /// Lets the page cache fill its share.
    private mutating func growCache() {
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

    private mutating func release(_ run: PageRun, _ use: MemoryUse) {
        memory.release(run, from: use)
        policy.release(run, from: use, to: memory)
        table.integrals.add(run.count, to: .free, at: now)
    }

    private mutating func updateBound() {
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

    // MARK: Teardown

    /// The own pages and the cost of the piece of memory at a place: the rest of its chunk, or of its run.
    private func piece(_ guest: LabGuest, _ place: LabGuest.Place) -> (run: PageRun, own: Int, cost: UInt64) {
        let run = guest.runs[place.run]
        let first = run.first + place.offset
        let count = min(run.count - place.offset, Pages.perChunk - first & 511)
        let own = min(count, guest.pages - place.done)
        if guest.has2M(place.done, count: own) && guest.shared.isEmpty {
            return (PageRun(first: first, count: count), own, costs.share2M)
        }
        let shared = guest.shared.clamped(to: place.done..<(place.done + own)).count
        let cost =
            guest.has2M(place.done, count: own) && shared == 0
            ? costs.share2M
            : costs.share4K * UInt64(own - shared)
        return (PageRun(first: first, count: count), own, cost)
    }

    private func schedule(_ teardown: inout LabTeardown, _ guest: LabGuest, after time: UInt64) {
        teardown.cost = piece(guest, teardown.place).cost
        teardown.due = time.advanced(clamping: teardown.cost)
    }

    /// Gives back pieces of the guest that is first, as long as it stays first and they are due by `horizon`.
    private mutating func tearDown(until horizon: UInt64) {
        var teardown = teardowns[0]
        guard let guest = guests[teardown.guest] else { return }
        var limit = horizon
        if teardowns.count > 1 {
            // The guest with the lower number first in the same ns.
            let second = teardowns[1]
            limit = min(limit, second.guest > teardown.guest ? second.due : second.due &- 1)
        }
        let inode = settings.trigger.guestEndPoint == .inodeFree
        var freed = false
        repeat {
            let piece = piece(guest, teardown.place)
            // Like pieces of one region go back in one step: what they do shows only at the last.
            var count = 1
            let canGroup =
                piece.run.count == Pages.perChunk && piece.own == Pages.perChunk && guest.shared.isEmpty
                && guest.converted.isEmpty && (teardown.place.done >= LabGuest.imagePages || guest.backing == .size4K)
            if canGroup && !inode && giveBackRuns(guest, &teardown, cost: piece.cost, until: limit) { continue }
            if canGroup && !inode {
                let run = guest.runs[teardown.place.run]
                let region = (piece.run.first >> 18 + 1) << 18
                let chunks =
                    min(
                        min(run.first + run.count, region) - piece.run.first,
                        guest.pages - teardown.place.done
                    ) >> 9
                let byTime =
                    piece.cost == 0 || limit <= teardown.due
                    ? (piece.cost == 0 ? chunks : 1) : Int(clamping: (limit - teardown.due) / piece.cost) + 1
                count = max(1, min(chunks, byTime))
            }
            let due = teardown.due.advanced(clamping: UInt64(count - 1) * piece.cost)
            now = max(now, due)
            let whole = PageRun(first: piece.run.first, count: piece.run.count * (count > 1 ? count : 1))
            freed = giveBack(whole, own: count > 1 ? whole.count : piece.own, guest, &teardown, at: due) || freed
            let isDone = teardown.place.done >= guest.pages
            if freed {
                freed = false
                request(settings.trigger.atFreedRegion)
            }
            if inode && LabHost.freesInode(guest, done: teardown.place.done, count: piece.own) {
                request(settings.trigger.atGuestEnd)
                limit = min(limit, driver.next)
            }
            if isDone {
                finish(teardown, guest)
                return
            }
            schedule(&teardown, guest, after: due)
            limit = min(limit, driver.next)
        } while teardown.due <= limit
        teardowns.removeFirst()
        let place = teardowns.firstIndex { ($0.due, $0.guest) > (teardown.due, teardown.guest) } ?? teardowns.count
        teardowns.insert(teardown, at: place)
    }

    /// Gives back runs of a few whole chunks, as long as each leaves other assigned pages in its region, and is not the
    /// guest's last: then nothing changes but who holds what.
    ///
    /// - Returns: whether there was one.
    private mutating func giveBackRuns(
        _ guest: LabGuest,
        _ teardown: inout LabTeardown,
        cost: UInt64,
        until limit: UInt64
    ) -> Bool {
        if teardown.place.offset != 0 { return false }
        let runs = guest.runs
        let (start, begin) = (teardown.place.run, table.integrals.now)
        let limit = min(limit, table.integrals.calmUntil)
        var (done, due, last) = (teardown.place.done, teardown.due, now)
        var excess: Int128 = 0
        let end = table.shareChunks(runs, from: start) { index in
            if index + 1 == runs.count { return false }
            let (run, next) = (runs[index], runs[index + 1])
            // The next piece must cost as much.
            let isAlike =
                next.first & 511 == 0 && next.count >= Pages.perChunk
                && guest.pages - done >= run.count + Pages.perChunk
            let time = due.advanced(clamping: UInt64(run.count >> 9 - 1) &* cost)
            if !isAlike || time > limit { return false }
            done += run.count
            last = max(last, time)
            due = time.advanced(clamping: cost)
            if last > begin { excess += Int128(run.count) * Int128(last - begin) }
            return true
        }
        if end == start { return false }
        if settings.trigger.scope == .dirty { for run in runs[start..<end] { driver.noteReturn(run.first >> 18) } }
        memory.release(runs[start..<end], from: .snp)
        policy.release(runs[start..<end], from: .snp, to: memory)
        table.integrals.add(done - teardown.place.done, excess: excess, to: .free)
        now = last
        teardown.place.run = end
        teardown.place.done = done
        teardown.due = due
        return true
    }

    /// - Returns: whether a region has no assigned page any more.
    private mutating func giveBack(
        _ run: PageRun,
        own: Int,
        _ guest: LabGuest,
        _ teardown: inout LabTeardown,
        at due: UInt64
    ) -> Bool {
        let region = run.first >> 18
        var isFree = false
        driver.noteReturn(region)
        let shared = guest.shared.clamped(to: teardown.place.done..<(teardown.place.done + own))
        let start = teardown.place.done
        let first = shared.isEmpty ? own : shared.lowerBound - start
        isFree = share(PageRun(first: run.first, count: first), at: due)
        if !shared.isEmpty && shared.upperBound < start + own {
            let rest = shared.upperBound - start
            isFree = share(PageRun(first: run.first + rest, count: own - rest), at: due) || isFree
        }
        release(run, .snp)
        teardown.place.done += own
        teardown.place.offset += run.count
        if teardown.place.offset == guest.runs[teardown.place.run].count {
            teardown.place.run += 1
            teardown.place.offset = 0
        }
        return isFree && noteFreed(region, teardown.guest)
    }

    /// Only the last piece of a region changes sums.
    private mutating func share(_ run: PageRun, at time: UInt64) -> Bool {
        if run.count == 0 { return false }
        if table.assigned[run.first >> 18] == Int32(truncatingIfNeeded: run.count) { table.integrals.advance(to: time) }
        return table.share(run)
    }

    private mutating func finish(_ teardown: LabTeardown, _ guest: LabGuest) {
        teardowns.removeFirst()
        guests[teardown.guest] = nil
        snpGuests -= 1
        recoveries.ended(teardown.guest)
        // What a folio had beyond the guest's own pages.
        var place = teardown.place
        while place.run < guest.runs.count {
            let run = guest.runs[place.run]
            if place.offset < run.count {
                LabHost.forEachRegion(of: PageRun(first: run.first + place.offset, count: run.count - place.offset)) {
                    release($0, .snp)
                }
            }
            place.run += 1
            place.offset = 0
        }
        growCache()
        updateBound()
    }

    /// A region has no assigned page any more.
    ///
    /// - Returns: whether RMPOPT could optimize it.
    private mutating func noteFreed(_ region: Int, _ guest: Int?) -> Bool {
        if table.isFixed[region] || table.inWindow[region] == 0 { return false }
        if let guest { recoveries.waits(for: region, guest) }
        return true
    }

    /// Whether the piece that ended at `done` pages was the last of one of the two inodes of a guest.
    private static func freesInode(_ guest: LabGuest, done: Int, count: Int) -> Bool {
        let chunks = (guest.pages + Pages.perChunk - 1) >> 9
        let (before, after) = ((done - count + 511) >> 9, (done + 511) >> 9)
        return before != after && (1...2).contains { before * 2 < chunks * $0 && after * 2 >= chunks * $0 }
    }

    private static func forEachRegion(of run: PageRun, _ body: (PageRun) -> Void) {
        var page = run.first
        while page < run.first + run.count {
            let stop = min(run.first + run.count, (page >> 18 + 1) << 18)
            body(PageRun(first: page, count: stop - page))
            page = stop
        }
    }

    /// Calls `body` with the parts of some of a guest's own pages within chunks, and the number of their first page.
    private static func forEachPiece(of guest: LabGuest, _ pages: Range<Int>, _ body: (Int, PageRun) -> Void) {
        var number = 0
        for run in guest.runs {
            let part = pages.clamped(to: number..<(number + run.count))
            var page = part.lowerBound
            while page < part.upperBound {
                let place = run.first + page - number
                let count = min(part.upperBound - page, Pages.perChunk - place & 511)
                body(page, PageRun(first: place, count: count))
                page += count
            }
            number += run.count
        }
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
