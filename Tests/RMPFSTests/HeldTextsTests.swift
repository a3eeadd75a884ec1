// SPDX-License-Identifier: Apache-2.0
// HeldTexts: however many descriptors stop in the middle of their texts, the memory of these texts stays within its
// budget, and each descriptor continues to read what a reader at that offset gets.

import Synchronization
import Testing

@testable import RMPFS

@Suite struct HeldTextsTests {
    /// A file with one record of 60,000 bytes, of a different letter at each rendering.
    private func changing(_ texts: HeldTexts, renderings: Counter = Counter()) -> SequenceFile {
        SequenceFile(
            owner: .root,
            mode: 0o444,
            isSeekable: true,
            source: SingleRecord { text throws(Errno) in
                let letter = UInt8(0x61 + renderings.next() % 26)
                text.append([UInt8](repeating: letter, count: 60_000))
            },
            texts: texts
        )
    }

    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        func next() -> Int { value.add(1, ordering: .relaxed).oldValue }
        var count: Int { value.load(ordering: .relaxed) }
    }

    @Test func descriptorsInTheMiddleStayInTheBudget() throws {
        let texts = HeldTexts(budget: 1 << 20)
        let file = changing(texts)
        var opened: [OpenFile] = []
        for _ in 0..<200 {
            let one = try file.open(.reading)
            #expect(try one.read(at: 0, size: 100).count == 100)
            #expect(texts.bytes <= texts.budget)
            opened.append(one)
        }
        #expect(texts.bytes > texts.budget / 2, "and what fits is kept")
        // Each continues at its offset and reaches the end.
        for one in opened {
            #expect(try one.read(at: 100, size: 59_000).count == 59_000)
            #expect(texts.bytes <= texts.budget)
        }
        for one in opened {
            #expect(try one.read(at: 59_100, size: 59_000).count == 900)
            #expect(try one.read(at: 60_000, size: 59_000).count == 0)
        }
        #expect(texts.bytes == 0, "whoever has read everything holds nothing")
    }

    @Test func theLongestIdleGivesUpFirst() throws {
        let texts = HeldTexts(budget: 1 << 20)
        let renderings = Counter()
        let file = changing(texts, renderings: renderings)
        let (busy, idle) = (try file.open(.reading), try file.open(.reading))
        let letter = try busy.read(at: 0, size: 1).array
        _ = try idle.read(at: 0, size: 1)
        var opened: [OpenFile] = []
        var position: UInt64 = 1
        for _ in 0..<200 {
            let one = try file.open(.reading)
            _ = try one.read(at: 0, size: 1)
            opened.append(one)
            // One byte at a time, slower than all others, but still one text.
            #expect(try busy.read(at: position, size: 1).array == letter)
            position += 1
        }
        let before = renderings.count
        _ = try idle.read(at: 1, size: 1)
        #expect(renderings.count == before + 1, "the idle one had to make its text again")
    }

    @Test func closedFilesLeaveTheAccount() throws {
        let texts = HeldTexts(budget: 1 << 20)
        let file = changing(texts)
        for _ in 0..<100 {
            let one = try file.open(.reading)
            _ = try one.read(at: 0, size: 10)
            #expect(texts.bytes > 0)
            one.close()
        }
        #expect(texts.bytes == 0)
    }

    @Test func aTextThatManyHoldCountsOnce() throws {
        let texts = HeldTexts(budget: 1 << 20)
        let source = Records([[UInt8](repeating: 0x61, count: 60_000)])
        source.keepAtHand(true)
        let file = SequenceFile(owner: .root, mode: 0o444, isSeekable: true, source: source, texts: texts)
        let opened = try (0..<100).map { _ in try file.open(.reading) }
        for one in opened { _ = try one.read(at: 0, size: 10) }
        #expect((60_000..<140_000).contains(texts.bytes), "\(texts.bytes)")
    }

    @Test func tablesOfManyRecordsGoOnAtTheirOffset() throws {
        let texts = HeldTexts(budget: 64 << 10)
        let lines = (0..<1000).map { Array("line \($0)\n".utf8) }
        let whole = Array(lines.joined())
        let file = SequenceFile(owner: .root, mode: 0o444, isSeekable: true, source: Records(lines), texts: texts)
        let opened = try (0..<100).map { _ in try file.open(.reading) }
        var read = [[UInt8]](repeating: [], count: opened.count)
        for round in 0..<40 {
            for (number, one) in opened.enumerated() {
                read[number] += try one.read(at: UInt64(read[number].count), size: 101 + round).array
            }
            #expect(texts.bytes <= texts.budget)
        }
        for text in read { #expect(text == Array(whole.prefix(text.count)) && text.count > 4000) }
    }

    @Test func longAttributesStayInTheBudget() throws {
        let texts = HeldTexts(budget: 256 << 10)
        let attribute = Attribute(
            owner: .root,
            show: { text throws(Errno) in text.append([UInt8](repeating: 0x78, count: 4000)) },
            store: nil,
            texts: texts
        )
        var opened: [OpenFile] = []
        for _ in 0..<1000 {
            let one = try attribute.open(.reading)
            _ = try one.read(at: 0, size: 10)
            #expect(texts.bytes <= texts.budget)
            opened.append(one)
        }
        for one in opened { #expect(try one.read(at: 3990, size: 100).count == 10) }
        opened.removeAll()
        #expect(texts.bytes == 0)
    }

    @Test(.timeLimit(.minutes(1))) func manyThreadsAtOnce() async throws {
        let texts = HeldTexts(budget: 1 << 20)
        let file = changing(texts)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var opened: [OpenFile] = []
                    for turn in 0..<100 {
                        let one = try file.open(.reading)
                        _ = try one.read(at: 0, size: 10)
                        opened.append(one)
                        let other = opened[turn / 2]
                        #expect(try other.read(at: 10, size: 10).count == 10)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(texts.bytes == 0)
    }
}
