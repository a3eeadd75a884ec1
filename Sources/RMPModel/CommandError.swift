// SPDX-License-Identifier: Apache-2.0
// Why a machine refuses a command: one closed list, so that each reason has its errno and its sentence.

/// A refusal. Unless a case says otherwise, the command has changed nothing.
public enum CommandError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What prevents a command now.
    public enum Busy: Sendable, Hashable, CaseIterable {
        /// The guest is running.
        case guestRunning
        /// The guest's pages are still being returned to the hypervisor.
        case guestEnding
        /// The guest is not running.
        case guestNotRunning
        /// Guests are running or ending: firmware cannot be shut down.
        case guestsLeft
        /// The kernel forbids CPU hotplug while SNP is enabled.
        case hotplugForbidden
        /// It is the last online CPU, or CPU 0, which Linux never takes offline.
        case neededCPU
    }

    /// What this host can never do.
    public enum Unsupported: Sendable, Hashable, CaseIterable {
        /// The processor or the location of the RMP does not allow SNP.
        case snp
        /// The version of the series has no shutdown with x86_snp_shutdown.
        case x86Shutdown
        /// Some present CPUs are offline, so SNP cannot be enabled.
        case offlineCPUs
    }

    /// What is wrong with a value, regardless of the machine's state.
    public enum Invalid: Sendable, Hashable {
        /// A guest's name is empty, longer than 255 bytes, or contains NUL or `/`.
        case name
        /// Memory of a guest or of the host, in bytes, is not a multiple of 4096.
        case memoryGranularity(UInt64)
        /// The guest has no memory yet.
        case noMemorySet
        /// There is no such CPU.
        case cpu(Int)
        /// The page is in the wrong state for this, or has no entry of its own.
        case pageState
        /// A number of vCPUs outside the limits.
        case vcpus(Int)
        /// A guest's memory, in bytes, is not a multiple of its folio size.
        case memoryForBacking(UInt64, Backing)
        /// A range of guest physical addresses is empty or does not consist of whole pages.
        case pageRange(Range<GPA>)
        /// A range of guest physical addresses extends beyond the guest's memory.
        case outsideMemory(Range<GPA>, memoryBytes: UInt64)
        /// An empty range of pages.
        case noPages
        /// An ordinary guest has no private memory.
        case ordinaryGuest
    }

    /// Not possible in the current state.
    case busy(Busy)
    /// Not possible on this host.
    case unsupported(Unsupported)
    /// SNP is not enabled, or its firmware is not initialised.
    case noSNP
    /// Firmware refused SNP_INIT_EX.
    case firmwareFailed
    /// An invalid value.
    case invalid(Invalid)
    /// The host has too little memory, in bytes.
    case noMemory(requested: UInt64, available: UInt64)
    /// Memory cannot be allocated where it was requested.
    case placement(PlacementError)
    /// All ASIDs are taken.
    case noASID
    /// The number of guests is at its limit.
    case tooManyGuests(limit: Int)
    /// A guest has this name already.
    case exists(GuestName)
    /// No guest has this number.
    case noSuchGuest(GuestID)
    /// An RMP instruction failed. From `startGuest` it means that the launch failed and the guest is ending; from
    /// `convert` and `validate`, that the pages before it are done.
    case rmp(RMPCode)
    /// PVALIDATE led to a nested page fault.
    case nestedFault(PVALIDATEFault)
    /// WRMSR faulted.
    case msr(MSRFault)
    /// RMPOPT faulted.
    case fault(RMPOPTFault)

    /// The error as a sentence that names the value and the remedy.
    public var description: String {
        switch self {
        case .busy(.guestRunning): "the guest is running; stop it first"
        case .busy(.guestEnding): "the guest's pages are still going back to the hypervisor; wait until it is stopped"
        case .busy(.guestsLeft): "guests are running or ending; stop them and wait until they are stopped"
        case .busy(.hotplugForbidden): "CPU hotplug is forbidden while SNP is enabled; shut firmware down first"
        case .busy(.neededCPU): "this CPU cannot be taken offline; choose another"
        case .unsupported(.snp): "this host has no SNP; see the log for the reason"
        case .unsupported(.x86Shutdown):
            "this version of the series knows no shutdown that clears SNP_EN; shut down without it"
        case .unsupported(.offlineCPUs): "not all present CPUs are online; bring them online first"
        case .noSNP: "SNP firmware is not initialised; initialise it first"
        case .firmwareFailed: "firmware refused SNP_INIT_EX; try again"
        case .busy(.guestNotRunning): "the guest is not running; start it first"
        case .invalid(.name): "a guest's name has 1 to \(Guests.nameLimit) bytes, none of them NUL or /"
        case .invalid(.memoryGranularity(let bytes)): "\(bytes) bytes: memory is a multiple of 4096"
        case .invalid(.noMemorySet): "the guest has no memory; set its memory first"
        case .nestedFault(.notAssigned): "the page is not this guest's at this address; assign it first"
        case .nestedFault(.sizeMismatch): "4 KB of a 2 MB entry; split it with PSMASH first"
        case .msr(let fault): "WRMSR faulted with \(fault); check number, reserved bits and SNP_EN"
        case .invalid(.pageState): "the page is not in a state for this; read its entry first"
        case .invalid(.cpu(let cpu)): "there is no CPU \(cpu)"
        case .invalid(.vcpus(let count)):
            "\(count) vCPUs: a guest has \(Guest.vcpuLimits.lowerBound) to \(Guest.vcpuLimits.upperBound)"
        case .invalid(.memoryForBacking(let bytes, let backing)):
            "\(bytes) bytes of memory in folios of \(backing.bytes) bytes: give a multiple, or smaller folios"
        case .invalid(.pageRange(let range)):
            "\(range.lowerBound.rawValue) to \(range.upperBound.rawValue): give a range of whole 4096-byte pages"
        case .invalid(.outsideMemory(let range, let bytes)):
            "\(range.lowerBound.rawValue) to \(range.upperBound.rawValue): the guest's memory ends at \(bytes)"
        case .invalid(.noPages): "no page given; give one at least"
        case .invalid(.ordinaryGuest): "an ordinary guest has no private memory; stop it and make it an SNP guest"
        case .placement(let error): error.description
        case .noMemory(let requested, let available):
            "\(requested) bytes asked for, \(available) available to guests; ask for less or end a guest"
        case .noASID: "all ASIDs are taken; end a guest first"
        case .tooManyGuests(let limit): "there are \(limit) guests already; remove one first"
        case .exists(let name): "there is a guest \(name) already; choose another name"
        case .noSuchGuest(let id): "there is no guest number \(id.rawValue)"
        case .rmp(let code): "the RMP instruction failed with \(code) (\(code.rawValue))"
        case .fault(let fault): "RMPOPT faulted with \(fault)"
        }
    }
}
