// SPDX-License-Identifier: Apache-2.0
// A set of CPU numbers as a bit mask: the online CPUs, the primary threads, the CPUs of one line of a table.

/// A set of CPU numbers below a fixed limit, like the kernel's cpumask.
public struct CPUSet: Sendable, Hashable {
    /// The numbers that can be in the set are 0 ..< `limit`.
    public let limit: Int
    private(set) var words: [UInt64]

    /// The empty set over CPUs 0 ..< `limit`; a negative limit counts as 0.
    public init(limit: Int) {
        self.limit = max(limit, 0)
        words = [UInt64](repeating: 0, count: (self.limit + 63) / 64)
    }

    /// The set of all CPUs 0 ..< `limit`.
    public init(all limit: Int) {
        self.init(limit: limit)
        for cpu in 0..<self.limit { insert(cpu) }
    }

    /// The numbers of a range that are in 0 ..< `limit`.
    public init(_ range: Range<Int>, limit: Int) {
        self.init(limit: limit)
        for cpu in range.clamped(to: 0..<self.limit) { insert(cpu) }
    }

    /// Whether `cpu` is in the set; false for a number outside 0 ..< `limit`.
    public func contains(_ cpu: Int) -> Bool {
        cpu >= 0 && cpu < limit && words[cpu >> 6] >> UInt64(cpu & 63) & 1 != 0
    }

    /// Adds `cpu` to the set; a number outside 0 ..< `limit` is ignored.
    public mutating func insert(_ cpu: Int) {
        if cpu >= 0 && cpu < limit { words[cpu >> 6] |= 1 << UInt64(cpu & 63) }
    }

    /// Removes `cpu` from the set.
    public mutating func remove(_ cpu: Int) {
        if cpu >= 0 && cpu < limit { words[cpu >> 6] &= ~(1 << UInt64(cpu & 63)) }
    }

    /// Removes every CPU, keeping the storage.
    public mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
    }

    /// The number of CPUs in the set.
    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Whether the set is empty.
    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// The CPUs that are in either set, below the limit of this one.
    public func union(_ other: CPUSet) -> CPUSet {
        var either = self
        either.formUnion(other)
        return either
    }

    /// Adds the CPUs of the other set that are below this one's limit.
    mutating func formUnion(_ other: CPUSet) {
        for index in 0..<min(words.count, other.words.count) { words[index] |= other.words[index] }
        trim()
    }

    /// The CPUs that are in both sets, below the smaller limit.
    public func intersection(_ other: CPUSet) -> CPUSet {
        var both = CPUSet(limit: min(limit, other.limit))
        for index in both.words.indices { both.words[index] = words[index] & other.words[index] }
        both.trim()
        return both
    }

    /// The CPUs of this set that are not in the other one.
    public func subtracting(_ other: CPUSet) -> CPUSet {
        var rest = self
        rest.subtract(other)
        return rest
    }

    /// Removes the CPUs of the other set, keeping the storage.
    mutating func subtract(_ other: CPUSet) {
        for index in 0..<min(words.count, other.words.count) { words[index] &= ~other.words[index] }
    }

    /// Removes every CPU that is not in the other set, keeping the storage.
    mutating func formIntersection(_ other: CPUSet) {
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

    /// The smallest CPU number in the set that is `cpu` or above; nil if there is none.
    public func next(from cpu: Int) -> Int? { nextBit(from: cpu, flip: 0) }

    /// Calls `body` with each maximal run of consecutive CPU numbers, in ascending order.
    public func forEachRun<E: Error>(_ body: (ClosedRange<Int>) throws(E) -> Void) throws(E) {
        var from = 0
        while let first = nextBit(from: from, flip: 0) {
            let end = nextBit(from: first, flip: .max) ?? limit
            try body(first...(end - 1))
            from = end
        }
    }

    /// The first bit at `cpu` or above that is set in the words XOR `flip`; searched word by word, since masks are
    /// long.
    private func nextBit(from cpu: Int, flip: UInt64) -> Int? {
        var index = max(cpu, 0) >> 6
        guard index < words.count else { return nil }
        var word = (words[index] ^ flip) & (UInt64.max << UInt64(max(cpu, 0) & 63))
        while word == 0 {
            index += 1
            guard index < words.count else { return nil }
            word = words[index] ^ flip
        }
        let found = index << 6 + word.trailingZeroBitCount
        return found < limit ? found : nil
    }
}
