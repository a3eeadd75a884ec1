// SPDX-License-Identifier: Apache-2.0
// Virtual time as Swift's `Duration`. Internally, time is a number of ns, which is fast, and is clamped where it would
// overflow.

extension Machine {
    /// Virtual time since boot: ``now`` as a duration.
    public var uptime: Duration { .nanoseconds(now) }

    /// Does all work that falls due within `time` from now. A negative time changes nothing.
    public mutating func advance(by time: Duration) { advance(to: now.addingClamped(UInt64(nanosecondsIn: time))) }
}

extension PassRecord {
    /// How long the pass took; nil while it is running.
    public var duration: Duration? { end.map { .nanoseconds($0 - start) } }
    /// The longest time for which one core had interrupts off without a break.
    public var interruptsOffMax: Duration { .nanoseconds(interruptsOffNanoseconds) }
    /// CPU time taken from everything else: the leader's scans, and each interrupted CPU's own RMPOPTs. Interrupt entry
    /// and exit and the sender's wait are not counted.
    public var stolenTime: Duration { .nanoseconds(stolenNanoseconds) }
    /// Time for broadcasts.
    public var broadcastTime: Duration { .nanoseconds(broadcastNanoseconds) }
    /// Time for first cores' scans: the leader's, or the scan itself if all execute at once.
    public var scanTime: Duration { .nanoseconds(scanNanoseconds) }
    /// Time added by the other cores.
    public var followerTime: Duration { .nanoseconds(followerNanoseconds) }
}

extension PassTotals {
    /// How long the passes took together.
    public var duration: Duration { .nanoseconds(nanoseconds) }
    /// CPU time taken from everything else.
    public var stolenTime: Duration { .nanoseconds(stolenNanoseconds) }
    /// The longest time for which one core had interrupts off without a break.
    public var interruptsOffMax: Duration { .nanoseconds(interruptsOffNanoseconds) }
}

extension UInt64 {
    /// A duration in ns: 0 for a negative one, the largest number for one that does not fit.
    init(nanosecondsIn time: Duration) {
        let (seconds, attoseconds) = time.components
        guard seconds >= 0, attoseconds >= 0 else {
            self = 0
            return
        }
        self = UInt64(seconds).multipliedClamped(by: 1_000_000_000).addingClamped(UInt64(attoseconds / 1_000_000_000))
    }
}

extension UInt64 {
    /// `count` GB in bytes, the size of that many regions; the largest number if it does not fit.
    public static func gigabytes(_ count: UInt64) -> UInt64 { count.multipliedClamped(by: Granularity.region) }
    /// `count` MB in bytes; the largest number if it does not fit.
    public static func megabytes(_ count: UInt64) -> UInt64 { count.multipliedClamped(by: 1 << 20) }
}
