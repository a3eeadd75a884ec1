// SPDX-License-Identifier: Apache-2.0
// The end of an SNP guest on a host of the lab: its memory goes back piece by piece, in the machine's order.

import RMPModel

/// An ending guest whose memory goes back.
struct LabTeardown: Sendable {
    let guest: Int
    /// When its end was asked for.
    let asked: UInt64
    var place = LabGuest.Place()
    /// When the piece in progress will be done.
    var due: UInt64 = 0
    /// The cost of that piece.
    var cost: UInt64 = 0
}

extension LabHost {
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

    func schedule(_ teardown: inout LabTeardown, _ guest: LabGuest, after time: UInt64) {
        teardown.cost = piece(guest, teardown.place).cost
        teardown.due = time.advanced(clamping: teardown.cost)
    }

    /// Gives back pieces of the guest that is first, as long as it stays first and they are due by `horizon`.
    mutating func tearDown(until horizon: UInt64) {
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
    mutating func noteFreed(_ region: Int, _ guest: Int?) -> Bool {
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

    static func forEachRegion(of run: PageRun, _ body: (PageRun) -> Void) {
        var page = run.first
        while page < run.first + run.count {
            let stop = min(run.first + run.count, (page >> 18 + 1) << 18)
            body(PageRun(first: page, count: stop - page))
            page = stop
        }
    }

    /// Calls `body` with the parts of some of a guest's own pages within chunks, and the number of their first page.
    static func forEachPiece(of guest: LabGuest, _ pages: Range<Int>, _ body: (Int, PageRun) -> Void) {
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
}
