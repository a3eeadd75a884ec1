// SPDX-License-Identifier: Apache-2.0
// The naive model's own facts about the versions of the series, read from the posted patches one by one. The machine
// has a table of its own; the proof shows that the two agree, so neither may be copied from the other.

/// What one version of the driver, with the kernel that it was posted for, does.
struct NaiveSeries: Sendable {
    /// When the kernel sets the driver up.
    enum SetUp: Sendable {
        /// `snp_rmptable_init()`.
        case boot
        /// Each SNP_INIT_EX that succeeds, the second one too.
        case eachInit
        /// SNP_INIT_EX, unless the workqueue is there already.
        case guardedInit
        /// `rmpopt_init()` at boot for workqueue and range; the registers at each request.
        case bootThenEachRequest
    }

    /// On which CPUs set-up writes RMPOPT_BASE.
    enum Programmed: Sendable { case firstThreads, allOnline, onlinePrimaries }

    /// When the kernel forbids CPU hotplug.
    enum Hotplug: Sendable { case never, afterInit, beforeSNP }

    /// What a request does to a pass that is pending.
    enum Worker: Sendable { case thread, queue, mod }

    /// At which point of a guest's end a pass is requested.
    enum GuestEnd: Sendable { case none, inodeFree, beforeDecommission, afterDecommission }

    /// Who executes RMPOPT in a pass.
    enum Walk: Sendable {
        /// One broadcast per region, to each thread that was its core's first online one when some pass began.
        case firstThreads
        /// One broadcast per region, to all CPUs.
        case allOnline
        /// A leader walks the range, then one broadcast per region reaches the others.
        case leader
        /// A first scanner walks the range, then one broadcast makes all walk it.
        case scanner
    }

    /// Who leads, and what becomes of the followers' mask.
    enum Leader: Sendable {
        case none
        /// The worker's CPU, taken out of the mask; at the end, whatever CPU the worker is then on is put in.
        case putIn
        /// The worker's CPU, taken out of the mask and put back if it was in it.
        case putBack
        /// The worker's CPU if it or a sibling is in the mask, else the mask's first CPU.
        case checked
        /// The worker's CPU; its siblings do not follow.
        case withoutSiblings
    }

    let name: String
    /// SNP_EN is set when the kernel boots; else in `snp_prepare()`, called from ccp.
    var setsSNPAtBoot = false
    /// A CPU that comes online gets SNP_EN by a hotplug callback.
    var setsSNPOnline = false
    /// `snp_prepare()` requires all present CPUs to be online.
    var wantsAllOnline = false
    let setUp: SetUp
    let programmed: Programmed
    var hotplug = Hotplug.never
    /// `snp_shutdown()` is there, and ccp asks for x86_snp_shutdown.
    var hasX86Shutdown = true
    /// `snp_shutdown()` cancels passes and waits for them.
    var cancels = false
    /// It also destroys the workqueue, writes RMPOPT_BASE and forgets mask and range.
    var cleansUp = false
    let worker: Worker
    /// The delay of each trigger in ns; nil for one that requests no pass.
    let bootDelay: UInt64?
    let initDelay: UInt64?
    let guestEndDelay: UInt64?
    let guestEnd: GuestEnd
    let walk: Walk
    var leader = Leader.none
    /// Hotplug waits for the broadcasts of a pass (`cpus_read_lock()`), and for a leader that may not migrate.
    var locksCPUs = false
    /// A leader other than the worker's CPU is called by interrupt, region by region.
    var callsLeader = false
    /// Passes end at most 2 TB above their start.
    var isLimited = true
    /// The followers' mask is allocated in each pass.
    var allocatesPassMask = false

    private static let delay: UInt64 = 10_000_000_000

    /// Every version, with its source: message numbers are those of the threads "Add RMPOPT support" on linux-kernel.
    static let all: [NaiveSeries] = [
        // 2026-02-17. Base: `on_each_cpu(snp_enable)` in `snp_rmptable_init()`, then
        // `cpuhp_setup_state("x86/rmptable_init:online", __snp_enable)`, which kexec's skip_enable reaches too. 2/6:
        // RMPOPT_BASE on `get_cpumask_of_primary_threads()`, the first online thread of each core. 3/6: each pass adds
        // to the thread's mask, which is never cleared; the range is set once, to the end of memory. 4/6: ccp wakes the
        // thread after SNP_INIT. Nothing at a guest's end. No `snp_shutdown()` in the base.
        NaiveSeries(
            name: "v1",
            setsSNPAtBoot: true,
            setsSNPOnline: true,
            setUp: .boot,
            programmed: .firstThreads,
            hasX86Shutdown: false,
            worker: .thread,
            bootDelay: 0,
            initDelay: 0,
            guestEndDelay: nil,
            guestEnd: .none,
            walk: .firstThreads,
            isLimited: false
        ),
        // 2026-03-02. Base as v1: the hunk of 2/7 shows the callback. 2/7: RMPOPT_BASE on `cpu_online_mask`; 3/7:
        // RMPOPT too, range cut to 2 TB; 4/7: after SNP_INIT; 5/7 and 6/7: `.free_inode` of each guest_memfd inode.
        NaiveSeries(
            name: "v2",
            setsSNPAtBoot: true,
            setsSNPOnline: true,
            setUp: .boot,
            programmed: .allOnline,
            hasX86Shutdown: false,
            worker: .thread,
            bootDelay: 0,
            initDelay: 0,
            guestEndDelay: 0,
            guestEnd: .inodeFree,
            walk: .allOnline
        ),
        // 2026-03-30. Base: blob e35fac0a8a3d, which follows "Do not support hotplug" of the series "Move SNP
        // initialization" (2026-03): no callback, by the line numbers of the hunks (a conclusion). 2/6: RMPOPT_BASE by
        // `for_each_online_cpu()`; 3/6: mask of online CPUs with `topology_is_primary_thread()`, 1 ms, and
        // `cpumask_set_cpu(smp_processor_id(), ...)` at the end of a pass; 4/6: 10 s after SNP_INIT; 5/6:
        // `snp_perform_rmp_optimization()` before decommission.
        NaiveSeries(
            name: "v3",
            setsSNPAtBoot: true,
            setUp: .boot,
            programmed: .allOnline,
            hasX86Shutdown: false,
            worker: .queue,
            bootDelay: 1_000_000,
            initDelay: delay,
            guestEndDelay: delay,
            guestEnd: .beforeDecommission,
            walk: .leader,
            leader: .putIn
        ),
        // 2026-04-13. Base: blob 41f76f15caa1 with `void snp_prepare()`, no look at offline CPUs, and with
        // `snp_shutdown()`, which 3/7 does not touch. 3/7: RMPOPT_BASE by `wrmsrq_on_cpus()` on the mask of online
        // primaries, which is never cleared. 4/7: no guard, delay 0, `current_cpu_cleared`. 6/7: before decommission.
        NaiveSeries(
            name: "v4",
            setUp: .eachInit,
            programmed: .onlinePrimaries,
            worker: .queue,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .beforeDecommission,
            walk: .leader,
            leader: .putBack
        ),
        // 2026-05-18. Base: blob 8bcdce98f6dc, "Do not initialize SNP if missing CPUs" (Tycho Andersen, 2026-04-29).
        // 4/7: guard `if (rmpopt_wq)`, `rmpopt_cleanup()`, `migrate_disable()`, `cpus_read_lock()` around the
        // followers. 6/7: after `snp_decommission_context()`.
        NaiveSeries(
            name: "v5",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            cancels: true,
            cleansUp: true,
            worker: .queue,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .putBack,
            locksCPUs: true
        ),
        // 2026-06-02. Base as v5. 3/6: `follower_mask` of its own, three cases of leaders, the third with
        // `smp_call_function_single()` for each region.
        NaiveSeries(
            name: "v6",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            cancels: true,
            cleansUp: true,
            worker: .queue,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .checked,
            locksCPUs: true,
            callsLeader: true,
            allocatesPassMask: true
        ),
        // 2026-06-08. Base as v5. 3/6 as in v6, with `cond_resched()`.
        NaiveSeries(
            name: "v7",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            cancels: true,
            cleansUp: true,
            worker: .queue,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .checked,
            locksCPUs: true,
            callsLeader: true,
            allocatesPassMask: true
        ),
        // 2026-06-15. Base as v5. 3/7: `cpu_hotplug_disable()` in ccp after SNP_INIT_EX, `cpu_hotplug_enable()` only
        // where x86_snp_shutdown was set. 4/7: third case with `work_on_cpu()`. 5/7: `mod_delayed_work()`.
        NaiveSeries(
            name: "v8",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            hotplug: .afterInit,
            cancels: true,
            cleansUp: true,
            worker: .mod,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .checked,
            locksCPUs: true,
            allocatesPassMask: true
        ),
        // 2026-06-24. Base as v5. 3/6: the same in sev.c, enabled again in `snp_shutdown()`. 4/6: `cpumask_andnot()`
        // with the worker's siblings, no other case.
        NaiveSeries(
            name: "v9",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            hotplug: .afterInit,
            cancels: true,
            cleansUp: true,
            worker: .mod,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .withoutSiblings,
            locksCPUs: true,
            allocatesPassMask: true
        ),
        // 2026-06-30. 3/6: `cpu_hotplug_disable()` in `snp_prepare()` and, where SNP_EN is set at boot, in
        // `snp_rmptable_init()`; enabled in `snp_shutdown()`. The rest as v9.
        NaiveSeries(
            name: "v10",
            wantsAllOnline: true,
            setUp: .guardedInit,
            programmed: .onlinePrimaries,
            hotplug: .beforeSNP,
            cancels: true,
            cleansUp: true,
            worker: .mod,
            bootDelay: nil,
            initDelay: 0,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .leader,
            leader: .withoutSiblings,
            locksCPUs: true,
            allocatesPassMask: true
        ),
        // tip x86/sev, 2026-09-18: 674bb17a (hotplug), 15d974be (registers), c6c6f156 (passes), edb1b49e (guests' end;
        // its place in `sev_vm_destroy()` is that of v10, a conclusion).
        NaiveSeries(
            name: "merged",
            wantsAllOnline: true,
            setUp: .bootThenEachRequest,
            programmed: .onlinePrimaries,
            hotplug: .beforeSNP,
            cancels: true,
            worker: .mod,
            bootDelay: nil,
            initDelay: delay,
            guestEndDelay: delay,
            guestEnd: .afterDecommission,
            walk: .scanner,
            locksCPUs: true
        ),
    ]

    /// The facts of a version by its name.
    static func named(_ name: String) -> NaiveSeries {
        guard let facts = all.first(where: { $0.name == name }) else { fatalError("no facts about \(name)") }
        return facts
    }
}
