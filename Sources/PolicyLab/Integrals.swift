// SPDX-License-Identifier: Apache-2.0
// Sums over time, exact: every quantity is constant between two events, and is multiplied by the time between them.

/// What is integrated, by its place in a row of sums.
enum Quantity: Int, CaseIterable {
    /// Ordinary bytes in use, in pages.
    case ordinary
    /// Ordinary memory by what it is to the cores, in pages times cores.
    case fast, neighbour, unscanned, window, fixed
    /// Ordinary memory that could be fast with these guests, in pages times cores.
    case optimum
    /// SNP guests' memory, in pages.
    case snp
    /// Regions not optimized on all cores.
    case lostRegions
    /// The fewest regions that these guests can cost, the fixed ones included.
    case fewestLost
    /// Free pages.
    case free
    /// Guests running.
    case guests

    static let count = allCases.count
}

/// Values now and their integrals over time, in ns times the value's unit.
struct Integrals: Sendable {
    /// The values now.
    private var values = [UInt64](repeating: 0, count: Quantity.count)
    /// Integrals since the start, or since the current step of the timeline began.
    private var sums = [UInt128](repeating: 0, count: Quantity.count)
    /// Integrals of the steps of the timeline that have ended.
    private(set) var steps: [[UInt128]] = []
    private(set) var now: UInt64 = 0
    /// The most regions that were lost for any time.
    private(set) var mostLost: UInt64 = 0
    /// From when on it counts.
    let start: UInt64
    /// The width of a step in ns; nil without a timeline.
    private let width: UInt64?
    private var stepEnd: UInt64

    init(start: UInt64, width: UInt64?) {
        self.start = start
        self.width = width
        stepEnd = width.map { start + $0 } ?? .max
    }

    subscript(quantity: Quantity) -> UInt64 {
        get { values[quantity.rawValue] }
        set { values[quantity.rawValue] = newValue }
    }

    /// Lets time pass with all values as they are.
    @inline(__always)
    mutating func advance(to time: UInt64) {
        if time > now { pass(to: time) }
    }

    /// Changes one value at a time that may lie ahead, while all others stay as they are: exact, and cheaper than to
    /// let time pass for all.
    @inline(__always)
    mutating func add(_ difference: Int, to quantity: Quantity, at time: UInt64) {
        if time >= stepEnd || now < start {
            advance(to: time)
        } else if time > now {
            // The value counts from now on; what that is too much, or too little, is taken back.
            let excess = Int128(difference) * Int128(time - now)
            sums[quantity.rawValue] &-= UInt128(truncatingIfNeeded: excess)
        }
        values[quantity.rawValue] &+= UInt64(bitPattern: Int64(difference))
    }

    /// The last moment up to which `add(_:excess:to:)` is right.
    @inline(__always)
    var calmUntil: UInt64 { now < start ? start - 1 : stepEnd - 1 }

    /// Many changes of one value at times that lie ahead, none after `calmUntil`, as `add(_:to:at:)` would do them.
    ///
    /// - Parameter excess: the sum of each difference multiplied by its time less `now`.
    mutating func add(_ difference: Int, excess: Int128, to quantity: Quantity) {
        if now >= start { sums[quantity.rawValue] &-= UInt128(truncatingIfNeeded: excess) }
        values[quantity.rawValue] &+= UInt64(bitPattern: Int64(difference))
    }

    private mutating func pass(to time: UInt64) {
        if now < start { now = min(start, time) }
        while stepEnd <= time {
            add(stepEnd - now)
            now = stepEnd
            steps.append(sums)
            sums = [UInt128](repeating: 0, count: Quantity.count)
            stepEnd += width ?? 0
        }
        add(time - now)
        now = time
    }

    private mutating func add(_ duration: UInt64) {
        if duration == 0 { return }
        mostLost = max(mostLost, values[Quantity.lostRegions.rawValue])
        for index in 0..<Quantity.count {
            let (high, low) = values[index].multipliedFullWidth(by: duration)
            // Between `add(_:to:at:)` and this a sum can be below zero: it wraps, and wraps back.
            sums[index] &+= UInt128(high) << 64 | UInt128(low)
        }
    }

    /// The last step, which may be shorter than the others; empty if it has not begun.
    var lastStep: (sums: [UInt128], duration: UInt64) {
        let begun = width.map { start + $0 * UInt64(steps.count) } ?? start
        return (sums, now > begun ? now - begun : 0)
    }

    /// Integrals since the start.
    var totals: [UInt128] {
        var totals = sums
        for step in steps { for index in totals.indices { totals[index] += step[index] } }
        return totals
    }
}
