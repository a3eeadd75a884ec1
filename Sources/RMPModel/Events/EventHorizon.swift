// SPDX-License-Identifier: Apache-2.0
// How long nothing will happen by itself, so that whoever waits for events can sleep that long instead of waking up for
// each region and chunk.

extension Machine {
    /// A time before which there is no event, unless a command comes first; nil if nothing is pending.
    ///
    /// Exact for what comes soon. If much has to be done before the next event, the answer is some earlier time: ask
    /// again then. Lines about pages that refuse to go back can come earlier. Costs at most about 100 microseconds.
    public var nextEvent: UInt64? {
        var next = driver.nextEvent(platform, configuration.costs)
        let each = max(16, Self.chunksAhead / max(work.count, 1))
        work.unordered.forEach { item in
            guard let guest = guests[item.guest] else { return }
            let due = guests.nextEvent(of: guest, ahead: each, platform.rmp, configuration.costs)
            next = next.map { min($0, due) } ?? due
        }
        return next
    }

    private static let chunksAhead = 8_192
}

extension Guests {
    /// When the next inode of an ending guest is freed, or some earlier time, `ahead` chunks from now.
    fileprivate func nextEvent(
        of guest: Guest,
        ahead: Int,
        _ rmp: borrowing RMP,
        _ costs: CostModel
    ) -> UInt64 {
        let goal = guest.nextInodeFreed(after: guest.teardown.done)
        var due = guest.teardown.due
        guest.forEachChunk { number, chunk in
            // The chunk in progress is counted already.
            if number > guest.teardown.done {
                due = due.addingClamped(cost(ofChunk: chunk, of: guest, rmp, costs))
            }
            return number + 1 < goal && number < guest.teardown.done + ahead
        }
        return due
    }
}

extension Driver {
    /// When the driver next does something that is an event, or some earlier time.
    fileprivate func nextEvent(_ platform: borrowing Platform, _ costs: CostModel) -> UInt64? {
        var next = nextMoment
        if !isStuck, let end = running?.turnEnd(platform, costs) { next = next.map { min($0, end) } ?? end }
        return next
    }
}

extension RunningPass {
    /// When the turn ends if no guest's pages are being returned, or some earlier time.
    fileprivate func turnEnd(_ platform: borrowing Platform, _ costs: CostModel) -> UInt64 {
        let last = min(range.upperBound, region + 1 + Self.regionsAhead)
        guard region + 1 < last, !isIdle else { return due }
        var end = due
        for region in (region + 1)..<last {
            let cost = costs.region(
                turn,
                firstAssignedChunk: platform.rmp.firstAssignedChunk(ofRegion: region),
                cores: platform.rmpopt.coresWithWindow(over: region, of: coresAtWork),
                isCached: isCached(region, costs)
            )
            end = end.addingClamped(cost.total)
        }
        return end
    }

    private static let regionsAhead = 2_048
}
