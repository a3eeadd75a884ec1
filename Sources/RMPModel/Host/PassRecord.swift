// SPDX-License-Identifier: Apache-2.0
// What is remembered of a pass: the questions that everybody asked on the list and no posted version answers.

/// One walk over the range, running or ended.
public struct PassRecord: Sendable, Hashable {
    /// The number of the pass since boot, from 1.
    public let number: UInt64
    /// What asked for it.
    public let trigger: PassTrigger
    /// When it began, in ns of virtual time.
    public let start: UInt64
    /// When it ended; nil while it is running.
    public internal(set) var end: UInt64?
    /// Regions done by all that take part.
    public internal(set) var regionsScanned = 0
    /// Regions of which at least one core's bit was set by this pass.
    public internal(set) var regionsWon = 0
    /// Regions that were optimized already on every core that took part and has them in its window.
    public internal(set) var regionsKept = 0
    /// Regions that hold an assigned page.
    public internal(set) var regionsBlocked = 0
    /// Regions in no taking-part core's window.
    public internal(set) var regionsOutside = 0
    /// Regions that RMPUPDATE un-optimized since the last pass ended, this pass' own time included; known at its end.
    public internal(set) var regionsLost: UInt64 = 0
    /// Broadcasts: calls to all CPUs that take part, or to all but the leader.
    public internal(set) var broadcasts: UInt64 = 0
    /// Interrupts that the broadcasts sent: CPUs reached, without the sender, summed.
    public internal(set) var interrupts: UInt64 = 0
    /// RMPOPT executed; those that took a #UD do not count.
    public internal(set) var executions: UInt64 = 0
    /// Those of them that set no new bit.
    public internal(set) var executionsInVain: UInt64 = 0
    /// CPUs that took a #UD because RMPOPT_EN is 0 on their core.
    public internal(set) var faultingCPUs = 0
    /// The longest time for which one core had interrupts off at a stretch, in ns.
    public internal(set) var interruptsOffMax: UInt64 = 0
    /// CPU time taken from everything else, in ns: the leader's scans, and each interrupted CPU's own RMPOPTs. The way
    /// into an interrupt and out of it, and the sender's wait, are not counted.
    public internal(set) var stolenTime: UInt64 = 0
    /// Time for broadcasts, in ns.
    public internal(set) var broadcastTime: UInt64 = 0
    /// Time for first cores' scans, in ns: the leader's, or with all at once the scan itself.
    public internal(set) var scanTime: UInt64 = 0
    /// Time that the other cores added, in ns.
    public internal(set) var followerTime: UInt64 = 0
}
