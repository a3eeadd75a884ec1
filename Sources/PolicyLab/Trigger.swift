// SPDX-License-Identifier: Apache-2.0
// When passes come and what they look at: a version of the series, or a policy that the threads argue about.

public import RMPModel

/// When a pass is requested, what that does to a pending one, and which regions it visits.
public struct Trigger: Sendable, Hashable {
    /// A request: how long after its cause the pass begins, in ns, and what it does to a pending pass.
    public struct Request: Sendable, Hashable {
        /// The delay, in ns.
        public var delay: UInt64
        /// What it does to a pass that is already pending.
        public var batching: Batching

        /// A request.
        public init(delay: UInt64, batching: Batching) {
            self.delay = delay
            self.batching = batching
        }
    }

    /// Which regions a pass visits.
    public enum Scope: Sendable, Hashable, CaseIterable {
        /// All of its range.
        case whole
        /// Those of which pages went back to the host since they were last visited: Dave Hansen's bitmap of 2026-03-04.
        case dirty
    }

    /// Its name in results.
    public var name: String
    /// The version whose passes it runs: order, leader, CPUs, range.
    public var series: Series
    /// The request at a guest's end.
    public var atGuestEnd: Request?
    /// At which point of a guest's end.
    public var guestEndPoint: GuestEndPoint
    /// The request when a running guest makes private pages shared.
    public var atConversion: Request?
    /// The request when the last assigned page of a region goes back.
    public var atFreedRegion: Request?
    /// The time between two requests by the clock, in ns.
    public var period: UInt64?
    /// Which regions a pass visits.
    public var scope = Scope.whole

    /// What a version does.
    public init(_ series: Series) {
        name = series.name
        self.series = series
        atGuestEnd = series.atGuestEnd.map { Request(delay: $0.delay, batching: $0.batching) }
        guestEndPoint = series.guestEndPoint
    }

    /// Nothing: passes of a version that nobody requests.
    public static func never(_ series: Series = .v10) -> Trigger {
        var trigger = Trigger(series)
        trigger.name = "never"
        trigger.atGuestEnd = nil
        trigger.guestEndPoint = .never
        return trigger
    }
}
