// SPDX-License-Identifier: Apache-2.0
// Guests that end together: how far each can go on by itself before anything happens that another, or a reader, could
// tell the order by. Without it, two guests would take turns frame by frame.

/// How far ahead the teardown of each guest has been looked at.
///
/// Frames belong to one guest each, so the order in which two guests give theirs back cannot be seen, with two
/// exceptions: a step that frees an inode of guest_memfd or ends its guest (a pass can begin there, an ASID becomes
/// free), and one in which a page may refuse (the log tells of it). Between two such steps, guests go on one after the
/// other; the steps themselves are done in their order.
///
/// Good for as long as only teardowns change the RMP: while time passes, and no command comes between.
struct TeardownOutlook: Sendable {
    private struct View: Sendable {
        /// The step up to which, without it, none can be seen.
        var step: Teardown
        /// Whether that one can be.
        var isVisible: Bool
        /// The number of frames with which the next inode is freed.
        let inodeFreed: Int
    }

    /// So many frames of a guest are looked at ahead, unless its next visible step comes earlier.
    private static let most = 512
    /// So many of all guests together: this bounds what is done out of its order at a time.
    private static let mostOfAll = 16_384

    /// Of each guest: the step before which none can be seen.
    private var ends: WorkQueue
    private var views: [GuestID: View] = [:]
    private let count: Int
    /// The last answer.
    private var end = Work(due: 0, guest: GuestID(0))

    /// Nothing has been looked at yet.
    init(_ work: WorkQueue) {
        ends = work
        count = max(1, min(TeardownOutlook.most, TeardownOutlook.mostOfAll / max(work.count, 1)))
    }

    /// Whether guests are between two ends: some have gone on to the next, others not, as at no moment.
    ///
    /// - Parameter next: the work that is due next.
    func isUnderWay(_ next: Work) -> Bool { next < end }

    /// The step before which all guests may go on in any order: the next visible one, or as far as has been looked. The
    /// same until all of them have come to it.
    ///
    /// - Parameters:
    ///   - next: the work that is due next.
    ///   - limit: steps that are due after it need not be looked at.
    mutating func end(
        behind next: Work,
        until limit: UInt64,
        _ guests: borrowing Guests,
        _ rmp: borrowing RMP,
        _ costs: CostModel
    ) -> Work {
        if next < end { return end }
        // All guests as far as the first: else each would stop the others elsewhere.
        var target: Work?
        while let next = ends.next, next.due <= limit, views[next.guest]?.isVisible != true {
            if let target, target <= next { break }
            let seen = look(next.guest, until: limit, target, guests, rmp, costs)
            ends.replaceTop(with: seen)
            target = target ?? seen
        }
        end = ends.next ?? Work.end(of: .max)
        return end
    }

    /// The guest whose step was `end(until:)` has done it.
    ///
    /// - Parameter due: when the next one will be done; nil when the guest has ended.
    mutating func didStep(_ id: GuestID, due: UInt64?) {
        views[id] = nil
        if let due { ends.replaceTop(with: Work(due: due, guest: id)) } else { _ = ends.pop() }
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
        // What costs nothing takes no time: at least as far as the next moment.
        while step.due <= limit,
            target.map({ Work(due: step.due, guest: id) < $0 }) ?? (left > 0 || step.due == view.step.due)
        {
            if step.done + 1 >= view.inodeFreed
                || Guests.mayRefuse(frame: guest.frames[step.run].first + step.offset, rmp)
            {
                view.isVisible = true
                break
            }
            step.done += 1
            step.offset += 1
            if step.offset == guest.frames[step.run].count {
                step.run += 1
                step.offset = 0
            }
            let frame = guest.frames[step.run].first + step.offset
            step.due = step.due.addingClamped(Guests.cost(ofFrame: frame, rmp, costs))
            left -= 1
        }
        view.step = step
        views[id] = view
        return Work(due: step.due, guest: id)
    }
}
