// SPDX-License-Identifier: Apache-2.0
// What a version of the RMPOPT series is, as facts: driver, files and documents read them, and no code checks a
// version's name.

/// What one posted version of the series "Add RMPOPT support", or the form that was merged, makes the host do and show.
///
/// Each fact is a field of its own, with its source (`$fact.source`). None is derived from another: what a version does
/// was read in that version, or is marked as concluded.
public struct Series: Sendable, Hashable {
    /// The name on command lines and in machine files: `v1` ... `v10`, `merged`.
    public internal(set) var name: String
    /// Other names: the commit that completes the merged form.
    public internal(set) var aliases: [String] = []
    /// What it changed, in a few words.
    public internal(set) var changes: String

    // MARK: Posting

    /// The day on which it was posted or committed, as YYYY-MM-DD.
    @Sourced public internal(set) var date: String
    /// The number of patches or commits.
    @Sourced public internal(set) var patches: Int

    // MARK: Interface

    /// Whether configfs has `rmpopt/action` and `rmpopt/description`.
    @Sourced public internal(set) var hasConfigfs: Bool
    /// Whether a user's request sets `rmpopt_in_progress`, and has no effect while it is set.
    @Sourced public internal(set) var hasProgressFlag: Bool
    /// The debugfs file, if there is one.
    @Sourced public internal(set) var debugfsTable: DebugfsTable?

    // MARK: Set-up

    /// When SYSCFG.SNP_EN is set.
    @Sourced public internal(set) var snpEnabling: SNPEnabling
    /// Whether a CPU that comes online while SNP is enabled also gets SNP_EN.
    @Sourced public internal(set) var enablesSNPOnLateCPUs: Bool
    /// Whether `snp_prepare()` refuses with -EOPNOTSUPP if a present CPU is offline.
    @Sourced public internal(set) var needsAllOnline: Bool
    /// When the thread or the workqueue is made.
    @Sourced public internal(set) var workerMoment: Moment
    /// When RMPOPT_BASE is written.
    @Sourced public internal(set) var baseMoment: BaseMoment
    /// On which CPUs it is written, for their cores.
    @Sourced public internal(set) var baseCPUs: CPUSelection
    /// Whether it is written before the thread or workqueue is made, so that it stays if that fails.
    @Sourced public internal(set) var writesBaseFirst: Bool
    /// How RMPOPT_BASE is chosen.
    @Sourced public internal(set) var windowRule: WindowRule
    /// Whether the driver does without RMPOPT if the RMP is contiguous.
    @Sourced public internal(set) var refusesContiguousRMP: Bool
    /// Whether set-up returns early if it has been done before and not cleaned up.
    @Sourced public internal(set) var hasReinitGuard: Bool
    /// Whether set-up allocates a mask of CPUs, and stops if that fails.
    @Sourced public internal(set) var allocatesSetUpMask: Bool
    /// When the range of a pass is computed from the end of memory.
    @Sourced public internal(set) var rangeMoment: Moment
    /// How many bytes from the start of memory a pass covers at most; nil for no limit.
    @Sourced public internal(set) var passLimit: UInt64?

    // MARK: Passes

    /// What runs a pass.
    @Sourced public internal(set) var worker: Worker
    /// Which CPUs execute RMPOPT in a pass, besides the one that runs it.
    @Sourced public internal(set) var passCPUs: CPUSelection
    /// Whether that is decided once at set-up, or in each pass.
    @Sourced public internal(set) var maskMoment: MaskMoment
    /// In which order the CPUs execute RMPOPT.
    @Sourced public internal(set) var order: PassOrder
    /// Which CPU goes first, and which ones do not follow it.
    @Sourced public internal(set) var leader: LeaderRule
    /// Whether each pass allocates the mask of its followers, and is skipped if that fails.
    @Sourced public internal(set) var allocatesPassMask: Bool
    /// How a pass' line in the kernel's log begins; nil for none.
    @Sourced public internal(set) var announcement: String?
    /// Whether that line is printed before the mask of the pass is allocated.
    @Sourced public internal(set) var announcesFirst: Bool

    // MARK: Triggers

    /// The request at set-up at the kernel's boot.
    @Sourced public internal(set) var atBoot: PassRequest?
    /// The request after SNP_INIT_EX.
    @Sourced public internal(set) var afterInit: PassRequest?
    /// The request at a guest's end.
    @Sourced public internal(set) var atGuestEnd: PassRequest?
    /// At which point of a guest's end the request comes.
    @Sourced public internal(set) var guestEndPoint: GuestEndPoint

    // MARK: Shutdown

    /// Whether the version supports SNP_SHUTDOWN_EX with x86_snp_shutdown.
    @Sourced public internal(set) var knowsX86Shutdown: Bool
    /// What that shutdown does to the driver of the series.
    @Sourced public internal(set) var cleanUp: CleanUp

    // MARK: CPU hotplug

    /// From when CPU hotplug is disabled; nil for never.
    @Sourced public internal(set) var hotplugOff: HotplugMoment?
    /// Whether a kernel that finds SNP_EN set at boot disables CPU hotplug.
    @Sourced public internal(set) var hotplugOffAfterKexec: Bool

    // MARK: Names

    /// The kernel function called by ccp or KVM that identifies the version of a running kernel.
    @Sourced public internal(set) var entryPoint: String

    // MARK: Log

    /// Which other lines of its own it writes to the kernel's log, and at which level.
    @Sourced public internal(set) var ownMessages: [SeriesMessage: LogLevel]
    /// What ccp prints about an SNP_INIT_EX that firmware refuses; it prints nothing about a refused `snp_prepare()`.
    @Sourced public internal(set) var initMessages: [SeriesMessage: LogLevel]

    /// All lines that only some versions write.
    public var messages: [SeriesMessage: LogLevel] { ownMessages.merging(initMessages) { own, _ in own } }

    /// What a trigger requests; nil if nothing. In all versions but v1 a store of 1 is the simulator's own addition: a
    /// pass at once, as a request with no delay that reschedules a pending one.
    public func request(at trigger: PassTrigger) -> PassRequest? {
        switch trigger {
        case .boot: atBoot
        case .firmwareInit: afterInit
        case .guestEnd: atGuestEnd
        case .request: PassRequest(delay: 0, batching: .lastRequest)
        }
    }

    /// The version with a name, `v1` ... `v10` or `merged`, or an alias; nil for any other text.
    public static func named(_ name: some StringProtocol) -> Series? {
        all.first { $0.name == name || $0.aliases.contains { $0 == name } }
    }

    /// Two versions are the same if their names are.
    public static func == (left: Series, right: Series) -> Bool { left.name == right.name }
    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// The file `rmpopt-table` of a version.
public struct DebugfsTable: Sendable, Hashable {
    /// The directory below debugfs' root.
    @Sourced public internal(set) var folder: [String]
    /// The permission bits.
    @Sourced public internal(set) var mode: UInt32
    /// Whether the iterator also shows the address equal to the end of memory: one line more than regions.
    @Sourced public internal(set) var hasEndLine: Bool
    /// How many bytes from the start of memory it shows at most; nil for no limit.
    @Sourced public internal(set) var limit: UInt64?
    /// Whether the file operations have an llseek method.
    @Sourced public internal(set) var isSeekable: Bool
    /// Whether a running pass writes into the mask that a reader prints, so that lines can mix two results.
    @Sourced public internal(set) var sharesMask: Bool
    /// When the file is made.
    @Sourced public internal(set) var creation: Moment
    /// Whether clean-up removes it, including open files (`debugfs_remove_recursive()`).
    @Sourced public internal(set) var isRemoved: Bool

    /// The file's name.
    public static let name = "rmpopt-table"

    /// The path below debugfs' root.
    public var path: String { (folder + [Self.name]).joined(separator: "/") }
}

/// When a version does something once.
public enum Moment: Sendable, Hashable, CaseIterable {
    /// At the kernel's boot.
    case boot
    /// After SNP_INIT_EX, before the ccp driver considers SNP initialised.
    case firmwareInit
}

/// When a version writes RMPOPT_BASE.
public enum BaseMoment: Sendable, Hashable {
    /// At the kernel's boot, in `snp_rmptable_init()`.
    case boot
    /// After SNP_INIT_EX, in `snp_setup_rmpopt()`.
    case firmwareInit
    /// At each request of the kernel's own, if RMPOPT_EN is 0 on the requesting CPU.
    case requestWhileClear
}

/// A selection of CPUs.
public enum CPUSelection: Sendable, Hashable {
    /// The first online thread of each core.
    case firstOnlineThreads
    /// Every online CPU.
    case allOnline
    /// The online primary threads.
    case onlinePrimaryThreads
}

/// When a version decides which CPUs take part in passes.
public enum MaskMoment: Sendable, Hashable {
    /// At set-up; a CPU that is offline during a pass does not take part.
    case setUp
    /// In each pass.
    case pass
    /// In each pass, and CPUs that took part in an earlier one still do.
    case passAndBefore
}

/// How a version chooses RMPOPT_BASE.
public enum WindowRule: Sendable, Hashable {
    /// By sockets and nodes on hosts with more than 2 TB.
    case perSocket
    /// The start of memory, for every core.
    case startOfMemory
}

/// What runs a version's passes.
public enum Worker: Sendable, Hashable {
    /// A kernel thread that sleeps between passes; a wake-up while it is awake is lost.
    case thread
    /// A delayed work item of an unbound workqueue.
    case unboundWorkqueue
    /// A delayed work item of a per-CPU workqueue: the CPU on which its timer fires.
    case perCPUWorkqueue
}

/// What a request does to a pass that is already pending.
public enum Batching: Sendable, Hashable {
    /// Nothing: queue_delayed_work(), the first request counts.
    case firstRequest
    /// Reschedules it: mod_delayed_work(), the last request counts.
    case lastRequest
}

/// What a trigger requests.
public struct PassRequest: Sendable, Hashable {
    /// How long after the trigger the pass begins, in ns.
    public let delay: UInt64
    /// What the request does to a pending pass. A thread has none.
    public let batching: Batching
}

/// In which order the CPUs of a pass execute RMPOPT.
public enum PassOrder: Sendable, Hashable {
    /// All of them at once: a broadcast for each region.
    case broadcastEachRegion
    /// One of them over the whole range, then a broadcast to the others for each region.
    case leaderThenEachRegion
    /// One of them over the whole range, then one broadcast, after which each walks over the whole range by itself.
    case leaderThenWholeRange
}

/// Which CPU walks over the range first, and which ones do not follow it.
public enum LeaderRule: Sendable, Hashable {
    /// None does.
    case none
    /// The CPU on which the work runs, whichever it is: RMPOPT_EN may be 0 there. Only that CPU does not follow, and it
    /// may take part from then on, as if it had been in the mask.
    case anyCPU(joinsMask: Bool)
    /// The CPU on which the work runs if its core takes part, otherwise the first of the mask, where it runs as a call
    /// for each region, with interrupts off, or in process context. The leader's core does not follow.
    case checked(byCall: Bool)
    /// The CPU on which the work runs, whichever it is. Its core does not follow.
    case anyCPUWithoutSiblings
    /// The CPU on which the work runs, whichever it is. Its core follows like all others.
    case anyCPUAgain
}

/// What requests a pass.
public enum PassTrigger: Sendable, Hashable, CaseIterable {
    /// The kernel's boot.
    case boot
    /// SNP_INIT_EX.
    case firmwareInit
    /// A store of 1 to configfs `action`, or to `reenable`.
    case request
    /// A guest's end.
    case guestEnd

    /// The word in files: `boot`, `snp-init`, `request`, `guest-end`.
    public var word: StaticString {
        switch self {
        case .boot: "boot"
        case .firmwareInit: "snp-init"
        case .request: "request"
        case .guestEnd: "guest-end"
        }
    }
}

/// Where in a guest's end a version requests a pass.
public enum GuestEndPoint: Sendable, Hashable {
    /// Nowhere.
    case never
    /// When the last reference to one of its guest_memfd inodes is gone, for each of them.
    case inodeFree
    /// In `sev_vm_destroy()`, before the guest is decommissioned.
    case beforeDecommission
    /// In `sev_vm_destroy()`, after decommission has succeeded.
    case afterDecommission
}

/// When a version's kernel sets SYSCFG.SNP_EN.
public enum SNPEnabling: Sendable, Hashable {
    /// At boot, on the CPUs that are online.
    case boot
    /// In `snp_prepare()`, just before SNP_INIT_EX, on the CPUs that are online.
    case prepare
}

/// What an SNP_SHUTDOWN_EX that clears SNP_EN does to the driver.
public enum CleanUp: Sendable, Hashable {
    /// Nothing: a pending pass still comes.
    case none
    /// Cancels the pass, destroys the workqueue, writes 0 to RMPOPT_BASE.
    case all
    /// Cancels the pass; the workqueue, the range and RMPOPT_BASE stay.
    case cancelOnly
}

/// From when CPU hotplug is disabled. It is enabled again only once SNP_EN is cleared.
public enum HotplugMoment: Sendable, Hashable {
    /// After a successful SNP_INIT_EX.
    case afterInit
    /// Before SNP_EN is set; a refused `snp_prepare()` enables it again.
    case beforeSNP
}

/// A line that only some versions write to the kernel's log.
public enum SeriesMessage: Sendable, Hashable, CaseIterable {
    /// `RMPOPT worker thread created with PID %d`
    case threadCreated
    /// `RMPOPT optimizations enabled`
    case enabledAtBoot
    /// `RMPOPT optimizations not enabled, segmented RMP required`
    case segmentedRequired
    /// `RMPOPT not supported on this platform`
    case notSupported
    /// `RMPOPT optimizations not enabled as SNP support is not enabled`
    case snpNotEnabled
    /// The three lines about windows on more than 2 TB.
    case windows
    /// `RMPOPT coverage limited to 2TB; memory above 0x%llx not optimized`
    case coverageLimited
    /// `Unable to start RMPOPT kernel thread`
    case noThread
    /// `Error %d while registering subsystem %s`
    case noSubsystem
    /// debugfs' complaint about a directory that already exists.
    case folderExists
    /// `Failed to allocate RMPOPT workqueue`
    case noWorkqueue
    /// `Failed to allocate RMPOPT cpumask`
    case noCPUMask
    /// `RMP optimization pass skipped: cpumask allocation failed`
    case passSkipped
    /// ccp's `SEV-SNP: SNP_INIT_EX failed rc %d, error %#x`
    case initCommandFailed

    /// How the line begins, as `rmpfs series` lists it.
    public var beginning: String {
        switch self {
        case .threadCreated: "RMPOPT worker thread created"
        case .enabledAtBoot: "RMPOPT optimizations enabled"
        case .segmentedRequired: "RMPOPT optimizations not enabled, segmented RMP required"
        case .notSupported: "RMPOPT not supported on this platform"
        case .snpNotEnabled: "RMPOPT optimizations not enabled as SNP support is not enabled"
        case .windows: "NUM_TB pages in system, socket start_pfn, RMPOPT_BASE MSR"
        case .coverageLimited: "RMPOPT coverage limited to 2TB"
        case .noThread: "Unable to start RMPOPT kernel thread"
        case .noSubsystem: "Error while registering subsystem"
        case .folderExists: "the folder of rmpopt-table exists already"
        case .noWorkqueue: "Failed to allocate RMPOPT workqueue"
        case .noCPUMask: "Failed to allocate RMPOPT cpumask"
        case .passSkipped: "RMP optimization pass skipped"
        case .initCommandFailed: "ccp: SNP_INIT_EX failed"
        }
    }
}
