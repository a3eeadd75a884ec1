// SPDX-License-Identifier: Apache-2.0
// Sets of CPUs, of cores, of nodes and of regions as bit masks: one implementation, and a type of its own for each of
// them, since the numbers of one mean something else in another.

/// A set of CPUs: the online ones, the primary threads, those of one line of `rmpopt-table`.
public typealias CPUSet = NumberSet<CPUNumbers>
/// A set of cores, each of which has an RMPOPT table.
public typealias CoreSet = NumberSet<CoreNumbers>
/// A set of NUMA nodes.
public typealias NodeSet = NumberSet<NodeNumbers>
/// A set of regions of 1 GB.
public typealias RegionSet = NumberSet<RegionNumbers>

/// The numbers of CPUs, as Linux counts them.
public enum CPUNumbers {}
/// The numbers of cores, counted across the whole machine.
public enum CoreNumbers {}
/// The numbers of NUMA nodes.
public enum NodeNumbers {}
/// The numbers of regions: an address divided by 1 GB.
public enum RegionNumbers {}

/// A set of numbers below a fixed limit, like the kernel's cpumask and nodemask.
///
/// - `Numbers`: what they are numbers of. It keeps a set of cores from being taken for a set of CPUs.
public struct NumberSet<Numbers>: Sendable, Hashable {
    /// The numbers that can be in the set are 0 ..< `limit`.
    public let limit: Int
    private(set) var words: [UInt64]

    /// The empty set over 0 ..< `limit`; a negative limit counts as 0.
    public init(limit: Int) {
        self.limit = max(limit, 0)
        words = [UInt64](repeating: 0, count: (self.limit + 63) / 64)
    }

    /// The set of all numbers 0 ..< `limit`.
    public init(all limit: Int) {
        self.init(limit: limit)
        for number in 0..<self.limit { insert(number) }
    }

    /// The set of some numbers, in any order; those outside 0 ..< `limit` are ignored.
    public init(_ numbers: [Int], limit: Int) {
        self.init(limit: limit)
        for number in numbers { insert(number) }
    }

    /// The numbers of a range that are in 0 ..< `limit`.
    public init(_ range: Range<Int>, limit: Int) {
        self.init(limit: limit)
        for number in range.clamped(to: 0..<self.limit) { insert(number) }
    }

    /// Whether `number` is in the set; false for a number outside 0 ..< `limit`.
    public func contains(_ number: Int) -> Bool {
        number >= 0 && number < limit && words[number >> 6] >> UInt64(number & 63) & 1 != 0
    }

    /// Adds `number` to the set; one outside 0 ..< `limit` is ignored.
    public mutating func insert(_ number: Int) {
        if number >= 0 && number < limit { words[number >> 6] |= 1 << UInt64(number & 63) }
    }

    /// Removes `number` from the set.
    public mutating func remove(_ number: Int) {
        if number >= 0 && number < limit { words[number >> 6] &= ~(1 << UInt64(number & 63)) }
    }

    /// Removes all numbers, keeping the storage.
    public mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
    }

    /// How many numbers are in the set.
    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Whether the set is empty.
    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// The numbers that are in either set, below the limit of this one.
    public func union(_ other: NumberSet) -> NumberSet {
        var either = self
        either.formUnion(other)
        return either
    }

    /// Adds the numbers of the other set that are below this one's limit.
    mutating func formUnion(_ other: NumberSet) {
        for index in 0..<min(words.count, other.words.count) { words[index] |= other.words[index] }
        trim()
    }

    /// The numbers that are in both sets, below the smaller limit.
    public func intersection(_ other: NumberSet) -> NumberSet {
        var both = NumberSet(limit: min(limit, other.limit))
        for index in both.words.indices { both.words[index] = words[index] & other.words[index] }
        both.trim()
        return both
    }

    /// The numbers of this set that are not in the other one.
    public func subtracting(_ other: NumberSet) -> NumberSet {
        var rest = self
        rest.subtract(other)
        return rest
    }

    /// Removes the numbers of the other set, keeping the storage.
    mutating func subtract(_ other: NumberSet) {
        for index in 0..<min(words.count, other.words.count) { words[index] &= ~other.words[index] }
    }

    /// Removes every number that is not in the other set, keeping the storage.
    mutating func formIntersection(_ other: NumberSet) {
        for index in words.indices { words[index] &= index < other.words.count ? other.words[index] : 0 }
    }

    /// Adds the numbers `offset` + n for each bit n that is set in `mask`, ignoring those outside 0 ..< `limit`;
    /// `offset` is 0 or more.
    mutating func insert(mask: Span<UInt64>, from offset: Int) {
        let shift = UInt64(offset & 63)
        var index = offset >> 6
        for place in mask.indices {
            guard index < words.count else { return }
            words[index] |= mask[place] << shift
            index += 1
            if shift != 0 && index < words.count { words[index] |= mask[place] >> (64 - shift) }
        }
        trim()
    }

    /// Clears the bits of the last word beyond the limit.
    private mutating func trim() {
        if limit & 63 != 0, let last = words.indices.last { words[last] &= 1 << UInt64(limit & 63) - 1 }
    }

    /// The smallest number in the set that is `number` or above; nil if there is none.
    public func next(from number: Int) -> Int? { nextBit(from: number, flip: 0) }

    /// Calls `body` with each maximal run of consecutive numbers, in ascending order.
    public func forEachRun<E: Error>(_ body: (ClosedRange<Int>) throws(E) -> Void) throws(E) {
        var from = 0
        while let first = nextBit(from: from, flip: 0) {
            let end = nextBit(from: first, flip: .max) ?? limit
            try body(first...(end - 1))
            from = end
        }
    }

    /// The first bit at `number` or above that is set in the words XOR `flip`; searched word by word, since masks are
    /// long.
    private func nextBit(from number: Int, flip: UInt64) -> Int? {
        var index = max(number, 0) >> 6
        guard index < words.count else { return nil }
        var word = (words[index] ^ flip) & (UInt64.max << UInt64(max(number, 0) & 63))
        while word == 0 {
            index += 1
            guard index < words.count else { return nil }
            word = words[index] ^ flip
        }
        let found = index << 6 + word.trailingZeroBitCount
        return found < limit ? found : nil
    }
}
