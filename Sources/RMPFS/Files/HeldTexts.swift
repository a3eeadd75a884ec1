// SPDX-License-Identifier: Apache-2.0
// Bounds the memory of texts that open files hold between reads: clients may keep descriptors open forever.

import Synchronization

/// An open file that holds a text between reads and can make it again.
protocol TextHolder: AnyObject, Sendable {
    /// The account's time (``HeldTexts/now()``) of the last read that left a text in memory.
    var lastRead: Atomic<UInt64> { get }

    /// Drops the text, and leaves the account. The next read makes the text anew and continues at its offset. Does
    /// nothing while the file is busy.
    func giveTextUp()
}

/// The account of texts that open files hold: how many bytes, and who can free some.
///
/// Over budget, the open files that have been idle longest lose their texts. No reader notices, unless the text has
/// changed since: then the rest comes from the new text, as for a reader of a sequence file that jumps to an offset
/// with pread(2).
///
/// Locks: a holder's own lock may be held around ``enter(_:)``, ``leave(_:)`` and ``add(_:)``, but never around
/// ``keepBudget()``, which takes the locks of others.
final class HeldTexts: Sendable {
    private struct Slot: Sendable {
        weak var holder: (any TextHolder)?
    }

    private struct State: Sendable {
        var slots: [Slot] = []
        var free: [Int] = []
    }

    /// The account of this process. 64 MiB hold 1,000 texts of a whole CPU of 2 TB, or 16,000 pages.
    static let shared = HeldTexts(budget: 64 << 20)

    /// How many bytes may be held, except during a search for what can be freed.
    let budget: Int
    private let held = Atomic<Int>(0)
    private let time = Atomic<UInt64>(0)
    private let isSearching = Atomic<Bool>(false)
    private let state = Lock(State())

    init(budget: Int) {
        self.budget = budget
    }

    /// The bytes held now.
    var bytes: Int { held.load(ordering: .relaxed) }

    /// A new time, later than all before: one for each read that leaves a text in memory.
    func now() -> UInt64 { time.add(1, ordering: .relaxed).newValue }

    /// Counts bytes that are held from now on, or with a negative number are no longer held.
    func add(_ count: Int) {
        held.add(count, ordering: .relaxed)
    }

    /// Registers an open file that holds a text.
    /// - Returns: its place, for ``leave(_:)``.
    func enter(_ holder: any TextHolder) -> Int {
        state.withLock { state in
            if let place = state.free.popLast() {
                state.slots[place].holder = holder
                return place
            }
            state.slots.append(Slot(holder: holder))
            return state.slots.count - 1
        }
    }

    /// Removes an open file that ends or no longer holds a text.
    func leave(_ place: Int) {
        state.withLock { state in
            state.slots[place].holder = nil
            state.free.append(place)
        }
    }

    /// If over budget, lets idle open files drop their texts until an eighth of it is free.
    @inline(__always)
    func keepBudget() {
        if bytes > budget { makeRoom() }
    }

    @inline(never)
    private func makeRoom() {
        // One search at a time is enough.
        if isSearching.exchange(true, ordering: .acquiringAndReleasing) { return }
        defer { isSearching.store(false, ordering: .releasing) }
        // Free more than necessary, so that not every further read has to search.
        let goal = budget - budget / 8
        // Take references to the holders out of the lock: dropping the last one may end an open file, which calls
        // `leave`.
        let holders = state.withLock { $0.slots.compactMap(\.holder) }
        let byIdleness = holders.map { (time: $0.lastRead.load(ordering: .relaxed), holder: $0) }
            .sorted { $0.time < $1.time }
        for (_, holder) in byIdleness {
            if bytes <= goal { return }
            holder.giveTextUp()
        }
    }
}
