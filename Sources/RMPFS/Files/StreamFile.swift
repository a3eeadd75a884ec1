// SPDX-License-Identifier: Apache-2.0
// A file that has no end while the mount lasts: records that come as time passes, for any number of readers, each with
// a place of its own. tracefs' trace_pipe is its model, except that there a record goes to one reader only.

/// Where the records of a stream come from.
public protocol StreamSource: Sendable {
    /// Appends the next records from number `place` on, whole ones, until there are `limit` bytes or no more for now;
    /// `place` becomes the number of the record after them.
    /// - Returns: whether these are all, for now.
    func take(from place: inout UInt64, limit: Int, into text: inout TextBuffer) throws(Errno) -> Bool

    /// Has `body` called, once, on a thread of the source's, when there is a record that a reader waits for. It may be
    /// called before that; whoever finds nothing waits again.
    /// - Returns: a number for ``hurry(_:)``; nil if the system has no thread for it, and `body` is not called.
    func wait(for next: NextRecord, _ body: @escaping @Sendable () -> Void) -> UInt64?

    /// Has the `body` of a wait called now.
    func hurry(_ wait: UInt64)
}

/// What a reader waits for.
public struct NextRecord: Sendable {
    /// The record's number.
    let place: UInt64
    /// When the reader's rest ends, in ns of the monotonic clock: it need not have the record before.
    let earliest: UInt64
}

/// A file of records to come. Reads begin with the oldest record that is kept.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class StreamFile: File, @unchecked Sendable {
    fileprivate let source: any StreamSource
    fileprivate let rest: UInt64

    /// A read-only file, mode 0444.
    /// - Parameter rest: how long a reader that has got every record waits for the next ones at least, in ns. Without
    ///   it, a reader is woken for each record, and its reads take turns with the requests of those whose doings the
    ///   records tell. Records that come meanwhile are read together.
    public init(owner: Owner, source: any StreamSource, rest: UInt64 = 5_000_000) {
        self.source = source
        self.rest = rest
        super.init(rules: .debugfs, mode: 0o444, owner: owner)
    }

    override var isSeekable: Bool { false }
    override var isAlwaysCurrent: Bool { true }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile {
        if request.writes { throw .accessDenied }
        return OpenStream(self)
    }
}

/// An open stream: a reader's place.
///
/// Unchecked, as ``OpenFile`` says: its state is behind one `Lock`.
final class OpenStream: OpenFile, @unchecked Sendable {
    private struct State: Sendable {
        /// The number of the next record that the source is asked for.
        var place: UInt64 = 0
        /// Records that were taken, and how much of them was read.
        var snapshot: Snapshot?
        var read = 0
        /// Until when this reader rests, in ns of the monotonic clock.
        var earliest: UInt64 = 0
        /// Whether the mount has ended: what is left is read, and then the end.
        var hasEnded = false

        /// Whether bytes of the records taken are left.
        var hasMore: Bool { snapshot.map { read < $0.text.count } ?? false }

        /// Whether the reader rests: nothing is taken for it.
        var isResting: Bool { earliest > 0 && !hasMore && !hasEnded && Alarm.now < earliest }

        /// The bytes that are left of the records taken, at most `size`.
        mutating func rest(_ size: Int) -> TextSlice? {
            guard let snapshot, read < snapshot.text.count else { return nil }
            let slice = TextSlice(of: snapshot, offset: UInt64(read), size: size)
            read += slice.count
            return slice
        }
    }

    let source: any StreamSource
    private let rest: UInt64
    private let state = Lock(State())

    init(_ file: StreamFile) {
        source = file.source
        rest = file.rest
        super.init(file)
    }

    /// The next bytes, whatever the offset.
    /// - Throws: ``Errno/tryAgain`` if there are none yet, or if the reader rests.
    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        if state.withLock({ $0.isResting }) { throw .tryAgain }
        return try readNow(size)
    }

    /// The next bytes, for a reader that does not wait, or has waited.
    /// - Throws: ``Errno/tryAgain`` if there are none yet.
    func readNow(_ size: Int) throws(Errno) -> TextSlice {
        try state.withPatientLock { state throws(Errno) in
            if let rest = state.rest(size) { return rest }
            try take(size, &state)
            if let rest = state.rest(size) { return rest }
            if state.hasEnded { return .empty }
            throw .tryAgain
        }
    }

    /// Takes records in place of those that have been read.
    private func take(_ size: Int, _ state: inout State) throws(Errno) {
        // A reply may still hold the one before, so this is a new one.
        let snapshot = Snapshot(capacity: FileLimits.page)
        let isAll = try source.take(from: &state.place, limit: min(size, Self.mostAtOnce), into: &snapshot.text)
        (state.snapshot, state.read) = (snapshot, 0)
        // Who is behind does not rest, and who finds nothing need not: it waits for the next record as it is.
        state.earliest = isAll && snapshot.text.count > 0 ? Alarm.now + rest : 0
    }

    /// Whether a read would find something, the end included.
    /// - Parameter mayRest: whether somebody who rests can be told later.
    func isReadable(mayRest: Bool) -> Bool {
        state.withPatientLock { state in
            if state.hasEnded || state.hasMore { return true }
            if mayRest && state.isResting { return false }
            guard (try? take(Self.mostAtOnce, &state)) != nil else { return true }
            return state.hasMore
        }
    }

    /// The next record, which this reader does not have.
    var next: NextRecord { state.withLock { NextRecord(place: $0.place, earliest: $0.earliest) } }

    /// There will be no more records.
    func end() { state.withLock { $0.hasEnded = true } }

    /// The most bytes that are taken from the source for one read.
    private static let mostAtOnce = 131_072
}
