// SPDX-License-Identifier: Apache-2.0
// The queue gives work in one order, however it was filled.

import Testing

@testable import RMPModel

@Suite struct WorkQueueTests {
    @Test func orderIsTotal() {
        var random = Random(seed: testSeed)
        for _ in 0..<50 {
            var all: [Work] = [Work(due: 3, kind: .pass)]
            for id in 1...40 as ClosedRange<UInt64> {
                all.append(Work(due: random.next() % 8, kind: .teardown(GuestID(id))))
            }
            var queue = WorkQueue()
            for item in all.shuffled(using: &random) { queue.push(item) }
            var given: [Work] = []
            while let item = queue.pop() { given.append(item) }
            #expect(given == all.sorted(), "seed \(testSeed)")
        }
    }

    @Test func teardownComesBeforeThePassOfTheSameTime() {
        #expect(Work(due: 1, kind: .teardown(GuestID(9))) < Work(due: 1, kind: .pass))
        #expect(Work(due: 1, kind: .pass) < Work(due: 2, kind: .teardown(GuestID(1))))
    }

    @Test func replacingTheTop() {
        var queue = WorkQueue()
        queue.replaceTop(with: Work(due: 1, kind: .pass))
        #expect(queue.next == nil && queue.pop() == nil)
        for due in [5, 2, 9] as [UInt64] { queue.push(Work(due: due, kind: .teardown(GuestID(due)))) }
        queue.replaceTop(with: Work(due: 7, kind: .pass))
        #expect(queue.next?.due == 5 && queue.count == 3)
    }
}
