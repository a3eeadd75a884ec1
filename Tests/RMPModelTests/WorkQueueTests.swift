// SPDX-License-Identifier: Apache-2.0
// The queue returns work in the same order, however it was filled.

import Testing

@testable import RMPModel

@Suite struct WorkQueueTests {
    private func work(_ due: UInt64, _ guest: UInt64) -> Work { Work(due: due, guest: GuestID(guest)) }

    @Test func orderIsTotal() {
        var random = Random(seed: testSeed)
        for _ in 0..<50 {
            let all = (1...40).map { work(random.next() % 8, $0) }
            var queue = WorkQueue()
            for item in all.shuffled(using: &random) { queue.push(item) }
            var given: [Work] = []
            while let item = queue.pop() { given.append(item) }
            #expect(given == all.sorted(), "seed \(testSeed)")
        }
    }

    @Test func guestsInTheirOrder() {
        #expect(work(1, 8) < work(1, 9) && work(1, 9) < work(2, 1))
    }

    @Test func replacingTheTop() {
        var queue = WorkQueue()
        queue.replaceTop(with: work(1, 1))
        #expect(queue.next == nil && queue.pop() == nil)
        for due in [5, 2, 9] as [UInt64] { queue.push(work(due, due)) }
        queue.replaceTop(with: work(7, 1))
        #expect(queue.next?.due == 5 && queue.count == 3)
    }
}
