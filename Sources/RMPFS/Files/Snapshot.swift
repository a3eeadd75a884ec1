// SPDX-License-Identifier: Apache-2.0
// The rendered text of an open file, shared between the open file and the replies that are still on their way.

import Synchronization

/// A text that does not change while anybody but its open file holds it.
///
/// An open file renders into a snapshot only while it is the one holder (``fresh(in:capacity:)``); a reply keeps the
/// snapshot alive without a copy and without a lock.
///
/// Unchecked: `text` is written only by the open file, under its lock, and only while no other reference exists.
public final class Snapshot: @unchecked Sendable {
    /// The text.
    public internal(set) var text: TextBuffer
    /// Puts reads of the text before the next change of it. That nobody else holds the snapshot is read from its
    /// reference count, but no document says that the count orders accesses, and ThreadSanitizer does not see it.
    private let order = Atomic<UInt8>(0)

    /// An empty text with room for `capacity` bytes.
    public init(capacity: Int = 64) {
        text = TextBuffer(capacity: capacity)
    }

    /// How many of its bytes stand in the account.
    private let counted = Atomic<Int>(0)
    /// Written by whoever counts the text first, read by the last who held it.
    private var account: HeldTexts?

    deinit {
        order.add(0, ordering: .acquiringAndReleasing)
        let bytes = counted.load(ordering: .relaxed)
        if bytes != 0 { account?.add(-bytes) }
    }

    /// Said by an open file that holds the text beyond a read: its memory stands in the account from now on, for as
    /// long as it lives, and once for all who hold it.
    func isHeld(in account: HeldTexts) {
        let bytes = text.memory
        if counted.load(ordering: .relaxed) == bytes { return }
        let before = counted.exchange(bytes, ordering: .relaxed)
        if before == 0 { self.account = account }
        account.add(bytes - before)
        hasBeenRead()
    }

    /// Said by whoever has read the text and is about to let go of it.
    fileprivate func hasBeenRead() {
        order.add(0, ordering: .releasing)
    }

    /// Whether `holder` alone holds a snapshot, which it may then change.
    private static func isFree(_ holder: inout Snapshot?) -> Bool {
        guard isKnownUniquelyReferenced(&holder) else { return false }
        holder?.order.add(0, ordering: .acquiringAndReleasing)
        return true
    }

    /// The snapshot in `holder` if nobody else holds it, else a new one that takes its place there; emptied either way.
    static func fresh(in holder: inout Snapshot?, capacity: Int) -> Snapshot {
        if isFree(&holder), let mine = holder {
            mine.text.removeAll()
            return mine
        }
        let new = Snapshot(capacity: capacity)
        holder = new
        return new
    }

    /// As ``fresh(in:capacity:)``, with the bytes `kept` of the old text as the new one.
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

    /// The part of `snapshot` that a read of `size` bytes at `offset` gets; empty past the end.
    init(of snapshot: Snapshot, offset: UInt64, size: Int) {
        let length = snapshot.text.count
        guard offset < UInt64(length) else {
            self = .empty
            return
        }
        let start = Int(offset)
        self.init(snapshot: snapshot, start: start, count: min(size, length - start))
    }

    /// Gives the bytes to `body`; they are valid only inside it.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let snapshot, count > 0 else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        defer { snapshot.hasBeenRead() }
        return body(UnsafeRawBufferPointer(rebasing: snapshot.text.bytes[start..<start + count]))
    }
}
