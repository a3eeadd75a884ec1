// SPDX-License-Identifier: Apache-2.0
// A file that has no end while the mount lasts: records that come as time passes, for any number of readers, each with
// a place of its own. tracefs' trace_pipe is its model, except that there a record goes to one reader only.

/// Where the records of a stream come from.
public protocol StreamSource: Sendable {
    /// Appends the next records from number `place` on, whole ones, until there are `limit` bytes or no more for now;
    /// `place` becomes the number of the record after them.
    func take(from place: inout UInt64, limit: Int, into text: inout TextBuffer) throws(Errno)

    /// Has `body` called, once, on a thread of the source's, when there is a record number `place`. It may be called
    /// before that; whoever finds nothing waits again.
    /// - Returns: a number for ``hurry(_:)``; nil if the system has no thread for it, and `body` is not called.
    func wait(for place: UInt64, _ body: @escaping @Sendable () -> Void) -> UInt64?

    /// Has the `body` of a wait called now.
    func hurry(_ wait: UInt64)
}

/// A file of records to come. Reads begin with the oldest record that is kept.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class StreamFile: File, @unchecked Sendable {
    fileprivate let source: any StreamSource

    /// A read-only file, mode 0444.
    public init(owner: Owner, source: any StreamSource) {
        self.source = source
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
        /// Whether the mount has ended: what is left is read, and then the end.
        var hasEnded = false

        /// The bytes that are left of the records taken, at most `size`.
        mutating func rest(_ size: Int) -> TextSlice? {
            guard let snapshot, read < snapshot.text.count else { return nil }
            let slice = TextSlice(of: snapshot, offset: UInt64(read), size: size)
            read += slice.count
            return slice
        }
    }

    let source: any StreamSource
    private let state = Lock(State())

    init(_ file: StreamFile) {
        source = file.source
        super.init(file)
    }

    /// The next bytes, whatever the offset.
    /// - Throws: ``Errno/tryAgain`` if there are none yet.
    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        try state.withPatientLock { state throws(Errno) in
            if let rest = state.rest(size) { return rest }
            // A reply may still hold the one before, so this is a new one.
            let snapshot = Snapshot(capacity: FileLimits.page)
            try source.take(from: &state.place, limit: min(size, Self.mostAtOnce), into: &snapshot.text)
            (state.snapshot, state.read) = (snapshot, 0)
            if let rest = state.rest(size) { return rest }
            if state.hasEnded { return .empty }
            throw .tryAgain
        }
    }

    /// Whether a read would find something, the end included.
    var isReadable: Bool {
        state.withPatientLock { state in
            if state.hasEnded { return true }
            if let snapshot = state.snapshot, state.read < snapshot.text.count { return true }
            let snapshot = Snapshot(capacity: FileLimits.page)
            guard (try? source.take(from: &state.place, limit: 1, into: &snapshot.text)) != nil else { return true }
            (state.snapshot, state.read) = (snapshot, 0)
            return snapshot.text.count > 0
        }
    }

    /// The number of the next record that this reader does not have.
    var place: UInt64 { state.withLock { $0.place } }

    /// There will be no more records.
    func end() { state.withLock { $0.hasEnded = true } }

    /// The most bytes that are taken from the source for one read.
    private static let mostAtOnce = 131_072
}
