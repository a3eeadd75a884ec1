// SPDX-License-Identifier: Apache-2.0
// Everything that can be asked of a machine, as values: what changes a machine can then be recorded and replayed.

/// Something asked of a machine.
public enum Command: Sendable, Hashable {
    /// Re-optimize all memory: a store of 1 to configfs `action`.
    case reoptimize
    /// Make a guest. The name has 1 ... 255 bytes without NUL and `/`, and no other guest has it.
    case createGuest(name: [UInt8])
    /// Set a stopped guest's memory: a multiple of 4096 bytes, not more than the machine has; 0 unsets it.
    case setGuestMemory(GuestID, bytes: UInt64)
    /// Set the folios that are to back a stopped guest.
    case setGuestBacking(GuestID, Backing)
    /// Set how the memory of a stopped guest is to be chosen.
    case setGuestPlacement(GuestID, Placement)
    /// Set the node that the memory of a stopped guest has to come from; nil for any.
    case setGuestNode(GuestID, Int?)
    /// Set the number of a stopped guest's vCPUs, 1 ... 4096.
    case setGuestVCPUs(GuestID, Int)
    /// Make a stopped guest a VM of KVM's with an ASID, of which nothing is launched; nothing happens to any other.
    case createVM(GuestID)
    /// Launch a stopped or created guest; nothing happens to a running one.
    case startGuest(GuestID)
    /// End a running guest; nothing happens to one that is ending or stopped.
    case stopGuest(GuestID)
    /// Remove a guest, ending it first if it is running. Its name is free at once.
    case removeGuest(GuestID)
    /// Bring a CPU online or take it offline, as a write to its `online` in sysfs does.
    case setOnline(cpu: Int, Bool)
    /// SNP_INIT_EX by the ccp driver, with what the kernel does around it. Nothing happens when it is initialised.
    case initializeFirmware
    /// SNP_SHUTDOWN_EX; with `x86` set, firmware also clears SNP_EN. Nothing happens when it is not initialised.
    case shutDownFirmware(x86: Bool)
    /// Let the next so many SNP_INIT_EX commands fail.
    case failFirmware(count: UInt64)
    /// Let the next so many SNP_DECOMMISSION commands fail.
    case failDecommission(count: UInt64)
    /// Boot another kernel with kexec: SNP_EN stays set. The CPUs given are online then, CPU 0 among them; nil for all
    /// that are there.
    case kexec(online: CPUSet? = nil)
    /// Bring the memory online that the configuration keeps for later; nothing happens a second time.
    case addMemory
    /// Let passes stand still, or go on.
    case holdPasses(Bool)
    /// Convert pages of a running guest, given by guest physical address in bytes: shared, or private again.
    case convert(GuestID, gpa: Range<UInt64>, toPrivate: Bool)
    /// A running guest accepts private pages with PVALIDATE of a size, given by guest physical address in bytes.
    case validate(GuestID, gpa: Range<UInt64>, PageSize)
    /// Leak free pages, given by page frame number: SNP_PAGE_RECLAIM fails for them.
    case leak(Range<UInt64>)
    /// RMPUPDATE at an address.
    case rmpupdate(SPA, RMPUpdateInput)
    /// PSMASH at an address.
    case psmash(SPA)
    /// A change of a page's state by firmware; the GPA counts for `makeMetadata`.
    case firmwareChange(SPA, FirmwareChange, gpa: GPA = GPA(0))
    /// Lock the entry of a page, as hardware does with a page in use, or unlock it.
    case lock(SPA, Bool)
    /// PVALIDATE by the guest with an ASID of the page at an address, which it sees at a guest physical address.
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
    /// What became of a request for a pass.
    case pass(RequestOutcome)
    /// The guest that was made.
    case guest(GuestID)
    /// What a conversion or PVALIDATE was in work.
    case work(GuestWork)
    /// The page frame numbers that are leaked now; the kernel's line is `Leaking PFN range 0x%llx-0x%llx` with the
    /// first and the one behind the last.
    case leaked(Range<UInt64>)
    /// What PVALIDATE answered.
    case pvalidate(PVALIDATEOutcome)
    /// The carry flag after RMPOPT.
    case carry(Bool)
}
