// SPDX-License-Identifier: Apache-2.0
// The ten posted versions and the merged form, one row each. The first row is complete; each of the others says how it
// differs from the one before it, and where that was read.

extension Series {
    private static let twoTB: UInt64 = 2 << 40
    /// `RMPOPT_WORK_TIMEOUT`: 10,000 ms.
    private static let workTimeout: UInt64 = 10_000_000_000

    /// A row that lists its changes to the row before it.
    private static func row(
        _ name: String,
        after last: Series,
        _ changes: String,
        _ change: (inout Series) -> Void
    ) -> Series {
        var row = last
        row.name = name
        row.aliases = []
        row.changes = changes
        change(&row)
        return row
    }

    /// Version 1, the only one with a way for users to request a pass.
    public static let v1 = Series(
        name: "v1",
        changes: "windows by socket, a kernel thread, configfs, debugfs",
        date: .read("2026-02-17", "v1 0/6"),
        patches: .read(6, "v1 0/6"),
        hasConfigfs: .read(true, "v1 5/6, rmpopt_configfs_setup()"),
        hasProgressFlag: .read(true, "v1 5/6, rmpopt_in_progress: cmpxchg when 1 is written to action"),
        debugfsTable: .read(
            DebugfsTable(
                folder: .read(["rmpopt"], "v1 6/6, debugfs_create_dir(\"rmpopt\", NULL)"),
                mode: .read(0o444, "v1 6/6, debugfs_create_file()"),
                hasEndLine: .read(true, "v1 6/6, rmpopt_table_seq_next()"),
                limit: .read(nil, "v1 6/6, rmpopt_table_seq_start(): up to max_pfn"),
                isSeekable: .read(true, "v1 6/6, rmpopt_table_fops: seq_lseek"),
                sharesMask: .read(true, "v1 6/6, rmpopt() writes rmpopt_cpumask"),
                creation: .read(.boot, "v1 6/6, rmpopt_debugfs_setup() from snp_rmptable_init()"),
                isRemoved: .read(false, "v1 6/6: nothing removes it")
            ),
            "v1 6/6, rmpopt_debugfs_setup()"
        ),
        snpEnabling: .read(.boot, "base of v1: snp_rmptable_init(), on_each_cpu(snp_enable)"),
        enablesSNPOnLateCPUs: .read(true, "base of v1: snp_rmptable_init(), cpuhp_setup_state(..., __snp_enable)"),
        needsAllOnline: .read(false, "base of v1: snp_rmptable_init()"),
        workerMoment: .read(.boot, "v1 3/6, snp_rmptable_init()"),
        baseMoment: .read(.boot, "v1 2/6, snp_rmptable_init()"),
        baseCPUs: .read(.firstOnlineThreads, "v1 2/6, get_cpumask_of_primary_threads()"),
        writesBaseFirst: .read(true, "v1 2/6 and 3/6, snp_rmptable_init()"),
        windowRule: .read(.perSocket, "v1 2/6, configure_and_enable_rmpopt()"),
        refusesContiguousRMP: .read(true, "v1 2/6, configure_and_enable_rmpopt()"),
        hasReinitGuard: .read(false, "v1 4/6, snp_perform_rmp_optimization()"),
        allocatesSetUpMask: .read(true, "v1 2/6, configure_and_enable_rmpopt(): primary_threads_cpulist"),
        rangeMoment: .read(.boot, "v1 3/6, rmpopt_kthread(): once, as it first runs"),
        passLimit: .read(nil, "v1 3/6, rmpopt_kthread(): up to max_pfn"),
        worker: .read(.thread, "v1 3/6, rmpopt_kthread"),
        passCPUs: .read(.firstOnlineThreads, "v1 3/6, rmpopt_kthread(): get_cpumask_of_primary_threads()"),
        maskMoment: .read(.passAndBefore, "v1 3/6, rmpopt_kthread(): the mask is never cleared"),
        order: .read(.broadcastEachRegion, "v1 3/6, rmpopt_kthread(): on_each_cpu_mask() for each 1 GB"),
        leader: .read(.none, "v1 3/6"),
        allocatesPassMask: .read(false, "v1 3/6"),
        announcement: .read("RMP optimizations enabled", "v1 3/6"),
        announcesFirst: .read(true, "v1 3/6: no mask is allocated in a pass"),
        atBoot: .read(PassRequest(delay: 0, batching: .lastRequest), "v1 3/6, wake_up_process()"),
        afterInit: .read(
            PassRequest(delay: 0, batching: .lastRequest),
            "v1 4/6, snp_perform_rmp_optimization() from __sev_snp_init_locked()"
        ),
        atGuestEnd: .read(nil, "v1 0/6: none of its patches touches KVM"),
        guestEndPoint: .read(.never, "v1 0/6: none of its patches touches KVM"),
        knowsX86Shutdown: .read(false, "base of v1: no snp_shutdown()"),
        cleanUp: .read(.none, "v1: no clean-up"),
        hotplugOff: .read(nil, "v1: no cpu_hotplug_disable()"),
        hotplugOffAfterKexec: .read(false, "v1: no cpu_hotplug_disable()"),
        entryPoint: .read("snp_perform_rmp_optimization", "v1 4/6, EXPORT_SYMBOL_GPL()"),
        ownMessages: .read(
            [
                .threadCreated: .info, .noThread: .warning, .segmentedRequired: .info, .notSupported: .debug,
                .snpNotEnabled: .debug, .windows: .debug, .noSubsystem: .error,
            ],
            "v1 2/6, 3/6 and 5/6"
        ),
        initMessages: .concluded(
            [.initCommandFailed: .error],
            "base of v1, sev-dev.c blob 1cdadddb744e: later, by the lines around v1 4/6, than Ashish Kalra's "
                + "\"crypto: ccp: Move dev_info/err messages for SEV/SNP init and shutdown\" of 2025-03-06"
        )
    )

    /// Version 2: one window, all CPUs, a pass for each freed guest_memfd inode.
    public static let v2 = row(
        "v2",
        after: v1,
        "one window of 2 TB, all CPUs, no configfs; a pass when guest_memfd inodes are freed"
    ) {
        $0.$date = .read("2026-03-02", "v2 0/7")
        $0.$patches = .read(7, "v2 0/7")
        $0.$hasConfigfs = .read(false, "v2 0/7: dropped")
        $0.$hasProgressFlag = .read(false, "v2 3/7: no rmpopt_in_progress")
        $0.debugfsTable?.$folder = .read(["x86", "rmpopt"], "v2 7/7, debugfs_create_dir(\"rmpopt\", arch_debugfs_dir)")
        $0.$baseCPUs = .read(.allOnline, "v2 2/7, for_each_online_cpu()")
        $0.$windowRule = .read(.startOfMemory, "v2 2/7")
        $0.$allocatesSetUpMask = .read(false, "v2 2/7, configure_and_enable_rmpopt(): cpu_online_mask")
        $0.$passLimit = .read(twoTB, "v2 3/7")
        $0.$passCPUs = .read(.allOnline, "v2 3/7, on_each_cpu_mask(cpu_online_mask)")
        $0.$maskMoment = .read(.pass, "v2 3/7, on_each_cpu_mask(cpu_online_mask), at each region")
        $0.$atGuestEnd = .read(
            PassRequest(delay: 0, batching: .lastRequest),
            "v2 5/7, kvm_arch_gmem_cleanup() from .free_inode"
        )
        $0.$guestEndPoint = .read(.inodeFree, "v2 5/7, kvm_arch_gmem_cleanup() from .free_inode")
        $0.$ownMessages = .read(
            [
                .threadCreated: .info, .noThread: .warning, .segmentedRequired: .info, .notSupported: .debug,
                .snpNotEnabled: .debug,
            ],
            "v2 2/7 and 3/7"
        )
        $0.$initMessages = .concluded(
            [.initCommandFailed: .error],
            "base of v2, sev-dev.c blob 096f993974d1: later than that change, by the lines around the patch"
        )
    }

    /// Version 3: a workqueue with a delay of 10 s, and a leader.
    public static let v3 = row(
        "v3",
        after: v2,
        "a workqueue, 10 s after the first request; a leader, then followers, one thread a core"
    ) {
        $0.$date = .read("2026-03-30", "v3 0/6")
        $0.$patches = .read(6, "v3 0/6")
        $0.$enablesSNPOnLateCPUs = .read(false, "base of v3: \"x86/sev: drop support for SNP hotplug\"")
        $0.$workerMoment = .read(.boot, "v3 3/6, configure_and_enable_rmpopt()")
        $0.$baseCPUs = .read(.allOnline, "v3 2/6, configure_and_enable_rmpopt(): for_each_online_cpu()")
        $0.$writesBaseFirst = .read(true, "v3 3/6, configure_and_enable_rmpopt(): before alloc_workqueue()")
        $0.$rangeMoment = .read(.boot, "v3 3/6, configure_and_enable_rmpopt()")
        $0.$passLimit = .read(twoTB, "v3 3/6, configure_and_enable_rmpopt()")
        $0.$worker = .read(.unboundWorkqueue, "v3 3/6, alloc_workqueue(\"rmpopt_wq\", WQ_UNBOUND, 1)")
        $0.$passCPUs = .read(.onlinePrimaryThreads, "v3 3/6, configure_and_enable_rmpopt()")
        $0.$maskMoment = .read(.setUp, "v3 3/6, configure_and_enable_rmpopt()")
        $0.$order = .read(.leaderThenEachRegion, "v3 3/6, rmpopt_work_handler()")
        $0.$leader = .read(.anyCPU(joinsMask: true), "v3 3/6, rmpopt_work_handler(): smp_processor_id(), unchecked")
        $0.$announcement = .read("Attempt RMP optimizations", "v3 3/6, rmpopt_work_handler()")
        $0.$atBoot = .read(
            PassRequest(delay: 1_000_000, batching: .firstRequest),
            "v3 3/6, rmpopt_all_physmem(TRUE)"
        )
        $0.$afterInit = .read(
            PassRequest(delay: workTimeout, batching: .firstRequest),
            "v3 4/6, snp_perform_rmp_optimization() from __sev_snp_init_locked()"
        )
        $0.$atGuestEnd = .read(
            PassRequest(delay: workTimeout, batching: .firstRequest),
            "v3 5/6, snp_perform_rmp_optimization() from sev_vm_destroy()"
        )
        $0.$guestEndPoint = .read(.beforeDecommission, "v3 5/6, sev_vm_destroy()")
        $0.$ownMessages = .read([.segmentedRequired: .notice], "v3 2/6, configure_and_enable_rmpopt()")
        $0.$initMessages = .concluded(
            [.initCommandFailed: .error],
            "base of v3, sev-dev.c blob aebf4dad545e: later than that change, by the lines around the patch"
        )
    }

    /// Version 4: set-up after SNP_INIT_EX.
    public static let v4 = row(
        "v4",
        after: v3,
        "set up after SNP_INIT_EX, no pass at boot; a report mask of its own, which passes still write"
    ) {
        $0.$date = .read("2026-04-13", "v4 0/7")
        $0.$patches = .read(7, "v4 0/7")
        $0.debugfsTable?.$creation = .read(.firmwareInit, "v4 7/7, rmpopt_debugfs_setup() from snp_setup_rmpopt()")
        $0.debugfsTable?.$sharesMask = .read(true, "v4 4/7 and 7/7, __rmpopt() writes the mask in passes, too")
        $0.$snpEnabling = .read(.prepare, "base of v4: snp_prepare() in the context of v4 3/7")
        $0.$workerMoment = .read(.firmwareInit, "v4 4/7, snp_setup_rmpopt()")
        $0.$baseMoment = .read(.firmwareInit, "v4 3/7, snp_setup_rmpopt() from __sev_snp_init_locked()")
        $0.$baseCPUs = .read(.onlinePrimaryThreads, "v4 3/7, snp_setup_rmpopt()")
        $0.$writesBaseFirst = .read(false, "v4 4/7, snp_setup_rmpopt(): after alloc_workqueue()")
        $0.$refusesContiguousRMP = .read(true, "v4 3/7, setup_rmptable(): setup_clear_cpu_cap()")
        $0.$rangeMoment = .read(.firmwareInit, "v4 4/7, snp_setup_rmpopt()")
        $0.$passCPUs = .read(.onlinePrimaryThreads, "v4 3/7, snp_setup_rmpopt()")
        $0.$leader = .read(.anyCPU(joinsMask: false), "v4 4/7, rmpopt_work_handler(): smp_processor_id(), unchecked")
        $0.$atBoot = .read(nil, "v4 4/7: set up in snp_setup_rmpopt()")
        $0.$afterInit = .read(PassRequest(delay: 0, batching: .firstRequest), "v4 4/7, snp_setup_rmpopt()")
        $0.$atGuestEnd = .read(
            PassRequest(delay: workTimeout, batching: .firstRequest),
            "v4 5/7, snp_rmpopt_all_physmem()"
        )
        $0.$guestEndPoint = .read(.beforeDecommission, "v4 6/7, sev_vm_destroy()")
        $0.$knowsX86Shutdown = .read(true, "base of v4: snp_shutdown() in the context of v4 3/7")
        $0.$entryPoint = .read("snp_setup_rmpopt", "v4 3/7, EXPORT_SYMBOL_FOR_MODULES()")
        $0.$ownMessages = .read([.folderExists: .error], "v4 7/7, debugfs_create_dir() a second time")
        $0.$initMessages = .concluded(
            [.initCommandFailed: .error],
            "base of v4, sev-dev.c blob 939fa8aa155c: later than that change, by the lines around the patch"
        )
    }

    /// Version 5: clean-up at shutdown, locks, a guard against a second set-up.
    public static let v5 = row(
        "v5",
        after: v4,
        "clean-up at shutdown, locks, a guard; the table ends at 2 TB and cannot be sought in"
    ) {
        $0.$date = .read("2026-05-18", "v5 0/7")
        $0.$patches = .read(7, "v5 0/7")
        $0.debugfsTable?.$hasEndLine = .read(false, "v5 7/7, rmpopt_table_seq_next()")
        $0.debugfsTable?.$limit = .read(twoTB, "v5 7/7, rmpopt_pa_end")
        $0.debugfsTable?.$isSeekable = .read(false, "v5 7/7, rmpopt_table_fops: no llseek")
        $0.debugfsTable?.$sharesMask = .read(false, "v5 7/7, __rmpopt(): only RMPOPT_FUNC_REPORT_STATUS writes it")
        $0.debugfsTable?.$isRemoved = .read(true, "v5 7/7, rmpopt_cleanup(): debugfs_remove_recursive()")
        $0.$needsAllOnline = .read(true, "base of v5: Tycho Andersen, 2026-04-29, snp_prepare()")
        $0.$hasReinitGuard = .read(true, "v5 4/7, snp_setup_rmpopt(): if (rmpopt_wq)")
        $0.$leader = .read(.anyCPU(joinsMask: false), "v5 4/7, rmpopt_work_handler(): smp_processor_id(), unchecked")
        $0.$guestEndPoint = .read(.afterDecommission, "v5 6/7, sev_vm_destroy()")
        $0.$cleanUp = .read(.all, "v5 3/7 and 4/7, rmpopt_cleanup() from snp_shutdown()")
        $0.$ownMessages = .read([.coverageLimited: .info, .noWorkqueue: .error], "v5 4/7, snp_setup_rmpopt()")
        $0.$initMessages = .concluded(
            [.initCommandFailed: .error],
            "base of v5 to v9, sev-dev.c blob 78f98aee7a66: later than that change, by the lines around the patch"
        )
    }

    /// Version 6: the table is for root only.
    public static let v6 = row(
        "v6",
        after: v5,
        "the table becomes 0400 and can be sought in again; three ways to choose a leader"
    ) {
        $0.$date = .read("2026-06-02", "v6 0/6")
        $0.$patches = .read(6, "v6 0/6")
        $0.debugfsTable?.$mode = .read(0o400, "v6 6/6, debugfs_create_file()")
        $0.debugfsTable?.$isSeekable = .read(true, "v6 6/6, rmpopt_table_fops: seq_lseek")
        $0.$leader = .read(
            .checked(byCall: true),
            "v6 3/6, rmpopt_work_handler(): three cases, the third by smp_call_function_single()"
        )
        $0.$allocatesPassMask = .read(true, "v6 3/6, rmpopt_work_handler(): follower_mask")
        $0.$announcesFirst = .read(true, "v6 3/6, rmpopt_work_handler()")
    }

    /// Version 7: the same as version 6 for a user.
    public static let v7 = row(
        "v7",
        after: v6,
        "rescheduling in the leader's loop, comments; nothing that a user sees"
    ) {
        $0.$date = .read("2026-06-08", "v7 0/6")
        $0.$patches = .read(6, "v7 0/6")
        $0.$refusesContiguousRMP = .read(true, "v7 2/6, setup_rmptable(): rmpopt_configured")
    }

    /// Version 8: the last request counts, and no CPU hotplug.
    public static let v8 = row(
        "v8",
        after: v7,
        "10 s after the last request; no CPU hotplug from SNP_INIT_EX until SNP_EN is cleared"
    ) {
        $0.$date = .read("2026-06-15", "v8 0/7")
        $0.$patches = .read(7, "v8 0/7")
        $0.$leader = .read(
            .checked(byCall: false),
            "v8 4/7, rmpopt_work_handler(): three cases, the third by work_on_cpu()"
        )
        $0.$afterInit = .read(
            PassRequest(delay: 0, batching: .firstRequest),
            "v8 4/7, snp_setup_rmpopt(): queue_delayed_work()"
        )
        $0.$atGuestEnd = .read(
            PassRequest(delay: workTimeout, batching: .lastRequest),
            "v8 5/7, snp_rmpopt_all_physmem(): mod_delayed_work()"
        )
        $0.$hotplugOff = .read(.afterInit, "v8 3/7, __sev_snp_init_locked(); on again in __sev_snp_shutdown_locked()")
    }

    /// Version 9: the kernel has no file any more.
    public static let v9 = row(
        "v9",
        after: v8,
        "no debugfs; a mask that is allocated; one way to choose a leader"
    ) {
        $0.$date = .read("2026-06-24", "v9 0/6")
        $0.$patches = .read(6, "v9 0/6")
        $0.$debugfsTable = .read(nil, "v9 0/6: dropped")
        $0.$allocatesSetUpMask = .read(true, "v9 2/6, snp_setup_rmpopt(): zalloc_cpumask_var()")
        $0.$leader = .read(.anyCPUWithoutSiblings, "v9 4/6, rmpopt_work_handler(): cpumask_andnot()")
        $0.$hotplugOff = .read(.afterInit, "v9 3/6, snp_cpu_hotplug_disabled")
        $0.$ownMessages = .read(
            [.coverageLimited: .info, .noWorkqueue: .error, .noCPUMask: .error],
            "v9 2/6 and 4/6, snp_setup_rmpopt()"
        )
    }

    /// Version 10: hotplug is forbidden before SNP is enabled, and after kexec.
    public static let v10 = row(
        "v10",
        after: v9,
        "hotplug forbidden before SNP_EN is set, also after a failed SNP_INIT_EX and after kexec"
    ) {
        $0.$date = .read("2026-06-30", "v10 0/6")
        $0.$patches = .read(6, "v10 0/6")
        $0.$hotplugOff = .read(.beforeSNP, "v10 3/6, snp_prepare(), snp_shutdown()")
        $0.$hotplugOffAfterKexec = .read(true, "v10 3/6, snp_rmptable_init()")
        $0.$ownMessages = .read(
            [.coverageLimited: .info, .noWorkqueue: .error, .noCPUMask: .error, .passSkipped: .warning],
            "v10 2/6 and 4/6, snp_setup_rmpopt(), rmpopt_work_handler()"
        )
        $0.$initMessages = .concluded(
            [.initCommandFailed: .error],
            "base of v10, sev-dev.c blob ca473ca198b8: later than that change, by the lines around the patch"
        )
    }

    /// The form that was merged into Linux: five commits on tip x86/sev.
    public static let merged = row(
        "merged",
        after: v10,
        "set up at boot; 10 s after SNP_INIT_EX or a guest's end; one broadcast, each core over the whole range"
    ) {
        $0.aliases = ["edb1b49e724e", "edb1b49e724ea102b3eaeb0b57f8ca33cd445887"]
        $0.$date = .read("2026-09-18", "commit edb1b49e724e, committer's date")
        $0.$patches = .read(5, "commits 1ee97d0f7b20 to edb1b49e724e on tip x86/sev")
        $0.$workerMoment = .read(.boot, "commit c6c6f156d192, rmpopt_init(): device_initcall")
        $0.$baseMoment = .read(.requestWhileClear, "commit c6c6f156d192, snp_enable_rmpopt()")
        $0.$baseCPUs = .read(
            .onlinePrimaryThreads,
            "commit 15d974be0a3b: cpu_primary_thread_mask; the write fails unseen on one that is offline"
        )
        $0.$refusesContiguousRMP = .read(
            false,
            "commit c6c6f156d192, snp_probe_rmptable_info(): the flag stays where the CPU can do segments"
        )
        $0.$hasReinitGuard = .read(false, "commit c6c6f156d192, snp_enable_rmpopt()")
        $0.$allocatesSetUpMask = .read(false, "commit c6c6f156d192: cpu_primary_thread_mask")
        $0.$rangeMoment = .read(.boot, "commit c6c6f156d192, rmpopt_init()")
        $0.$worker = .read(.perCPUWorkqueue, "commit c6c6f156d192, rmpopt_init(): WQ_PERCPU")
        $0.$passCPUs = .read(.onlinePrimaryThreads, "commit c6c6f156d192, do_rmpopt_work(): cpu_primary_thread_mask")
        $0.$maskMoment = .read(.pass, "commit c6c6f156d192, do_rmpopt_work()")
        $0.$order = .read(.leaderThenWholeRange, "commit c6c6f156d192, do_rmpopt_work()")
        $0.$leader = .read(.anyCPUAgain, "commit c6c6f156d192, do_rmpopt_work()")
        $0.$allocatesPassMask = .read(false, "commit c6c6f156d192, do_rmpopt_work()")
        $0.$announcement = .read(nil, "commit c6c6f156d192, do_rmpopt_work()")
        $0.$afterInit = .read(
            PassRequest(delay: workTimeout, batching: .lastRequest),
            "commit c6c6f156d192, snp_enable_rmpopt() at the end of __sev_snp_init_locked()"
        )
        $0.$atGuestEnd = .read(
            PassRequest(delay: workTimeout, batching: .lastRequest),
            "commit edb1b49e724e, snp_enable_rmpopt() from sev_vm_destroy()"
        )
        $0.$guestEndPoint = .concluded(
            .afterDecommission,
            "v10 6/6, sev_vm_destroy(); the place in commit edb1b49e724e was not seen"
        )
        $0.$cleanUp = .read(.cancelOnly, "commit c6c6f156d192, snp_shutdown()")
        $0.$hotplugOff = .read(.beforeSNP, "commit 674bb17a32c7, snp_prepare(), snp_shutdown()")
        $0.$hotplugOffAfterKexec = .read(true, "commit 674bb17a32c7, snp_rmptable_init()")
        $0.$entryPoint = .read("snp_enable_rmpopt", "commit c6c6f156d192, EXPORT_SYMBOL_FOR_MODULES()")
        $0.$ownMessages = .read(
            [.enabledAtBoot: .info, .noWorkqueue: .error],
            "commit c6c6f156d192, rmpopt_init()"
        )
        $0.$initMessages = .read([.initCommandFailed: .error], "commit 15d974be0a3b, __sev_snp_init_locked()")
    }

    /// All versions, v1 first.
    public static let all: [Series] = [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, merged]
}
