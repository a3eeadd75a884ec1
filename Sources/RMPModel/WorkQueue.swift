// SPDX-License-Identifier: Apache-2.0
// Which guest's work is due when. The order is total and does not depend on how the queue was built: two machines that
// are brought up to date in different steps must end up the same.

import HeapModule

/// A chunk of an ending guest that is being returned, and when that is done.
struct Work: Sendable, Hashable, Comparable {
    var due: UInt64
    var guest: GuestID

    static func < (left: Work, right: Work) -> Bool {
        left.due != right.due ? left.due < right.due : left.guest < right.guest
    }

    /// After all work that is due at `time` or before, and before all other work.
    static func end(of time: UInt64) -> Work { Work(due: time, guest: GuestID(.max)) }
}

/// Work, of which the smallest is due next.
typealias WorkQueue = Heap<Work>

extension WorkQueue {
    /// The work after the next one; reading it takes the next one out and puts it back.
    var second: Work? {
        mutating get {
            guard count > 1, let next = popMin() else { return nil }
            defer { insert(next) }
            return min
        }
    }
}
