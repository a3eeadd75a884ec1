// SPDX-License-Identifier: Apache-2.0
// A second implementation of fs/seq_file.c's reads, written for clarity instead of speed, to compare SequenceFile with.

@testable import RMPFS

/// Records for tests: each is a text, or for some time an error.
final class Records: RecordSource, Sendable {
    private let records: [[UInt8]]
    /// Whether a fill that starts with the last record misses it.
    private let hidesLast: Bool
    private let failing: Box<[Int: Errno]> = Box([:])
    private let isAtHand = Box(false)
    private let whole: Rendering?

    init(_ records: [[UInt8]], hidesLast: Bool = false) {
        self.records = records
        self.hidesLast = hidesLast
        whole = try? Rendering(hidesLastRecordFromItself: hidesLast) { text, ends throws(Errno) in
            for record in records {
                text.append(record)
                ends.append(text.count)
            }
        }
    }

    func fail(_ failing: [Int: Errno]) { self.failing.value = failing }
    func keepAtHand(_ isAtHand: Bool) { self.isAtHand.value = isAtHand }

    /// Record `index`; nil after the last one.
    func record(_ index: Int) throws(Errno) -> [UInt8]? {
        guard index < records.count else { return nil }
        if let error = failing.value[index] { throw error }
        return records[index]
    }

    /// Whether a fill that starts with record `first` gets nothing.
    func hides(_ first: Int) -> Bool { hidesLast && first > 0 && first == records.count - 1 }

    func show(from first: Int, into page: inout RecordPage) throws(Errno) {
        if hides(first) { return }
        var index = first
        while index < records.count {
            // Those that cannot fail come in runs of up to seven.
            let run = records.indices.dropFirst(index).prefix { failing.value[$0] == nil && !$0.isMultiple(of: 7) }
            if !run.isEmpty {
                let start = index
                guard page.records(run.count, { number, text in text.append(records[start + number]) }) else { return }
                index += run.count
                continue
            }
            let wanted = try page.record { text throws(Errno) in
                // A failing record may already have written something.
                text.append("torn")
                guard let record = try record(index) else { return }
                text.truncate(to: text.count - 4)
                text.append(record)
            }
            if !wanted { return }
            index += 1
        }
    }

    func rendering(from first: Int) throws(Errno) -> Rendering? {
        guard isAtHand.value else { return nil }
        if let error = failing.value.values.first { throw error }
        return whole
    }
}

/// An open sequence file as a plain list of rules.
struct ReferenceSequence {
    let records: Records
    /// Text that was made but not yet read.
    private var rest: [UInt8] = []
    /// The record to be made next.
    private var next = 0
    /// Where the last read ended.
    private var position = 0
    /// The buffer's size; a record fits if it ends below it.
    private var room = 4096

    init(_ records: Records) {
        self.records = records
    }

    mutating func read(at offset: Int, size: Int) throws(Errno) -> [UInt8] {
        // Rule 1: at offset 0 everything starts over.
        if offset == 0 { (rest, next) = ([], 0) }
        // Rule 2: anywhere else except at the end of the last read, the text is made again from the start.
        if offset != position {
            do {
                try goTo(offset)
            } catch {
                (rest, next, position) = ([], 0, 0)
                throw error
            }
            position = offset
        }
        // Rule 3: the rest goes first; more is made only when all of it is gone.
        var answer = Array(rest.prefix(size))
        rest.removeFirst(answer.count)
        if rest.isEmpty {
            do {
                rest = try page(wanted: size - answer.count)
            } catch {
                // Rule 4: only a read that has nothing else to return reports an error.
                if answer.isEmpty { throw error }
            }
            let more = Array(rest.prefix(size - answer.count))
            rest.removeFirst(more.count)
            answer += more
        }
        position += answer.count
        return answer
    }

    /// Makes and drops records until the byte at `offset` is the next one.
    private mutating func goTo(_ offset: Int) throws(Errno) {
        (rest, next) = ([], 0)
        var passed = 0
        while passed != offset, let record = try records.record(next) {
            while record.count >= room { room *= 2 }
            next += 1
            if passed + record.count > offset {
                rest = Array(record.dropFirst(offset - passed))
                return
            }
            passed += record.count
        }
    }

    /// One non-empty record of any length, and as many after it as fit in the buffer and are wanted.
    private mutating func page(wanted: Int) throws(Errno) -> [UInt8] {
        var text: [UInt8] = []
        if records.hides(next) { return [] }
        while text.isEmpty {
            guard let record = try records.record(next) else { return [] }
            while record.count >= room { room *= 2 }
            text = record
            next += 1
        }
        while text.count < wanted {
            // The next read meets this error again.
            guard let found = try? records.record(next), text.count + found.count < room else { break }
            text += found
            next += 1
        }
        return text
    }
}
