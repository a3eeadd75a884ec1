// SPDX-License-Identifier: Apache-2.0
// What happens in a machine, as values: one type for all code that logs, counts, records or draws.

/// Something that happened in a machine.
public enum MachineEvent: Sendable, Hashable {
    /// A kernel has started: the first one, or another by kexec. Consumers that track what a kernel knows start over.
    case kernelStarted
    /// The kernel wrote a line to its log.
    case line(LogLevel, String)
    /// SYSCFG.SNP_EN was set or cleared.
    case snpEnabled(Bool)
    /// SNP firmware changed its state.
    case firmware(FirmwareState)
    /// A CPU came online or went offline.
    case cpuOnline(Int, Bool)
    /// A pass was requested, with the outcome.
    case passRequested(PassTrigger, RequestOutcome)
    /// A pass began.
    case passBegan(number: UInt64, PassTrigger)
    /// In a pass, these CPUs execute RMPOPT from now on, the leader, or all that take part; and when they have
    /// interrupts off.
    case passTurn(number: UInt64, PassTurn, InterruptsOff, CPUSet)
    /// A pass ended. Stored indirectly, so that the other events stay small.
    indirect case passEnded(PassRecord)
    /// The running and the pending pass were abandoned: by a clean-up, or because the kernel ended.
    case passesCancelled
    /// The driver's thread went to sleep after a pass: requests wake it again.
    case threadSlept
    /// This many CPUs took a #UD because they executed RMPOPT with RMPOPT_EN 0.
    case undefinedOpcodes(Int)
    /// RMPUPDATE assigned a page of an optimized region: it is no longer optimized on any core.
    case regionCleared(Int)
    /// A pass set bits of a region on this many cores. Published only while events are recorded.
    case regionOptimized(Int, cores: Int)
    /// SNP_INIT_EX cleared the RMPOPT tables of all cores.
    case rmpoptTablesCleared
    /// Pages, by number, could not be reclaimed.
    case pagesLeaked(Range<PFN>)
    /// A guest was made.
    case guestCreated(GuestID, name: GuestName)
    /// A guest was made an SNP guest or an ordinary one; a new one is an SNP guest.
    case guestType(GuestID, GuestType)
    /// The host's own memory changed to this many bytes.
    case hostMemory(bytes: UInt64)
    /// The host's page cache changed to this many bytes.
    case pageCache(bytes: UInt64)
    /// A guest was removed; one that is still ending keeps its pages until they have gone back.
    case guestRemoved(GuestID, isEnding: Bool)
    /// A guest changed its state.
    case guest(GuestID, GuestState)
    /// A guest_memfd inode of an ending guest was freed.
    case inodeFreed(GuestID)
}

/// An event and when it happened.
public struct TimedEvent: Sendable, Hashable {
    /// The time, in ns of virtual time since boot.
    public let time: UInt64
    /// The event.
    public let event: MachineEvent
}
