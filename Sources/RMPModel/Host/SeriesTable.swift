// SPDX-License-Identifier: Apache-2.0
// The ten posted versions, a row each. Where a patch leaves something to the kernel it was based on, or says nothing,
// docs/fidelity.md lists what was chosen.

extension Series {
    private static let twoTB: UInt64 = 2 << 40
    /// `RMPOPT_WORK_TIMEOUT`: 10,000 ms.
    private static let workTimeout: UInt64 = 10_000_000_000
    private static let architecture = ["x86", "rmpopt"]
    private static let announcedAsDone = "RMP optimizations enabled"
    /// Since it may fail every time (Dave Hansen, 2026-03-02).
    private static let announcedAsAttempt = "Attempt RMP optimizations"

    /// Version 1, the only one with a user's way to ask for a pass.
    public static let v1 = Series(
        version: 1,
        date: "2026-02-17",
        patches: 6,
        changes: "windows by socket, a kernel thread, configfs, debugfs",
        hasConfigfs: true,
        table: DebugTable(
            folder: ["rmpopt"],
            mode: 0o444,
            hasEndLine: true,
            limit: nil,
            isSeekable: true,
            sharesMask: true
        ),
        setUp: .boot,
        windowRule: .perSocket,
        worker: .thread,
        participants: .firstOnlineThreads,
        order: .broadcast,
        passLimit: nil,
        allocatesMask: false,
        delays: [.boot: 0, .firmwareInit: 0, .request: 0],
        guestEndPoint: .never,
        hasCleanUp: false,
        hasReinitGuard: false,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsDone,
        messages: [
            .threadCreated: .info, .noThread: .warning, .segmentedRequired: .info, .notSupported: .debug,
            .snpNotEnabled: .debug, .windows: .debug, .noSubsystem: .error,
        ]
    )

    /// Version 2: one window, all CPUs, a pass for each guest_memfd inode that is freed.
    public static let v2 = Series(
        version: 2,
        date: "2026-03-02",
        patches: 7,
        changes: "one window of 2 TB, all CPUs, no configfs; a pass when guest_memfd inodes are freed",
        hasConfigfs: false,
        table: DebugTable(
            folder: architecture,
            mode: 0o444,
            hasEndLine: true,
            limit: nil,
            isSeekable: true,
            sharesMask: true
        ),
        setUp: .boot,
        windowRule: .startOfMemory,
        worker: .thread,
        participants: .allOnline,
        order: .broadcast,
        passLimit: twoTB,
        allocatesMask: false,
        delays: [.boot: 0, .firmwareInit: 0, .request: 0, .guestEnd: 0],
        guestEndPoint: .inodeFree,
        hasCleanUp: false,
        hasReinitGuard: false,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsDone,
        messages: [
            .threadCreated: .info, .noThread: .warning, .segmentedRequired: .info, .notSupported: .debug,
            .snpNotEnabled: .debug,
        ]
    )

    /// Version 3: a workqueue with a delay of 10 s, and a leader.
    public static let v3 = Series(
        version: 3,
        date: "2026-03-30",
        patches: 6,
        changes: "a workqueue, 10 s after the first request; a leader, then followers, one thread a core",
        hasConfigfs: false,
        table: DebugTable(
            folder: architecture,
            mode: 0o444,
            hasEndLine: true,
            limit: nil,
            isSeekable: true,
            sharesMask: true
        ),
        setUp: .boot,
        windowRule: .startOfMemory,
        worker: .workqueue(.firstRequest),
        participants: .firstOnlineThreads,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: false,
        delays: [.boot: 1_000_000, .firmwareInit: workTimeout, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .beforeDecommission,
        hasCleanUp: false,
        hasReinitGuard: false,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsAttempt,
        messages: [.segmentedRequired: .notice]
    )

    /// Version 4: set up after SNP_INIT_EX.
    public static let v4 = Series(
        version: 4,
        date: "2026-04-13",
        patches: 7,
        changes: "set up after SNP_INIT_EX, no pass at boot; a report mask of its own, which passes still write",
        hasConfigfs: false,
        table: DebugTable(
            folder: architecture,
            mode: 0o444,
            hasEndLine: true,
            limit: nil,
            isSeekable: true,
            sharesMask: true
        ),
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.firstRequest),
        participants: .firstOnlineThreads,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: false,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .beforeDecommission,
        hasCleanUp: false,
        hasReinitGuard: false,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsAttempt,
        messages: [:]
    )

    /// Version 5: clean-up at shutdown, locks, primary threads only.
    public static let v5 = Series(
        version: 5,
        date: "2026-05-18",
        patches: 7,
        changes: "clean-up at shutdown, locks, primary threads; the table ends at 2 TB and cannot be sought in",
        hasConfigfs: false,
        table: DebugTable(
            folder: architecture,
            mode: 0o444,
            hasEndLine: false,
            limit: twoTB,
            isSeekable: false,
            sharesMask: false
        ),
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.firstRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: false,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsAttempt,
        messages: [.coverageLimited: .info, .noWorkqueue: .error]
    )

    /// Version 6: the table for root alone.
    public static let v6 = Series(
        version: 6,
        date: "2026-06-02",
        patches: 6,
        changes: "the table becomes 0400 and can be sought in again; three ways to choose a leader",
        hasConfigfs: false,
        table: DebugTable(
            folder: architecture,
            mode: 0o400,
            hasEndLine: false,
            limit: twoTB,
            isSeekable: true,
            sharesMask: false
        ),
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.firstRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: true,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsAttempt,
        messages: [.coverageLimited: .info, .noWorkqueue: .error]
    )

    /// Version 7: as version 6 to a user.
    public static let v7 = Series(
        version: 7,
        date: "2026-06-08",
        patches: 6,
        changes: "rescheduling in the leader's loop, comments; nothing that a user sees",
        hasConfigfs: false,
        table: v6.table,
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.firstRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: true,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .boot,
        hotplug: .allowed,
        announcement: announcedAsAttempt,
        messages: [.coverageLimited: .info, .noWorkqueue: .error]
    )

    /// Version 8: the last request counts, and no CPU hotplug.
    public static let v8 = Series(
        version: 8,
        date: "2026-06-15",
        patches: 7,
        changes: "10 s after the last request; no CPU hotplug while SNP is initialised",
        hasConfigfs: false,
        table: v6.table,
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.lastRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: true,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .prepare,
        hotplug: .forbiddenAfterInit,
        announcement: announcedAsAttempt,
        messages: [.coverageLimited: .info, .noWorkqueue: .error]
    )

    /// Version 9: no file of the kernel's any more.
    public static let v9 = Series(
        version: 9,
        date: "2026-06-24",
        patches: 6,
        changes: "no debugfs; hotplug stays forbidden until SNP_EN is cleared",
        hasConfigfs: false,
        table: nil,
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.lastRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: true,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .prepare,
        hotplug: .forbiddenUntilSNPCleared,
        announcement: announcedAsAttempt,
        messages: [.coverageLimited: .info, .noWorkqueue: .error, .noCPUMask: .error]
    )

    /// Version 10: hotplug forbidden before SNP is enabled, and after kexec.
    public static let v10 = Series(
        version: 10,
        date: "2026-06-30",
        patches: 6,
        changes: "hotplug forbidden before SNP_EN is set, also after a failed SNP_INIT_EX and after kexec",
        hasConfigfs: false,
        table: nil,
        setUp: .firmwareInit,
        windowRule: .startOfMemory,
        worker: .workqueue(.lastRequest),
        participants: .primaryThreadsAtSetUp,
        order: .leaderFirst,
        passLimit: twoTB,
        allocatesMask: true,
        delays: [.firmwareInit: 0, .request: 0, .guestEnd: workTimeout],
        guestEndPoint: .afterDecommission,
        hasCleanUp: true,
        hasReinitGuard: true,
        snpEnabling: .prepare,
        hotplug: .forbiddenBeforeSNP,
        announcement: announcedAsAttempt,
        messages: [
            .coverageLimited: .info, .noWorkqueue: .error, .noCPUMask: .error, .passSkipped: .warning,
        ]
    )

    /// All versions, v1 first.
    public static let all: [Series] = [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10]
}
