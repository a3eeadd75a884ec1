// SPDX-License-Identifier: Apache-2.0
// The rendered text of an open file, shared between the open file and the replies still on their way.

import Synchronization

/// A text that does not change while anybody except its open file holds it.
///
/// An open file renders into a snapshot only while it is the only holder (``fresh(in:capacity:)``); a reply keeps the
/// snapshot alive without a copy and without a lock.
///
/// Unchecked: `text` is written only by the open file, under its lock, and only while no other reference exists.
public final class Snapshot: @unchecked Sendable {
    /// The text.
    public internal(set) var text: TextBuffer
    /// Orders reads of the text before its next change. The reference count shows that nobody else holds the snapshot,
    /// but nothing documents that the count orders accesses, and ThreadSanitizer does not see it.
    private let order = Atomic<UInt8>(0)

    /// An empty text with room for `capacity` bytes.
    public init(capacity: Int = 64) {
        text = TextBuffer(capacity: capacity)
    }

    /// How many of its bytes are counted in the account.
    private let counted = Atomic<Int>(0)
    /// Written by whoever counts the text first, read by its last holder.
    private var account: HeldTexts?

    deinit {
        order.add(0, ordering: .acquiringAndReleasing)
        let bytes = counted.load(ordering: .relaxed)
        if bytes != 0 { account?.add(-bytes) }
    }

    /// Called by an open file that holds the text beyond a read: from now on the account counts its memory, for as long
    /// as it lives, and once for all holders.
    func isHeld(in account: HeldTexts) {
        let bytes = text.memory
        if counted.load(ordering: .relaxed) == bytes { return }
        let before = counted.exchange(bytes, ordering: .relaxed)
        if before == 0 { self.account = account }
        account.add(bytes - before)
        hasBeenRead()
    }

    /// Called by whoever has read the text and is about to release it.
    fileprivate func hasBeenRead() {
        order.add(0, ordering: .releasing)
    }

    /// Whether `holder` is the only holder of its snapshot and may change it.
    private static func isFree(_ holder: inout Snapshot?) -> Bool {
        guard isKnownUniquelyReferenced(&holder) else { return false }
        holder?.order.add(0, ordering: .acquiringAndReleasing)
        return true
    }

    /// The snapshot in `holder` if nobody else holds it, otherwise a new one in its place; empty in both cases.
    static func fresh(in holder: inout Snapshot?, capacity: Int) -> Snapshot {
        if isFree(&holder), let mine = holder {
            mine.text.removeAll()
            return mine
        }
        let new = Snapshot(capacity: capacity)
        holder = new
        return new
    }

    /// Like ``fresh(in:capacity:)``, but keeps the bytes `kept` of the old text.
    static func fresh(in holder: inout Snapshot?, keeping kept: Range<Int>) -> Snapshot {
        let capacity = FileLimits.page + kept.count
        guard !kept.isEmpty else { return fresh(in: &holder, capacity: capacity) }
        if isFree(&holder), let mine = holder {
            mine.text.truncate(to: kept.upperBound)
            mine.text.removeFirst(kept.lowerBound)
            return mine
        }
        let new = Snapshot(capacity: capacity)
        if let old = holder {
            new.text.append(UnsafeRawBufferPointer(rebasing: old.text.bytes[kept]))
            old.hasBeenRead()
        }
        holder = new
        return new
    }
}

/// A part of a snapshot: what a read returns.
public struct TextSlice: Sendable {
    /// The text; nil for no bytes.
    public let snapshot: Snapshot?
    /// The first byte's position in the text.
    public let start: Int
    /// The number of bytes.
    public let count: Int

    /// No bytes: the end of the file.
    public static let empty = TextSlice(snapshot: nil, start: 0, count: 0)

    init(snapshot: Snapshot?, start: Int, count: Int) {
        self.snapshot = snapshot
        self.start = start
        self.count = count
    }

    /// The part of `snapshot` that a read of `size` bytes at `offset` returns; empty past the end.
    init(of snapshot: Snapshot, offset: UInt64, size: Int) {
        let length = snapshot.text.count
        guard offset < UInt64(length) else {
            self = .empty
            return
        }
        let start = Int(offset)
        self.init(snapshot: snapshot, start: start, count: min(size, length - start))
    }

    /// Passes the bytes to `body`; they are valid only inside it.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let snapshot, count > 0 else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        defer { snapshot.hasBeenRead() }
        return body(UnsafeRawBufferPointer(rebasing: snapshot.text.bytes[start..<start + count]))
    }
}
