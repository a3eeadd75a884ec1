// SPDX-License-Identifier: Apache-2.0
// What falls due when. The order is total and does not depend on how the queue came to be: two machines that are
// brought up to date in different steps must end up the same.

/// One piece of work and the time at which its present step is done.
struct Work: Sendable, Hashable, Comparable {
    enum Kind: Sendable, Hashable {
        /// A frame of an ending guest goes back.
        case teardown(GuestID)
        /// A region of the running pass has had its turn.
        case pass
        /// The delay of the pending pass is over.
        case delayedPass
        /// The thread whose pass has ended sleeps and can be woken again.
        case threadSleep
    }

    var due: UInt64
    var kind: Kind

    /// Teardowns in the order of their guests, then the passes: a page that goes back in the same nanosecond is seen.
    private var rank: UInt64 {
        switch kind {
        case .teardown(let id): id.rawValue
        case .pass: .max - 2
        case .delayedPass: .max - 1
        case .threadSleep: .max
        }
    }

    static func < (left: Work, right: Work) -> Bool {
        left.due != right.due ? left.due < right.due : left.rank < right.rank
    }
}

/// A binary heap of work, the next due on top.
struct WorkQueue: Sendable {
    private var heap: [Work] = []

    /// The work that falls due next.
    var next: Work? { heap.first }
    var count: Int { heap.count }

    /// The work behind the next one.
    var second: Work? {
        guard heap.count > 1 else { return nil }
        return heap.count > 2 && heap[2] < heap[1] ? heap[2] : heap[1]
    }

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

    /// Takes the next work out.
    mutating func pop() -> Work? {
        guard let last = heap.popLast() else { return nil }
        guard let top = heap.first else { return last }
        replaceTop(with: last)
        return top
    }

    /// Takes all work of a kind out: what is due later than thought, or not at all any more.
    mutating func remove(_ kind: Work.Kind) {
        guard heap.contains(where: { $0.kind == kind }) else { return }
        let left = heap.filter { $0.kind != kind }
        heap = []
        for work in left { push(work) }
    }

    /// Puts other work in the place of the next one.
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
