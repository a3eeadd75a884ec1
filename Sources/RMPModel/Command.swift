// SPDX-License-Identifier: Apache-2.0
// Everything that a machine can be asked to do, as values, so that changes to a machine can be recorded and replayed.

/// A request to a machine.
public enum Command: Sendable, Hashable {
    /// Re-optimize all memory, as users of series v1 request it by writing 1 to the kernel's own file.
    case reoptimize
    /// Make a guest. No other guest has its name.
    case createGuest(name: GuestName)
    /// Make a stopped guest an SNP guest or an ordinary one.
    case setGuestType(GuestID, GuestType)
    /// Set a stopped guest's memory: a multiple of 4096 bytes, not more than the machine has; 0 unsets it.
    case setGuestMemory(GuestID, bytes: UInt64)
    /// Set the folios that back a stopped guest.
    case setGuestBacking(GuestID, Backing)
    /// Set how the memory of a stopped guest is chosen.
    case setGuestPlacement(GuestID, Placement)
    /// Set the node that the memory of a stopped guest must come from; nil for any.
    case setGuestNode(GuestID, Int?)
    /// Set the number of a stopped guest's vCPUs, 1 ... 4096.
    case setGuestVCPUs(GuestID, Int)
    /// Make a stopped guest a KVM VM, with an ASID if it is an SNP guest, with nothing launched yet; does nothing to
    /// any other guest.
    case createVM(GuestID)
    /// Launch a stopped or created guest; does nothing to a running one.
    case startGuest(GuestID)
    /// End a running guest; does nothing to one that is ending or stopped.
    case stopGuest(GuestID)
    /// Remove a guest, ending it first if it is running. Its name is free at once.
    case removeGuest(GuestID)
    /// Bring a CPU online or take it offline, as users do.
    case setOnline(cpu: Int, Bool)
    /// SNP_INIT_EX by the ccp driver, with what the kernel does around it. Does nothing if firmware is initialised.
    case initializeFirmware
    /// SNP_SHUTDOWN_EX; with `x86` set, firmware also clears SNP_EN. Does nothing if firmware is not initialised.
    case shutDownFirmware(x86: Bool)
    /// Make the next `count` SNP_INIT_EX commands fail.
    case failFirmware(count: UInt64)
    /// Make the next `count` SNP_DECOMMISSION commands fail.
    case failDecommission(count: UInt64)
    /// Boot another kernel with kexec: SNP_EN stays set. The given CPUs are then online, and must include CPU 0; nil
    /// for all present CPUs.
    case kexec(online: CPUSet? = nil)
    /// Bring the memory online that the configuration keeps for later; does nothing the second time.
    case addMemory
    /// Hold passes where they are, or let them continue.
    case holdPasses(Bool)
    /// Set how much memory the host itself has, in bytes, a multiple of 4096; rounded up to chunks of 2 MB. Where too
    /// little is free, the page cache makes room.
    case setHostMemory(bytes: UInt64)
    /// Set how much memory the host's page cache has, in bytes, a multiple of 4096; rounded up to chunks of 2 MB.
    case setPageCache(bytes: UInt64)
    /// Make pages of a running SNP guest, given by guest physical address, shared or private.
    case convert(GuestID, gpa: Range<GPA>, toPrivate: Bool)
    /// A running SNP guest accepts private pages, given by guest physical address, with PVALIDATE of a size.
    case validate(GuestID, gpa: Range<GPA>, PageSize)
    /// Leak free pages: SNP_PAGE_RECLAIM fails for them.
    case leak(Range<PFN>)
    /// RMPUPDATE at an address.
    case rmpupdate(SPA, RMPUpdateInput)
    /// PSMASH at an address.
    case psmash(SPA)
    /// A change of a page's state by firmware; only `makeMetadata` uses the GPA.
    case firmwareChange(SPA, FirmwareChange, gpa: GPA = GPA(0))
    /// Lock the entry of a page, as hardware does while it uses the page, or unlock it.
    case lock(SPA, Bool)
    /// PVALIDATE of the page at an address, by the guest with an ASID, which sees the page at a guest physical address.
    case pvalidate(SPA, gpa: GPA, asid: UInt16, PageSize, validate: Bool)
    /// WRMSR on a CPU.
    case wrmsr(cpu: Int, UInt32, UInt64)
    /// RMPOPT on a CPU for an address, with RCX as given (`RMPOPTFunction`).
    case rmpopt(cpu: Int, SPA, function: UInt64)
}

/// What a machine answers to a command that succeeded.
public enum CommandResult: Sendable, Hashable {
    /// It is done, or will be as time passes.
    case done
    /// The outcome of a request for a pass.
    case pass(RequestOutcome)
    /// The new guest.
    case guest(GuestID)
    /// The work that a conversion or PVALIDATE took.
    case work(GuestWork)
    /// The pages that are now leaked; the kernel's line is `Leaking PFN range 0x%llx-0x%llx` with the
    /// first and the one after the last.
    case leaked(Range<PFN>)
    /// The outcome of PVALIDATE.
    case pvalidate(PVALIDATEOutcome)
    /// The carry flag after RMPOPT.
    case carry(Bool)
}
