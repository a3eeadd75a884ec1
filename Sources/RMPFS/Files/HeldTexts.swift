// SPDX-License-Identifier: Apache-2.0
// Bounds the memory of texts that open files hold between two reads: clients may keep descriptors for ever.

import Synchronization

/// An open file that holds a text between two reads and can make it again.
protocol TextHolder: AnyObject, Sendable {
    /// Set by each read that leaves a text held, cleared when the texts are looked through: whoever has it clear was
    /// idle for a whole round.
    var wasRead: Atomic<Bool> { get }

    /// Lets go of the text. The next read makes it anew and goes on at its offset. Does nothing while the file is busy.
    func giveTextUp()
}

/// The account of texts that open files hold: how many bytes there are, and who can give some back.
///
/// Beyond the budget, the open files that were not read for longest lose their texts, as good as a clock with one hand
/// tells them ("second chance"). Nobody notices, unless the text has changed since: then the rest is of the new text,
/// as for a reader of a sequence file that comes to an offset with pread(2).
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
        /// The slot that is looked at next.
        var hand = 0
    }

    /// The account of this process. 64 MiB are 1,000 texts of a whole CPU of 2 TB, or 16,000 pages.
    static let shared = HeldTexts(budget: 64 << 20)

    /// How many bytes may be held, except while somebody looks for what can go.
    let budget: Int
    private let held = Atomic<Int>(0)
    private let isSearching = Atomic<Bool>(false)
    private let state = Lock(State())

    init(budget: Int) {
        self.budget = budget
    }

    /// The bytes that are held now.
    var bytes: Int { held.load(ordering: .relaxed) }

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

    /// Forgets an open file that ends.
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
        let goal = budget - budget / 8
        // The first round may only find that everybody was read; nobody stays beyond the second.
        var left = state.withLock { 2 * $0.slots.count }
        while left > 0, bytes > goal {
            // References leave the lock with the holders: the last one may end an open file, which calls `leave`.
            let some = next(min(left, 64))
            if some.isEmpty { return }
            left -= some.count
            for case let holder? in some where bytes > goal {
                if !holder.wasRead.exchange(false, ordering: .relaxed) { holder.giveTextUp() }
            }
        }
    }

    /// Moves the hand over `count` slots.
    private func next(_ count: Int) -> [(any TextHolder)?] {
        state.withLock { state in
            var found: [(any TextHolder)?] = []
            found.reserveCapacity(count)
            for _ in 0..<min(count, state.slots.count) {
                if state.hand >= state.slots.count { state.hand = 0 }
                found.append(state.slots[state.hand].holder)
                state.hand += 1
            }
            return found
        }
    }
}
