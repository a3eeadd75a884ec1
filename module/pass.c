// SPDX-License-Identifier: GPL-2.0
/*
 * A pass: every core executes RMPOPT for every region of its window.
 *
 * A leader goes first, with interrupts on. Its scans leave results that the
 * other cores can use; these follow in calls of a few regions each, so that
 * interrupts stay off for a short time only. One thread of each core suffices:
 * both share the table.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <linux/workqueue.h>

#include "rmpopt.h"

static unsigned int batch = 16;
module_param(batch, uint, 0644);
MODULE_PARM_DESC(batch, "regions that a core verifies in one call, interrupts off; 0: all of them");

/* What one CPU did in a pass; written by that CPU alone. */
struct part {
	/* Before the pass came to a region, and after. */
	DECLARE_BITMAP(before, RMPOPT_WINDOW);
	struct rmpopt_row row;
	bool has_begun;
	u64 executions, in_vain;
	/* ns: all of its calls, and the longest one with interrupts off. */
	u64 time, interrupts_off;
};

/* The regions that a call is about. */
struct call {
	u64 first, last;
};

static atomic_t running = ATOMIC_INIT(0);
static bool stopping;
static struct workqueue_struct *queue;
/* Those of the running pass, one for each possible CPU. */
static struct part *parts;
/* Its leader's core, and the threads that it interrupts. */
static cpumask_var_t leaders, followers;

/* Verifies the regions from first to before last on this CPU. */
static void verify(struct part *part, u64 first, u64 last)
{
	struct rmpopt_row *row = &part->row;
	bool is_enabled;
	u64 region, window = 0;

	is_enabled = rmpopt_window_here(&window);
	if (!part->has_begun) {
		part->has_begun = true;
		row->enabled = is_enabled;
		row->first = window;
	}
	/* Once it was disabled, or has moved, the CPU is out of this pass. */
	row->enabled &= is_enabled && row->first == window;
	if (!row->enabled)
		return;
	last = min(last, row->first + RMPOPT_WINDOW);
	for (region = max(first, row->first); region < last; region++) {
		enum rmpopt_result before, after;

		before = rmpopt_execute(region, RMPOPT_REPORT);
		if (before == RMPOPT_FAULTED)
			break;
		after = rmpopt_execute(region, RMPOPT_VERIFY_AND_REPORT);
		if (after == RMPOPT_FAULTED)
			break;
		part->executions++;
		if (before == RMPOPT_OPTIMIZED)
			__set_bit(region - row->first, part->before);
		if (after == RMPOPT_OPTIMIZED)
			__set_bit(region - row->first, row->optimized);
		if (before == after)
			part->in_vain++;
	}
	if (region < last)
		row->enabled = false;
}

static void verify_call(void *data)
{
	struct rmpopt_cpu *cpu = this_cpu_ptr(&rmpopt_cpus);
	struct part *part = &parts[smp_processor_id()];
	const struct call *call = data;
	u64 start = ktime_get_ns(), time;

	verify(part, call->first, call->last);
	time = ktime_get_ns() - start;
	part->time += time;
	part->interrupts_off = max(part->interrupts_off, time);
	cpu->last_pass_ns = part->interrupts_off;
	cpu->pass_ns = max(cpu->pass_ns, time);
}

/* The worker's own core. Others run between two regions. */
static void lead(u64 end)
{
	struct part *part;
	u64 region;

	migrate_disable();
	cpumask_copy(leaders, topology_sibling_cpumask(smp_processor_id()));
	part = &parts[smp_processor_id()];
	for (region = 0; region < end && !READ_ONCE(stopping); region++) {
		u64 start = ktime_get_ns();

		verify(part, region, region + 1);
		part->time += ktime_get_ns() - start;
		cond_resched();
	}
	migrate_enable();
}

/*
 * The first online thread of each core but the leader's. Without a lock
 * against hotplug: a core that comes or goes just now is taken or left.
 */
static void choose_followers(void)
{
	unsigned int cpu;

	cpumask_clear(followers);
	for_each_online_cpu(cpu)
		if (!cpumask_test_cpu(cpu, leaders) &&
		    cpumask_first(topology_sibling_cpumask(cpu)) == cpu)
			__cpumask_set_cpu(cpu, followers);
}

/* All other cores, a few regions at a time. */
static void follow(struct rmpopt_pass *pass, u64 end)
{
	unsigned int step = READ_ONCE(batch);
	struct call call = { .first = 0 };

	for (; call.first < end && !READ_ONCE(stopping); call.first = call.last) {
		call.last = step ? min(end, call.first + step) : end;
		choose_followers();
		if (cpumask_empty(followers))
			continue;
		on_each_cpu_mask(followers, verify_call, &call, true);
		pass->broadcasts++;
		pass->interrupts += cpumask_weight(followers);
		cond_resched();
	}
}

/* What became of a region. */
static void count_region(struct rmpopt_pass *pass, u64 region)
{
	bool is_covered = false, is_won = false, is_anywhere = false;
	bool was_everywhere = true;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct part *part = &parts[cpu];
		bool before, after;

		if (!rmpopt_covers(&part->row, region))
			continue;
		before = test_bit(region - part->row.first, part->before);
		after = rmpopt_has(&part->row, region);
		is_covered = true;
		is_won |= after && !before;
		is_anywhere |= after;
		was_everywhere &= before && after;
	}
	if (!is_covered)
		pass->outside++;
	else if (is_won)
		pass->won++;
	else if (was_everywhere)
		pass->kept++;
	else if (!is_anywhere)
		pass->blocked++;
}

static void count(struct rmpopt_pass *pass, u64 end)
{
	unsigned int cpu;
	u64 region;

	for_each_possible_cpu(cpu) {
		pass->executions += parts[cpu].executions;
		pass->in_vain += parts[cpu].in_vain;
		pass->stolen += parts[cpu].time;
		pass->interrupts_off = max(pass->interrupts_off, parts[cpu].interrupts_off);
	}
	for (region = 0; region < end; region++) {
		count_region(pass, region);
		cond_resched();
	}
}

static void do_pass(struct work_struct *work)
{
	struct rmpopt_pass pass = {};
	u64 end = rmpopt_memory_end();

	rmpopt_statistics_begin();
	pass.start = ktime_get_ns();
	lead(end);
	pass.leader = ktime_get_ns() - pass.start;
	follow(&pass, end);
	pass.end = ktime_get_ns();
	if (!READ_ONCE(stopping)) {
		count(&pass, end);
		rmpopt_statistics_add(&pass);
	}

	kvfree(parts);
	parts = NULL;
	/* After the last use of parts: a request may come at once. */
	atomic_set_release(&running, 0);
}

static DECLARE_WORK(work, do_pass);

bool rmpopt_pass_running(void)
{
	return atomic_read(&running);
}

/*
 * Asks for a pass; nothing more while one runs. -ENODEV: RMPOPT is enabled on
 * no core.
 */
int rmpopt_pass_request(void)
{
	struct part *fresh;

	if (rmpopt_pass_running())
		return 0;
	/* All that can fail comes before the flag: it never absorbs in vain. */
	if (!rmpopt_enabled_cpus())
		return -ENODEV;
	fresh = kvcalloc(nr_cpu_ids, sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return -ENOMEM;
	if (atomic_cmpxchg_acquire(&running, 0, 1)) {
		kvfree(fresh);
		return 0;
	}
	parts = fresh;
	queue_work(queue, &work);
	return 0;
}

int rmpopt_pass_init(void)
{
	if (!zalloc_cpumask_var(&leaders, GFP_KERNEL))
		return -ENOMEM;
	if (!zalloc_cpumask_var(&followers, GFP_KERNEL))
		goto undo_leaders;
	queue = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 1);
	if (!queue)
		goto undo_followers;
	return 0;

undo_followers:
	free_cpumask_var(followers);
undo_leaders:
	free_cpumask_var(leaders);
	return -ENOMEM;
}

/* No request comes any more. */
void rmpopt_pass_exit(void)
{
	WRITE_ONCE(stopping, true);
	/* Ends the running pass at its next region. */
	destroy_workqueue(queue);
	free_cpumask_var(followers);
	free_cpumask_var(leaders);
}
