// SPDX-License-Identifier: Apache-2.0
// What is recorded of a pass: the answers to questions that were asked on the list and that no posted version answers.

/// One walk over the range, running or ended.
public struct PassRecord: Sendable, Hashable {
    /// The number of the pass since boot, from 1.
    public let number: UInt64
    /// What requested it.
    public let trigger: PassTrigger
    /// When it began, in ns of virtual time.
    public let start: UInt64
    /// When it ended; nil while it is running.
    public internal(set) var end: UInt64?
    /// Regions done by all participating CPUs.
    public internal(set) var regionsScanned = 0
    /// Regions in which this pass set the bit of at least one core.
    public internal(set) var regionsWon = 0
    /// Regions that were already optimized on every participating core that has them in its window.
    public internal(set) var regionsKept = 0
    /// Regions that hold an assigned page.
    public internal(set) var regionsBlocked = 0
    /// Regions that are in no participating core's window.
    public internal(set) var regionsOutside = 0
    /// Regions that RMPUPDATE un-optimized since the last pass ended, including during this pass; known at its end.
    public internal(set) var regionsLost: UInt64 = 0
    /// Broadcasts: calls to all participating CPUs, or to all but the leader.
    public internal(set) var broadcasts: UInt64 = 0
    /// Interrupts sent by the broadcasts: the CPUs reached, without the sender, summed.
    public internal(set) var interrupts: UInt64 = 0
    /// RMPOPT instructions executed, not counting those that took a #UD.
    public internal(set) var executions: UInt64 = 0
    /// Executions that set no new bit.
    public internal(set) var executionsInVain: UInt64 = 0
    /// CPUs that took a #UD because RMPOPT_EN is 0 on their core.
    public internal(set) var faultingCPUs = 0
    /// The longest time for which one core had interrupts off without a break, in ns.
    package internal(set) var interruptsOffNanoseconds: UInt64 = 0
    /// CPU time taken from everything else, in ns: the leader's scans, and each interrupted CPU's own RMPOPTs.
    /// Interrupt entry and exit and the sender's wait are not counted.
    package internal(set) var stolenNanoseconds: UInt64 = 0
    /// Time for broadcasts, in ns.
    package internal(set) var broadcastNanoseconds: UInt64 = 0
    /// Time for first cores' scans, in ns: the leader's, or the scan itself if all execute at once.
    package internal(set) var scanNanoseconds: UInt64 = 0
    /// Time added by the other cores, in ns.
    package internal(set) var followerNanoseconds: UInt64 = 0
}
