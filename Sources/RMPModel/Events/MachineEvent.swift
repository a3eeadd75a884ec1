// SPDX-License-Identifier: Apache-2.0
// What happens in a machine, as values: one type for everything that logs, counts, records or draws.

/// Something that happened in a machine.
public enum MachineEvent: Sendable, Hashable {
    /// A kernel has started: the first one, or another by kexec. Consumers of what a kernel knows begin anew.
    case kernelStarted
    /// The kernel wrote a line to its log.
    case line(LogLevel, String)
    /// SYSCFG.SNP_EN was set or cleared.
    case snpEnabled(Bool)
    /// SNP firmware has another state.
    case firmware(FirmwareState)
    /// A CPU came online or went offline.
    case cpuOnline(Int, Bool)
    /// A pass was asked for, and what became of that.
    case passRequested(PassTrigger, RequestOutcome)
    /// A pass began.
    case passBegan(number: UInt64, PassTrigger)
    /// A pass ended.
    case passEnded(PassRecord)
    /// The running and the pending pass were given up: a clean-up, or the end of the kernel.
    case passesCancelled
    /// So many CPUs took a #UD because they executed RMPOPT with RMPOPT_EN 0.
    case undefinedOpcodes(Int)
    /// RMPUPDATE assigned a page of a region that was optimized: no core has it optimized any more.
    case regionCleared(Int)
    /// A pass set bits of a region on so many cores. Published only while events are recorded.
    case regionOptimized(Int, cores: Int)
    /// SNP_INIT_EX cleared the RMPOPT tables of all cores.
    case tablesCleared
    /// Pages, by number, could not be taken back.
    case pagesLeaked(Range<UInt64>)
    /// A guest has another state.
    case guest(GuestID, GuestState)
    /// A guest_memfd inode of an ending guest was freed.
    case inodeFreed(GuestID)
}

/// An event and when it happened.
public struct TimedEvent: Sendable, Hashable {
    /// When, in ns of virtual time since boot.
    public let time: UInt64
    /// What.
    public let event: MachineEvent
}
