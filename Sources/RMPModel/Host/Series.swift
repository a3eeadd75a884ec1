// SPDX-License-Identifier: Apache-2.0
// What a posted version of the RMPOPT series is, as facts: the driver, the files and the documents read them, and no
// code asks for a version's number.

/// What one version of the series "Add RMPOPT support" makes the host do and show.
public struct Series: Sendable, Hashable {
    /// The version: 1 for v1.
    public let version: Int
    /// The day on which it was posted, as YYYY-MM-DD.
    public let date: String
    /// The number of patches.
    public let patches: Int
    /// What it changed, in a few words.
    public let changes: String
    /// Whether configfs has `rmpopt/action` and `rmpopt/description`.
    public let hasConfigfs: Bool
    /// The debugfs file, if there is one.
    public let table: DebugTable?
    /// When RMPOPT_BASE is programmed and passes become possible.
    public let setUp: SetUp
    /// How RMPOPT_BASE is chosen.
    public let windowRule: WindowRule
    /// What runs a pass.
    public let worker: Worker
    /// Which CPUs execute RMPOPT in a pass.
    public let participants: PassParticipants
    /// In which order they do.
    public let order: PassOrder
    /// How many bytes from the start of memory a pass covers at most; nil for all of it.
    public let passLimit: UInt64?
    /// Whether each pass allocates the mask of its followers, and is skipped where that fails.
    public let allocatesMask: Bool
    /// How long after each trigger a pass begins, in ns; a trigger that is not in it starts none.
    public let delays: [PassTrigger: UInt64]
    /// At which point of a guest's end the trigger `guestEnd` comes.
    public let guestEndPoint: GuestEndPoint
    /// Whether SNP_SHUTDOWN_EX with x86_snp_shutdown is known: the driver is then cleaned up.
    public let hasCleanUp: Bool
    /// Whether set-up returns early when it was done before and not cleaned up.
    public let hasReinitGuard: Bool
    /// When SYSCFG.SNP_EN is set.
    public let snpEnabling: SNPEnabling
    /// What happens to CPU hotplug.
    public let hotplug: Hotplug
    /// How a pass' line in the kernel's log begins.
    public let announcement: String
    /// Which other lines of its own it writes to the kernel's log, and at which level.
    public let messages: [SeriesMessage: LogLevel]

    /// The name on command lines and in machine files: `v1` ... `v10`.
    public var name: String { "v\(version)" }

    /// The version of a name, `v1` ... `v10`; nil for another text.
    public static func named(_ name: some StringProtocol) -> Series? { all.first { $0.name == name } }
}

/// The file `rmpopt-table` of a version.
public struct DebugTable: Sendable, Hashable {
    /// The folder below debugfs' root.
    public let folder: [String]
    /// The permission bits.
    public let mode: UInt32
    /// Whether the iterator goes on to the address equal to the end of memory: one line more than regions.
    public let hasEndLine: Bool
    /// How many bytes from the start of memory it shows at most; nil for all of it.
    public let limit: UInt64?
    /// Whether the file operations have an llseek method.
    public let isSeekable: Bool
    /// Whether a running pass writes into the mask that a reader prints, so that lines can mix two results.
    public let sharesMask: Bool

    /// The file's name.
    public static let name = "rmpopt-table"

    /// The path below debugfs' root.
    public var path: String { (folder + [Self.name]).joined(separator: "/") }
}

/// When a version programs RMPOPT_BASE.
public enum SetUp: Sendable, Hashable {
    /// At the kernel's boot, in `snp_rmptable_init()`.
    case boot
    /// After SNP_INIT_EX, in `snp_setup_rmpopt()`.
    case firmwareInit
}

/// How a version chooses RMPOPT_BASE.
public enum WindowRule: Sendable, Hashable {
    /// By sockets and nodes on hosts with more than 2 TB (series v1 patch 2/6).
    case perSocket
    /// The start of memory, for every core (series v2 patch 2/7 and later).
    case startOfMemory
}

/// What runs a version's passes.
public enum Worker: Sendable, Hashable {
    /// A kernel thread that sleeps between passes; a wake-up while it is awake is lost.
    case thread
    /// A delayed work item of a workqueue.
    case workqueue(Batching)
}

/// What a request does to a pass that is pending already.
public enum Batching: Sendable, Hashable {
    /// Nothing: queue_delayed_work(), the first request counts.
    case firstRequest
    /// Puts it off: mod_delayed_work(), the last request counts.
    case lastRequest
}

/// Which CPUs take part in a pass.
public enum PassParticipants: Sendable, Hashable {
    /// The first online thread of each core, as it is when the pass begins.
    case firstOnlineThreads
    /// Every online CPU.
    case allOnline
    /// The primary threads that were online at set-up.
    case primaryThreadsAtSetUp
}

/// In which order the CPUs of a pass execute RMPOPT.
public enum PassOrder: Sendable, Hashable {
    /// All of them at once, region by region.
    case broadcast
    /// One of them over the whole range, then all others, region by region.
    case leaderFirst
}

/// What asks for a pass.
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

/// Where in a guest's end a version asks for a pass.
public enum GuestEndPoint: Sendable, Hashable {
    /// Nowhere.
    case never
    /// When the last reference to one of its guest_memfd inodes has gone, for each of them.
    case inodeFree
    /// In `sev_vm_destroy()`, before the guest is decommissioned.
    case beforeDecommission
    /// In `sev_vm_destroy()`, after decommission has succeeded.
    case afterDecommission
}

/// When a version's kernel sets SYSCFG.SNP_EN.
public enum SNPEnabling: Sendable, Hashable {
    /// At boot.
    case boot
    /// In `snp_prepare()`, just before SNP_INIT_EX; all present CPUs must be online then.
    case prepare
}

/// What a version does about CPU hotplug.
public enum Hotplug: Sendable, Hashable {
    /// Nothing.
    case allowed
    /// Forbidden from a successful SNP_INIT_EX on, until any SNP_SHUTDOWN_EX.
    case forbiddenAfterInit
    /// Forbidden from a successful SNP_INIT_EX on, until SNP_EN was cleared.
    case forbiddenUntilSNPCleared
    /// Forbidden before SNP_EN is set, or when it is found set at boot, until it was cleared.
    case forbiddenBeforeSNP
}

/// A line that some versions write to the kernel's log and others do not.
public enum SeriesMessage: Sendable, Hashable, CaseIterable {
    /// `RMPOPT worker thread created with PID %d`
    case threadCreated
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
    /// `Failed to allocate RMPOPT workqueue`
    case noWorkqueue
    /// `Failed to allocate RMPOPT cpumask`
    case noCPUMask
    /// `RMP optimization pass skipped: cpumask allocation failed`
    case passSkipped
}
