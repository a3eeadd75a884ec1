// SPDX-License-Identifier: Apache-2.0
// SequenceFile against a naive reference: random records, random reads. A failing run prints its seed and its calls.

import Testing

@testable import RMPFS

@Suite struct SequencePropertyTests {
    private struct Call: CustomStringConvertible {
        var failing: [Int: Errno]
        var atHand: Bool
        var offset: Int
        var size: Int
        var description: String {
            "pread(\(size) @ \(offset))\(atHand ? ", at hand" : ""), failing \(failing.keys.sorted())"
        }
    }

    private typealias Answer = Result<[UInt8], Errno>

    @Test func readsAsTheReferenceDoes() {
        for round in 0..<300 {
            let seed = testSeed &+ UInt64(round)
            if let failure = run(seed: seed) {
                Issue.record("RMPFS_TEST_SEED=\(seed): \(failure)")
                return
            }
        }
    }

    /// Opens a file and makes a few hundred reads.
    /// - Returns: the difference, with everything that led to it.
    private func run(seed: UInt64) -> String? {
        var random = Random(seed: seed)
        let errors = random.chance(3)
        let lengths = Self.lengths(&random)
        // A last record that is hidden when a fill starts with it is short, like the table's.
        let hidesLast = random.chance(4) && (1..<200).contains(lengths.last ?? 0)
        let contents = lengths.enumerated().map { Self.record($0.offset, length: $0.element) }
        let records = Records(contents, hidesLast: hidesLast)
        let total = lengths.reduce(0, +)
        var reference = ReferenceSequence(records)
        guard let opened = try? SequenceFile(owner: .root, source: records).open(.reading) else { return "open" }
        var calls: [Call] = []
        var failing: [Int: Errno] = [:]
        var position = 0
        var atHand = random.chance(2)
        for _ in 0..<120 {
            if errors && random.chance(6) && !lengths.isEmpty {
                failing = random.chance(2) ? [:] : [Int.random(in: 0..<lengths.count, using: &random): .ioError]
                records.fail(failing)
            }
            if random.chance(10) { atHand.toggle() }
            records.keepAtHand(atHand)
            let sequential = !random.chance(4)
            let offset = max(0, sequential ? position : Self.anywhere(total, &random))
            let size = random.pick([1, 7, 100, 4095, 4096, 4097, 65536, Int.random(in: 1...9000, using: &random)])
            calls.append(Call(failing: failing, atHand: atHand, offset: offset, size: size))
            let expected = Self.answer { () throws(Errno) in try reference.read(at: offset, size: size) }
            let actual = Self.answer { () throws(Errno) in try opened.read(at: UInt64(offset), size: size).array }
            if expected != actual {
                return
                    "expected \(Self.tell(expected)), got \(Self.tell(actual)); records \(lengths)"
                    + "\(hidesLast ? " (the last is hidden)" : ""); calls:\n"
                    + calls.map(\.description).joined(separator: "\n")
            }
            if case .success(let bytes) = actual { position = offset + bytes.count }
            if sequential && position >= total && random.chance(3) { position = 0 }
        }
        return nil
    }

    private static func anywhere(_ total: Int, _ random: inout Random) -> Int {
        random.pick([0, 1, total - 1, total, total + 1, Int.random(in: 0...max(total, 1), using: &random)])
    }

    private static func lengths(_ random: inout Random) -> [Int] {
        (0..<Int.random(in: 0...40, using: &random)).map { _ in
            switch random.next() % 10 {
            case 0: 0
            case 1: random.pick([1, 4094, 4095, 4096, 4097, 8191, 8192, 10_000])
            case 2: Int.random(in: 1000...6000, using: &random)
            default: Int.random(in: 1...200, using: &random)
            }
        }
    }

    /// Bytes that differ from their neighbours, and from those of all other records.
    private static func record(_ number: Int, length: Int) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number &* 31 &+ ($0 >> 8)) }
    }

    private static func answer(_ read: () throws(Errno) -> [UInt8]) -> Answer {
        do throws(Errno) {
            return .success(try read())
        } catch {
            return .failure(error)
        }
    }

    private static func tell(_ answer: Answer) -> String {
        switch answer {
        case .success(let bytes): "\(bytes.count) bytes (\(bytes.prefix(8))...)"
        case .failure(let error): "\(error)"
        }
    }
}
