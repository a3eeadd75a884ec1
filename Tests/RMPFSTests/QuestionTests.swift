// SPDX-License-Identifier: Apache-2.0
// Questions that are answered soon, late and never.

import Glibc
import Testing

@testable import RMPFS

@Suite struct QuestionTests {
    @Test func answerIsKept() {
        let question = Question { 7 }
        #expect(question.answer(within: 10) == 7)
        #expect(question.answer(within: 0) == 7)
    }

    @Test func nobodyWaitsLongerThanIsSaid() {
        let gate = Semaphore()
        let question = Question { () -> String in
            gate.wait()
            return "late"
        }
        let start = ContinuousClock.now
        #expect(question.answer(within: 1) == nil)
        #expect(ContinuousClock.now - start < .seconds(8))
        gate.signal()
        #expect(question.answer(within: 10) == "late")
    }

    @Test func questionsWaitForNoOther() {
        let gate = Semaphore()
        let late = Question { gate.wait() }
        #expect((0..<100).map { number in Question { number } }.map { $0.answer(within: 10) } == Array(0..<100))
        gate.signal()
        #expect(late.answer(within: 10) != nil)
    }
}
