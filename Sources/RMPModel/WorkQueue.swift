// SPDX-License-Identifier: Apache-2.0
// Which guest's work is due when. The order is total and does not depend on how the queue was built: two machines that
// are brought up to date in different steps must end up the same.

/// A chunk of an ending guest that is being returned, and when that is done.
struct Work: Sendable, Hashable, Comparable {
    var due: UInt64
    var guest: GuestID

    static func < (left: Work, right: Work) -> Bool {
        left.due != right.due ? left.due < right.due : left.guest < right.guest
    }

    /// After all work that is due at `time` or before, and before all other work.
    static func end(of time: UInt64) -> Work { Work(due: time, guest: GuestID(.max)) }
}

/// A binary heap of work, the next due on top.
struct WorkQueue: Sendable {
    private var heap: [Work] = []

    /// The work that is due next.
    var next: Work? { heap.first }
    var count: Int { heap.count }

    /// The work after the next one.
    var second: Work? {
        guard heap.count > 1 else { return nil }
        return heap.count > 2 && heap[2] < heap[1] ? heap[2] : heap[1]
    }

    /// Calls `body` with all work, in no particular order.
    func forEach(_ body: (Work) -> Void) { heap.forEach(body) }

    mutating func push(_ work: Work) {
        heap.append(work)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent] < heap[child] { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    /// Removes and returns the next work.
    mutating func pop() -> Work? {
        guard let last = heap.popLast() else { return nil }
        guard let top = heap.first else { return last }
        replaceTop(with: last)
        return top
    }

    /// Replaces the next work.
    mutating func replaceTop(with work: Work) {
        if heap.isEmpty { return }
        heap[0] = work
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
