// SPDX-License-Identifier: Apache-2.0
// How soon the regions of guests that ended are fast again.

/// Follows the regions of ended guests.
///
/// A region counts for the guest whose page was its last assigned one. If another guest gets a page of it before it is
/// optimized, it could not be, and counts no more.
struct Recoveries: Sendable {
    private var open: [Int: Recovery] = [:]
    /// The guest for which each region counts; -1 for none.
    private var guestOfRegion: [Int]
    /// From a guest's end to the moment at which its last region was optimized, in ns, in the order of these moments.
    private(set) var times: [UInt64] = []

    init(regions: Int = 0) { guestOfRegion = [Int](repeating: -1, count: regions) }

    /// Guests of which regions still wait.
    var waitingCount: Int { open.values.count { $0.waiting > 0 } }

    /// Counts from now on.
    mutating func reset() { times = [] }

    mutating func begin(_ guest: Int, at time: UInt64) { open[guest] = Recovery(asked: time) }

    mutating func waits(for region: Int, _ guest: Int) {
        guard open[guest] != nil else { return }
        guestOfRegion[region] = guest
        open[guest]?.waiting += 1
    }

    mutating func optimized(_ region: Int, at time: UInt64) {
        let guest = guestOfRegion[region]
        if guest < 0 { return }
        guestOfRegion[region] = -1
        open[guest]?.waiting -= 1
        open[guest]?.last = time
        close(guest)
    }

    /// A region got an assigned page again.
    mutating func lost(_ region: Int) {
        let guest = guestOfRegion[region]
        if guest < 0 { return }
        guestOfRegion[region] = -1
        open[guest]?.waiting -= 1
        close(guest)
    }

    mutating func ended(_ guest: Int) {
        open[guest]?.hasEnded = true
        close(guest)
    }

    private mutating func close(_ guest: Int) {
        guard let recovery = open[guest], recovery.hasEnded, recovery.waiting == 0 else { return }
        if let last = recovery.last { times.append(last - recovery.asked) }
        open[guest] = nil
    }
}
