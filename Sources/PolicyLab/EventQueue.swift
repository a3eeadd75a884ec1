// SPDX-License-Identifier: Apache-2.0
// What a workload does to a host, in order of time: a heap, so that a month of guests needs no sorting.

/// Something that a workload does at a time.
struct WorkloadEvent: Sendable, Comparable {
    /// What it does; in the same ns in this order.
    enum Kind: UInt8, Sendable {
        case end, makePrivate, share, tick
    }

    let time: UInt64
    let kind: Kind
    let guest: Int

    static func < (left: WorkloadEvent, right: WorkloadEvent) -> Bool {
        if left.time != right.time { return left.time < right.time }
        return left.kind != right.kind ? left.kind.rawValue < right.kind.rawValue : left.guest < right.guest
    }
}

/// A binary heap of events, the next on top.
struct EventQueue: Sendable {
    private var heap: [WorkloadEvent] = []

    var next: WorkloadEvent? { heap.first }

    mutating func push(_ event: WorkloadEvent) {
        heap.append(event)
        heap.withUnsafeMutableBufferPointer { heap in
            var index = heap.count - 1
            while index > 0, event < heap[(index - 1) / 2] {
                heap[index] = heap[(index - 1) / 2]
                index = (index - 1) / 2
            }
            heap[index] = event
        }
    }

    mutating func pop() -> WorkloadEvent? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return first }
        heap.withUnsafeMutableBufferPointer { heap in
            var index = 0
            while true {
                var child = 2 * index + 1
                if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
                if child >= heap.count || !(heap[child] < last) { break }
                heap[index] = heap[child]
                index = child
            }
            heap[index] = last
        }
        return first
    }
}
