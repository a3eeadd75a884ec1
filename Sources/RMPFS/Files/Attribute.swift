// SPDX-License-Identifier: Apache-2.0
// A configfs attribute: a value as a short text, shown once per open and stored once per write.

import Synchronization

/// A file of fs/configfs.
///
/// Rules (fs/configfs/file.c, and the recorded kernel): the text is made at the first read of an open file and kept
/// until a write to it; a write calls the store method once with at most 4,095 bytes, whatever the offset, and consumes
/// no more than these; opening for reading needs a show method and an r bit *somewhere* in the mode, for writing a
/// store method and a w bit, even for root; fsync and O_DIRECT are not supported.
///
/// Unlike in the kernel, longer texts are counted in an account (``HeldTexts``); when it is over budget, the open files
/// that have been idle longest make their texts anew at the next read.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class Attribute: File, @unchecked Sendable {
    /// Writes the value's text, including the newline; at most 4,096 bytes, otherwise the reader gets EIO.
    public typealias Show = @Sendable (_ text: inout TextBuffer) throws(Errno) -> Void
    /// Takes a new value, or refuses it and changes nothing.
    public typealias Store = @Sendable (_ value: StoredText) throws(Errno) -> Void

    private let show: Show?
    private let store: Store?
    fileprivate let texts: HeldTexts

    /// Texts up to this size take no more memory than the rest of an open file, and are not counted.
    fileprivate static let smallText = 256
    /// The most bytes that a store method gets: a page minus the NUL after them.
    static let storeLimit = FileLimits.page - 1

    /// An attribute with the mode that configfs gives its kind: 0644, 0444 (`store` nil) or 0200 (`show` nil).
    /// - Parameter rules: for sysfs too, whose attributes differ only in what its row of the table says.
    public convenience init(owner: Owner, rules: FileSystemRules = .configfs, show: Show?, store: Store?) {
        self.init(owner: owner, rules: rules, show: show, store: store, texts: .shared)
    }

    /// An attribute whose open files' texts are counted in the account `texts`.
    init(owner: Owner, rules: FileSystemRules = .configfs, show: Show?, store: Store?, texts: HeldTexts) {
        self.show = show
        self.store = store
        self.texts = texts
        let mode: UInt32 = (show == nil ? 0 : 0o444) | (store == nil ? 0 : 0o200)
        super.init(rules: rules, mode: mode, owner: owner)
    }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile {
        let mode = metadata.withLock { $0.mode }
        if request.reads && (show == nil || mode & 0o444 == 0) { throw .accessDenied }
        if request.writes && (store == nil || mode & 0o222 == 0) { throw .accessDenied }
        return OpenAttribute(self)
    }

    /// generic_file_llseek: data up to the size that stat(2) gives, followed by a hole.
    override func seek(_ target: SeekTarget, from offset: Int64) throws(Errno) -> Int64 {
        try seekBySize(target, from: offset, negative: .noSuchAddress)
    }

    fileprivate func render(into snapshot: Snapshot) throws(Errno) {
        guard let show else { throw .invalid }
        if isRemoved { throw .noSuchFile }
        try show(&snapshot.text)
        if snapshot.text.count > FileLimits.page { throw .ioError }
    }

    fileprivate func take(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        guard let store else { throw .invalid }
        if isRemoved { throw .noSuchFile }
        try store(StoredText(bytes))
    }
}

/// An open attribute, with its text once it was read.
///
/// Unchecked, as ``OpenFile`` says: its state is behind one `Lock`.
private final class OpenAttribute: OpenFile, TextHolder, @unchecked Sendable {
    private struct State: Sendable {
        var snapshot: Snapshot?
        var isFilled = false
        /// The open file's place in the account of texts, while it holds a long one.
        var place: Int?
    }

    private let attribute: Attribute
    private let state = Lock(State())
    let lastRead = Atomic<UInt64>(0)

    init(_ attribute: Attribute) {
        self.attribute = attribute
        super.init(attribute)
    }

    deinit {
        state.withLock { leave(&$0) }
    }

    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        let slice = try state.withPatientLock { state throws(Errno) in
            if !state.isFilled || offset == 0 && attribute.rules.makesTextsAnew {
                try attribute.render(into: Snapshot.fresh(in: &state.snapshot, capacity: 64))
                state.isFilled = true
            }
            guard let snapshot = state.snapshot else { return TextSlice.empty }
            if snapshot.text.memory > Attribute.smallText {
                snapshot.isHeld(in: attribute.texts)
                lastRead.store(attribute.texts.now(), ordering: .relaxed)
                if state.place == nil { state.place = attribute.texts.enter(self) }
            }
            return TextSlice(of: snapshot, offset: offset, size: size)
        }
        attribute.texts.keepBudget()
        return slice
    }

    func giveTextUp() {
        _ = state.withLockIfAvailable { state in
            (state.snapshot, state.isFilled) = (nil, false)
            leave(&state)
        }
    }

    private func leave(_ state: inout State) {
        guard let place = state.place else { return }
        attribute.texts.leave(place)
        state.place = nil
    }

    override func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) -> Int {
        let taken = min(bytes.count, Attribute.storeLimit)
        // As under configfs' buffer->mutex: no read comes between the store and the invalidation of the text. A refused
        // write invalidates the text too.
        try state.withPatientLock { state throws(Errno) in
            state.isFilled = false
            try attribute.take(UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
        }
        return taken
    }
}
