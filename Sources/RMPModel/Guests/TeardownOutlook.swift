// SPDX-License-Identifier: Apache-2.0
// Guests that end together: how far each can continue on its own before anything happens that shows the order to
// another guest or a reader. Without it, two guests would take turns chunk by chunk.

/// How far ahead it has looked at the teardown of each guest.
///
/// Each chunk belongs to one guest, so nobody can see the order in which two guests give theirs back, with two
/// exceptions: a step that frees an inode of guest_memfd or ends its guest (a pass can begin there, or an ASID becomes
/// free), and a step in which a page may refuse (the log shows it). Between two such steps, guests continue one after
/// the other; the steps themselves keep their order.
///
/// Valid only while nothing but teardowns changes the RMP: while time passes without a command.
struct TeardownOutlook: Sendable {
    private struct View: Sendable {
        /// No step before this one is visible.
        var step: Teardown
        /// Whether that step is visible.
        var isVisible: Bool
        /// The number of chunks with which the next inode is freed.
        let inodeFreed: Int
    }

    /// How many chunks of a guest it looks ahead, unless the guest's next visible step comes earlier.
    private static let most = 512
    /// How many of all guests together: this bounds how much is done out of order at a time.
    private static let mostOfAll = 16_384

    /// For each guest, the step before which no step is visible.
    private var ends: WorkQueue
    private var views: [GuestID: View] = [:]
    private let count: Int
    /// The last answer.
    private var end = Work(due: 0, guest: GuestID(0))

    /// An outlook that has looked at nothing yet.
    init(_ work: WorkQueue) {
        ends = work
        count = max(1, min(TeardownOutlook.most, TeardownOutlook.mostOfAll / max(work.count, 1)))
    }

    /// Whether guests are between two ends: some have moved on to the next, others have not, which is the state at no
    /// moment in time.
    ///
    /// - Parameter next: the work that is due next.
    func isUnderWay(_ next: Work) -> Bool { next < end }

    /// The step before which all guests may go on in any order: the next visible one, or as far as it has looked. It
    /// stays the same until all of them have reached it.
    ///
    /// - Parameters:
    ///   - next: the work that is due next.
    ///   - limit: this need not look at steps due later.
    mutating func end(
        behind next: Work,
        until limit: UInt64,
        _ guests: borrowing Guests,
        _ rmp: borrowing RMP,
        _ costs: CostModel
    ) -> Work {
        if next < end { return end }
        // All guests go as far as the first such step: otherwise each would stop the others somewhere else.
        var target: Work?
        while let next = ends.min, next.due <= limit, views[next.guest]?.isVisible != true {
            if let target, target <= next { break }
            let seen = look(next.guest, until: limit, target, guests, rmp, costs)
            ends.replaceMin(with: seen)
            target = target ?? seen
        }
        end = ends.min ?? Work.end(of: .max)
        return end
    }

    /// Call when a guest has done the step that `end(behind:)` returned.
    ///
    /// - Parameter due: when the next one will be done; nil if the guest has ended.
    mutating func didStep(_ id: GuestID, due: UInt64?) {
        views[id] = nil
        if let due { ends.replaceMin(with: Work(due: due, guest: id)) } else { _ = ends.popMin() }
    }

    private mutating func look(
        _ id: GuestID,
        until limit: UInt64,
        _ target: Work?,
        _ guests: borrowing Guests,
        _ rmp: borrowing RMP,
        _ costs: CostModel
    ) -> Work {
        guard let guest = guests[id] else { return Work.end(of: .max) }
        var view =
            views[id]
            ?? View(
                step: guest.teardown,
                isVisible: false,
                inodeFreed: guest.nextInodeFreed(after: guest.teardown.done)
            )
        var step = view.step
        var left = count
        // Steps without cost take no time: look at least as far as the next moment.
        while step.due <= limit,
            target.map({ Work(due: step.due, guest: id) < $0 }) ?? (left > 0 || step.due == view.step.due)
        {
            if step.done + 1 >= view.inodeFreed
                || Guests.mayRefuse(chunk: guest.chunks[step.run].first + step.offset, rmp)
            {
                view.isVisible = true
                break
            }
            step.done += 1
            step.offset += 1
            if step.offset == guest.chunks[step.run].count {
                step.run += 1
                step.offset = 0
            }
            let chunk = guest.chunks[step.run].first + step.offset
            step.due = step.due.addingClamped(guests.cost(ofChunk: chunk, of: guest, rmp, costs))
            left -= 1
        }
        view.step = step
        views[id] = view
        return Work(due: step.due, guest: id)
    }
}
