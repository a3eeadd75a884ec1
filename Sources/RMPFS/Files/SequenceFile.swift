// SPDX-License-Identifier: Apache-2.0
// A seq_file of debugfs: records made while they are read, page by page, as fs/seq_file.c returns them.

import Synchronization

/// Where the records of a sequence file come from.
public protocol RecordSource: Sendable {
    /// Writes the records from number `first` on into `page` until it wants no more or none are left.
    ///
    /// Called again from record 0 whenever a reader goes back, and with the next record's number for each further page.
    /// The host may change between two calls, as between two calls of the kernel's start() and stop().
    func show(from first: Int, into page: inout RecordPage) throws(Errno)

    /// All records as ``show(from:into:)`` would give them now, if the source has them cached; nil to make the caller
    /// ask for them. A page that begins with record `first` is about to be taken from them.
    func rendering(from first: Int) throws(Errno) -> Rendering?
}

extension RecordSource {
    /// Nothing is cached.
    public func rendering(from first: Int) throws(Errno) -> Rendering? { nil }
}

/// The single record of a file made with single_open(): the whole text.
public struct SingleRecord: RecordSource {
    private let write: @Sendable (_ text: inout TextBuffer) throws(Errno) -> Void
    private let atHand: @Sendable () throws(Errno) -> Rendering?

    /// A file whose whole text `write` makes.
    /// - Parameter atHand: returns the same text if it is cached, otherwise nil.
    public init(
        atHand: @escaping @Sendable () throws(Errno) -> Rendering? = { () throws(Errno) in nil },
        _ write: @escaping @Sendable (_ text: inout TextBuffer) throws(Errno) -> Void
    ) {
        self.atHand = atHand
        self.write = write
    }

    /// The record, if it is cached.
    public func rendering(from first: Int) throws(Errno) -> Rendering? { try atHand() }

    /// The record, once.
    public func show(from first: Int, into page: inout RecordPage) throws(Errno) {
        if first == 0 { _ = try page.record(write) }
    }
}

/// The buffer of a sequence file while records are written into it.
public struct RecordPage: ~Copyable {
    /// What to do with written records.
    fileprivate enum Goal {
        /// Keep records while they fit and there are fewer than `wanted` bytes.
        case fill(wanted: Int)
        /// Drop records until the one that holds byte `offset` of the whole text.
        case seek(offset: UInt64)
    }

    private let snapshot: Snapshot
    private let goal: Goal
    /// Bytes in front that are left from earlier records; they are not counted.
    private let kept: Int
    /// A record fits while all of them together stay below this many bytes. A first record that does not fit doubles it
    /// until it does. fs/seq_file.c makes the record again after each doubling; here it stays, because the record made
    /// last is the one that is read, and making all the others again would cost a multiple of the text.
    fileprivate private(set) var size: Int
    /// Where the kept text starts in the whole text (seek only).
    fileprivate private(set) var position: UInt64 = 0
    /// How many records were accepted.
    fileprivate private(set) var taken = 0

    fileprivate init(_ snapshot: Snapshot, _ goal: Goal, size: Int) {
        self.snapshot = snapshot
        self.goal = goal
        self.size = size
        kept = snapshot.text.count
    }

    /// Writes one record.
    /// - Returns: whether the next record is wanted too. If not, the source must return.
    public mutating func record(_ write: (_ text: inout TextBuffer) throws(Errno) -> Void) throws(Errno) -> Bool {
        let before = snapshot.text.count
        do {
            try write(&snapshot.text)
        } catch {
            // Text before a failing record is read first; the error comes with the read that starts there. A seek reads
            // nothing, so nothing comes first.
            snapshot.text.truncate(to: before)
            if case .fill = goal, before > kept { return false }
            throw error
        }
        let after = snapshot.text.count
        switch goal {
        case .fill(let wanted):
            if after - kept >= size {
                guard before == kept else {
                    snapshot.text.truncate(to: before)
                    return false
                }
                grow(toHold: after - kept)
            }
            taken += 1
            return after - kept < wanted || after == kept
        case .seek(let offset):
            grow(toHold: after)
            taken += 1
            if position + UInt64(after) > offset { return false }
            position += UInt64(after)
            snapshot.text.removeAll()
            return position != offset
        }
    }

    /// Writes `count` records, as that many calls of ``record(_:)`` until one answers false. Cheaper where records are
    /// short: a page's text is accessed once for all of them.
    /// - Parameter write: writes the record of a number, 0 ..< `count`. It may be called twice with the same one.
    /// - Returns: whether the next record is wanted too.
    @inline(__always)
    mutating func records(_ count: Int, _ write: (_ number: Int, _ text: inout TextBuffer) -> Void) -> Bool {
        var number = 0
        if case .fill(let wanted) = goal {
            let isFull = Self.fill(&snapshot.text, kept, size, wanted, count, &number, write)
            taken += number
            if isFull { return false }
        }
        while number < count {
            // It does not throw, as `write` does not.
            guard let isWanted = try? record({ write(number, &$0) }), isWanted else { return false }
            number += 1
        }
        return true
    }

    /// Writes records from `number` on until there are `count`, or one is the last that is wanted, or one does not fit.
    /// - Returns: whether no more are wanted. If false and there are fewer than `count`, the next one needs a larger
    ///   buffer.
    @inline(__always)
    private static func fill(
        _ text: inout TextBuffer,
        _ kept: Int,
        _ size: Int,
        _ wanted: Int,
        _ count: Int,
        _ number: inout Int,
        _ write: (_ number: Int, _ text: inout TextBuffer) -> Void
    ) -> Bool {
        while number < count {
            let before = text.count
            write(number, &text)
            let after = text.count
            if after - kept >= size {
                text.truncate(to: before)
                return before > kept
            }
            number += 1
            if after - kept >= wanted && after > kept { return true }
        }
        return false
    }

    private mutating func grow(toHold bytes: Int) {
        while bytes >= size { size *= 2 }
    }
}

/// A file of fs/debugfs whose text is made by fs/seq_file.c.
///
/// Rules (fs/seq_file.c, and the recorded kernel): the buffer is one page, so a large read returns only whole records
/// that stay below 4,096 bytes; the rest of a partly read record is returned first; a record longer than the page
/// doubles the buffer; a read at offset 0, or at a position other than the end of the last read, makes the records
/// again from the first. Root may open it for writing; each write is EINVAL.
///
/// Unlike in the kernel, where each open file keeps its buffer, the memory of buffers is bounded (``HeldTexts``): a
/// buffer with nothing left to read is freed, and if there are too many others, those idle longest are freed too. The
/// next read then acts as at a position other than the end of the last one.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class SequenceFile: File, @unchecked Sendable {
    fileprivate let source: any RecordSource
    fileprivate let texts: HeldTexts
    private let hasSeek: Bool
    private let isReport: Bool

    /// A file with the mode of debugfs' read-only files, or another mode such as 0400.
    /// - Parameters:
    ///   - isSeekable: whether its operations have an llseek method; without one, lseek and pread are ESPIPE.
    ///   - isReport: whether stat(2) gives the time of the call as the modification time. debugfs always gives the time
    ///     at which the file was made; programs that watch the age of texts would take the text for stale.
    public convenience init(
        owner: Owner,
        mode: UInt32 = 0o444,
        isSeekable: Bool = true,
        isReport: Bool = false,
        source: any RecordSource
    ) {
        self.init(
            owner: owner,
            mode: mode,
            isSeekable: isSeekable,
            isReport: isReport,
            source: source,
            texts: .shared
        )
    }

    /// A file whose open files' texts are counted in the account `texts`.
    init(
        owner: Owner,
        mode: UInt32,
        isSeekable: Bool,
        isReport: Bool = false,
        source: any RecordSource,
        texts: HeldTexts
    ) {
        self.source = source
        self.texts = texts
        self.isReport = isReport
        hasSeek = isSeekable
        super.init(rules: .debugfs, mode: mode, owner: owner)
    }

    override var isSeekable: Bool { hasSeek }
    override var isAlwaysCurrent: Bool { isReport }
    override var hasEnd: Bool { false }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile { OpenSequence(self) }
}

/// An open sequence file: `struct seq_file`.
///
/// Unchecked, as ``OpenFile`` says: its state is behind one `Lock`.
private final class OpenSequence: OpenFile, TextHolder, @unchecked Sendable {
    private struct State: Sendable {
        var snapshot: Snapshot?
        /// The first unread byte of the buffer, and how many bytes remain from it.
        var from = 0
        var count = 0
        /// The number of the next record.
        var index = 0
        /// Where the last read ended.
        var position: UInt64 = 0
        /// The size of the buffer: a page, doubled for longer records.
        var size = FileLimits.page
        /// Whether unread text was dropped.
        var isGivenUp = false
        /// The open file's place in the account of texts, while it holds one between reads.
        var place: Int?

        /// traverse() over cached records.
        mutating func seek(to offset: UInt64, in rendering: Rendering) {
            var start = 0
            while index < rendering.ends.count && UInt64(start) != offset {
                let end = rendering.ends[index]
                while end - start >= size { size *= 2 }
                index += 1
                if UInt64(end) > offset {
                    snapshot = rendering.snapshot
                    from = Int(offset)
                    count = end - from
                    return
                }
                start = end
            }
        }

        /// Continues with cached records: nothing is copied, the buffer becomes a part of their text.
        /// - Returns: false, with nothing changed, if what is left of the last record is not the text just before them.
        mutating func fill(from rendering: Rendering, for wanted: Int) -> Bool {
            let start = rendering.start(of: index)
            guard count == 0 || snapshot === rendering.snapshot && from + count == start else { return false }
            let records = rendering.records(from: index)
            // Up to the size of the buffer, and no further than the first record that satisfies the reader.
            var next = rendering.record(endingAtOrBehind: start + size, in: records)
            while rendering.start(of: next) == start && next < records.upperBound {
                size *= 2
                next = rendering.record(endingAtOrBehind: start + size, in: records)
            }
            let enough = rendering.record(endingAtOrBehind: start + max(wanted - count, 1), in: index..<next)
            index = min(enough + 1, next)
            snapshot = rendering.snapshot
            from = start - count
            count += rendering.start(of: index) - start
            return true
        }
    }

    private let sequence: SequenceFile
    private let state = Lock(State())
    let lastRead = Atomic<UInt64>(0)

    init(_ sequence: SequenceFile) {
        self.sequence = sequence
        super.init(sequence)
    }

    deinit {
        state.withLock { leave(&$0) }
    }

    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        let slice = try state.withPatientLock { state throws(Errno) in
            defer { settle(&state) }
            if offset == 0 { (state.index, state.count, state.from) = (0, 0, 0) }
            if offset == 0 || offset != state.position || state.isGivenUp {
                state.isGivenUp = false
                state.position = 0
                if offset != 0 { try seek(to: offset, &state) }
                state.position = offset
            }
            // Also when what is left just suffices: then one record is made and kept for the next read.
            if state.count <= size { try fill(&state, for: size) }
            let slice = TextSlice(snapshot: state.snapshot, start: state.from, count: min(size, state.count))
            state.from += slice.count
            state.count -= slice.count
            state.position += UInt64(slice.count)
            return slice
        }
        sequence.texts.keepBudget()
        return slice
    }

    /// Called at the end of a read: keeps and counts only what is left to read.
    private func settle(_ state: inout State) {
        guard state.count > 0, let snapshot = state.snapshot else {
            state.snapshot = nil
            leave(&state)
            return
        }
        snapshot.isHeld(in: sequence.texts)
        lastRead.store(sequence.texts.now(), ordering: .relaxed)
        if state.place == nil { state.place = sequence.texts.enter(self) }
    }

    func giveTextUp() {
        _ = state.withLockIfAvailable { state in
            if state.count == 0 { return }
            state.isGivenUp = true
            (state.snapshot, state.count, state.from) = (nil, 0, 0)
            leave(&state)
        }
    }

    private func leave(_ state: inout State) {
        guard let place = state.place else { return }
        sequence.texts.leave(place)
        state.place = nil
    }

    /// traverse(): makes the records from the first up to the one that contains byte `offset`.
    private func seek(to offset: UInt64, _ state: inout State) throws(Errno) {
        (state.index, state.count, state.from) = (0, 0, 0)
        // The records themselves report an error, at the right place.
        if let rendering = try? sequence.source.rendering(from: 0) {
            state.seek(to: offset, in: rendering)
            return
        }
        let snapshot = Snapshot.fresh(in: &state.snapshot, capacity: FileLimits.page)
        var page = RecordPage(snapshot, .seek(offset: offset), size: state.size)
        defer { state.size = page.size }
        try sequence.source.show(from: 0, into: &page)
        state.index = page.taken
        if page.position + UInt64(snapshot.text.count) > offset {
            state.from = Int(offset - page.position)
            state.count = snapshot.text.count - state.from
        }
    }

    /// Moves what is left of the last record to the front and appends further records.
    private func fill(_ state: inout State, for wanted: Int) throws(Errno) {
        if let rendering = try? sequence.source.rendering(from: state.index),
            state.fill(from: rendering, for: wanted)
        {
            return
        }
        let left = state.count
        let snapshot = Snapshot.fresh(in: &state.snapshot, keeping: state.from..<state.from + left)
        state.from = 0
        var page = RecordPage(snapshot, .fill(wanted: wanted - left), size: state.size)
        defer {
            state.size = page.size
            state.index += page.taken
        }
        do {
            try sequence.source.show(from: state.index, into: &page)
        } catch {
            // A read that has nothing else to return reports the error. Empty records before it were skipped.
            if left == 0 { throw error }
        }
        state.count = snapshot.text.count
    }
}
