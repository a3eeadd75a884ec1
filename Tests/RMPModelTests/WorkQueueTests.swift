// SPDX-License-Identifier: Apache-2.0
// The queue returns work in the same order, however it was filled.

import HeapModule
import Testing

@testable import RMPModel

@Suite struct WorkQueueTests {
    private func work(_ due: UInt64, _ guest: UInt64) -> Work { Work(due: due, guest: GuestID(guest)) }

    @Test func orderIsTotal() {
        var random = Random(seed: testSeed)
        for _ in 0..<50 {
            let all = (1...40).map { work(random.next() % 8, $0) }
            var queue = WorkQueue()
            for item in all.shuffled(using: &random) { queue.insert(item) }
            var given: [Work] = []
            var second = queue.second
            while let item = queue.popMin() {
                given.append(item)
                #expect(queue.min == second, "seed \(testSeed)")
                second = queue.second
            }
            #expect(given == all.sorted(), "seed \(testSeed)")
        }
    }

    @Test func guestsInTheirOrder() {
        #expect(work(1, 8) < work(1, 9) && work(1, 9) < work(2, 1))
    }
}
