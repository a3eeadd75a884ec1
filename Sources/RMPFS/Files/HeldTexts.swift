// SPDX-License-Identifier: Apache-2.0
// Bounds the memory of texts that open files hold between two reads: clients may keep descriptors for ever.

import Synchronization

/// An open file that holds a text between two reads and can make it again.
protocol TextHolder: AnyObject, Sendable {
    /// The account's time (``HeldTexts/now()``) of the last read that left a text held.
    var lastRead: Atomic<UInt64> { get }

    /// Lets go of the text, and leaves the account. The next read makes the text anew and goes on at its offset. Does
    /// nothing while the file is busy.
    func giveTextUp()
}

/// The account of texts that open files hold: how many bytes there are, and who can give some back.
///
/// Beyond the budget, the open files that were not read for longest lose their texts. Nobody notices, unless the text
/// has changed since: then the rest is of the new text, as for a reader of a sequence file that comes to an offset with
/// pread(2).
///
/// Locks: a holder's own lock may be held around ``enter(_:)``, ``leave(_:)`` and ``add(_:)``; never around
/// ``keepBudget()``, which takes those of others.
final class HeldTexts: Sendable {
    private struct Slot: Sendable {
        weak var holder: (any TextHolder)?
    }

    private struct State: Sendable {
        var slots: [Slot] = []
        var free: [Int] = []
    }

    /// The account of this process. 64 MiB are 1,000 texts of a whole CPU of 2 TB, or 16,000 pages.
    static let shared = HeldTexts(budget: 64 << 20)

    /// How many bytes may be held, except while somebody looks for what can go.
    let budget: Int
    private let held = Atomic<Int>(0)
    private let time = Atomic<UInt64>(0)
    private let isSearching = Atomic<Bool>(false)
    private let state = Lock(State())

    init(budget: Int) {
        self.budget = budget
    }

    /// The bytes that are held now.
    var bytes: Int { held.load(ordering: .relaxed) }

    /// A time later than all before: one for each read that leaves a text held.
    func now() -> UInt64 { time.add(1, ordering: .relaxed).newValue }

    /// Counts bytes that are held from now on, or with a negative number no longer.
    func add(_ count: Int) {
        held.add(count, ordering: .relaxed)
    }

    /// Takes note of an open file that holds a text.
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

    /// Forgets an open file that ends, or holds nothing any more.
    func leave(_ place: Int) {
        state.withLock { state in
            state.slots[place].holder = nil
            state.free.append(place)
        }
    }

    /// Lets idle open files give their texts up if more than the budget is held, until an eighth of it is free.
    @inline(__always)
    func keepBudget() {
        if bytes > budget { makeRoom() }
    }

    @inline(never)
    private func makeRoom() {
        // One search at a time is enough.
        if isSearching.exchange(true, ordering: .acquiringAndReleasing) { return }
        defer { isSearching.store(false, ordering: .releasing) }
        // Some more than must be, so that not every further read has to look through all.
        let goal = budget - budget / 8
        // References leave the lock with the holders: the last one may end an open file, which calls `leave`.
        let holders = state.withLock { $0.slots.compactMap(\.holder) }
        let byIdleness = holders.map { (time: $0.lastRead.load(ordering: .relaxed), holder: $0) }
            .sorted { $0.time < $1.time }
        for (_, holder) in byIdleness {
            if bytes <= goal { return }
            holder.giveTextUp()
        }
    }
}
