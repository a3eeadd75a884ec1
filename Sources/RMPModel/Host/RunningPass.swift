// SPDX-License-Identifier: Apache-2.0
// A pass under way: one region at a time, each with its own due time, so that a reader in the middle sees it half done.

/// A pass that is walking over the range.
///
/// Source: series v1 patch 4/6: for each 1 GB, one broadcast to the threads that take part, each of which executes
/// RMPOPT with function 0; series v3 and later: first one leader over the whole range, then the others.
struct RunningPass: Sendable {
    var record: PassRecord
    /// The cores that take part and have RMPOPT enabled, as a mask in words of 64, and those of them at work now.
    let cores: [UInt64]
    private(set) var coresAtWork: [UInt64]
    private(set) var turn: PassTurn
    let range: Range<Int>
    /// The region at work.
    private(set) var region: Int
    /// When the region at work will be done.
    private(set) var due: UInt64 = 0
    private var cost = RegionCost(broadcast: 0, scan: 0, followers: 0)
    /// Which regions the leader has won in its turn, from the first of the range on; empty in a pass without leader.
    private var leaderWon: [Bool]

    /// - Parameters:
    ///   - cores: who takes part, as a mask.
    ///   - turn: the only one, or `.leader` for a pass with a leader.
    ///   - range: the regions.
    init(record: PassRecord, cores: [UInt64], turn: PassTurn, range: Range<Int>) {
        self.record = record
        self.cores = cores
        self.turn = turn
        self.range = range
        region = range.lowerBound
        leaderWon = [Bool](repeating: false, count: turn == .leader ? range.count : 0)
        coresAtWork = turn == .leader ? RunningPass.first(of: cores) : cores
    }

    /// The lowest core of a mask alone: the leader. (A choice: the series take the CPU on which the work item happens
    /// to run.)
    private static func first(of cores: [UInt64]) -> [UInt64] {
        var leader = [UInt64](repeating: 0, count: cores.count)
        if let word = cores.firstIndex(where: { $0 != 0 }) { leader[word] = cores[word] & (~cores[word] &+ 1) }
        return leader
    }

    /// Works out when the region at work will be done, from what the RMP holds as its turn begins.
    mutating func schedule(after now: UInt64, _ platform: borrowing Platform, _ costs: CostModel, isContended: Bool) {
        // An empty mask interrupts nobody.
        if turn == .followers && coresAtWork.allSatisfy({ $0 == 0 }) {
            cost = RegionCost(broadcast: 0, scan: 0, followers: 0)
            due = now
            return
        }
        cost = costs.region(
            turn,
            firstAssignedFrame: platform.rmp.firstAssignedFrame(ofRegion: region),
            cores: platform.rmpopt.coresWithWindow(over: region, of: coresAtWork),
            isContended: isContended
        )
        due = now.addingClamped(cost.total)
    }

    /// Lets the turn of the region at work end, and of all further ones that are done at `horizon`; until then nothing
    /// but the pass changes anything.
    ///
    /// - Returns: when the last of them was done, and whether there are more.
    mutating func run(
        until horizon: UInt64,
        _ platform: inout Platform,
        _ costs: CostModel,
        isContended: Bool
    ) -> (last: UInt64, goesOn: Bool) {
        var last: UInt64
        repeat {
            last = due
            if !apply(&platform) { return (last, false) }
            schedule(after: last, platform, costs, isContended: isContended)
            if let skipped = skipOutside(until: horizon, platform) {
                last = skipped
                schedule(after: last, platform, costs, isContended: isContended)
            }
        } while due <= horizon
        return (last, true)
    }

    /// Lets the turns of regions outside of every window end that are done at `horizon`, all but the last of the range.
    /// Nothing becomes of them, and each costs what the one at work costs; so they are counted, not visited.
    ///
    /// - Returns: when the last of them was done; nil if there are none.
    private mutating func skipOutside(until horizon: UInt64, _ platform: borrowing Platform) -> UInt64? {
        guard due <= horizon else { return nil }
        var count = min(platform.rmpopt.regionsOutside(from: region), range.upperBound - 1 - region)
        if cost.total > 0 { count = Int(clamping: min(UInt64(clamping: count), (horizon - due) / cost.total + 1)) }
        guard count > 0 else { return nil }
        let times = UInt64(count)
        record.broadcastTime = record.broadcastTime.addingClamped(cost.broadcast.multipliedClamped(by: times))
        record.scanTime = record.scanTime.addingClamped(cost.scan.multipliedClamped(by: times))
        record.followerTime = record.followerTime.addingClamped(cost.followers.multipliedClamped(by: times))
        if turn != .leader {
            let blocked = platform.rmp.blockedRegions(in: region..<(region + count))
            record.broadcasts += times
            record.regionsScanned += count
            record.regionsBlocked += blocked
            record.regionsOutside += count - blocked
        }
        region += count
        return due.addingClamped(cost.total.multipliedClamped(by: times - 1))
    }

    /// Executes RMPOPT on the cores at work for the region at work and goes on to the next.
    ///
    /// - Returns: whether there is one.
    private mutating func apply(_ platform: inout Platform) -> Bool {
        record.broadcastTime = record.broadcastTime.addingClamped(cost.broadcast)
        record.scanTime = record.scanTime.addingClamped(cost.scan)
        record.followerTime = record.followerTime.addingClamped(cost.followers)
        if turn != .leader { record.broadcasts += 1 }
        let isBlocked = !platform.rmp.isOptimizable(region)
        let won = isBlocked ? 0 : platform.rmpopt.set(region: region, cores: coresAtWork)
        if turn == .leader {
            if won > 0 { leaderWon[region - range.lowerBound] = true }
        } else {
            record.regionsScanned += 1
            let leader = !leaderWon.isEmpty && leaderWon[region - range.lowerBound]
            if isBlocked {
                record.regionsBlocked += 1
            } else if platform.rmpopt.coresWithWindow(over: region, of: cores) == 0 {
                record.regionsOutside += 1
            } else if won > 0 || leader {
                record.regionsWon += 1
            } else {
                record.regionsKept += 1
            }
        }
        region += 1
        if region < range.upperBound { return true }
        guard turn == .leader else { return false }
        turn = .followers
        region = range.lowerBound
        for word in coresAtWork.indices { coresAtWork[word] = cores[word] & ~coresAtWork[word] }
        return true
    }
}
