// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs' passes, totals and cpus: what the module's own passes did and cost.
 * passes has the columns of the file of that name in a mount of rmpfs; "-" is
 * what the module cannot know. totals is for monitoring, which would miss
 * passes that come between two looks.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/time64.h>

#include "rmpopt.h"

/* As many as rmpfs keeps. */
#define KEPT 64

static struct rmpopt_pass passes[KEPT];
static u64 begun, ended;

/* Durations in ms that totals counts up to, as rmpfs does. */
static const unsigned int limits[] = {
	1, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000,
};

/* Sums over all passes that have ended. */
static struct {
	u64 time, broadcasts, interrupts, executions, in_vain, stolen;
	/* The longest of any. */
	u64 interrupts_off;
	/* Passes that took at most so long. */
	u64 up_to[ARRAY_SIZE(limits)];
} totals;

static DEFINE_MUTEX(passes_mutex);

static void add_to_totals(const struct rmpopt_pass *pass)
{
	u64 time = pass->end - pass->start;
	unsigned int i;

	totals.time += time;
	totals.broadcasts += pass->broadcasts;
	totals.interrupts += pass->interrupts;
	totals.executions += pass->executions;
	totals.in_vain += pass->in_vain;
	totals.stolen += pass->stolen;
	totals.interrupts_off = max(totals.interrupts_off, pass->interrupts_off);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (time <= (u64)limits[i] * NSEC_PER_MSEC)
			totals.up_to[i]++;
}

/* Counts a pass that begins. */
void rmpopt_statistics_begin(void)
{
	mutex_lock(&passes_mutex);
	begun++;
	mutex_unlock(&passes_mutex);
}

/* Numbers a pass that has ended, and keeps it. */
void rmpopt_statistics_add(struct rmpopt_pass *pass)
{
	mutex_lock(&passes_mutex);
	pass->number = ended + 1;
	passes[ended % KEPT] = *pass;
	ended++;
	add_to_totals(pass);
	mutex_unlock(&passes_mutex);
}

static int passes_show(struct seq_file *file, void *unused)
{
	u64 number;

	seq_puts(file, "pass trigger start_ns end_ns leader_ns follower_ns broadcast_ns ");
	seq_puts(file, "won lost kept blocked outside ");
	seq_puts(file, "broadcasts interrupts interrupts_off_ns executions in_vain stolen_ns\n");
	mutex_lock(&passes_mutex);
	for (number = ended > KEPT ? ended - KEPT : 0; number < ended; number++) {
		const struct rmpopt_pass *pass = &passes[number % KEPT];

		seq_printf(file, "%llu request %llu %llu %llu %llu - ",
			   pass->number, pass->start, pass->end, pass->leader,
			   pass->end - pass->start - pass->leader);
		seq_printf(file, "%llu - %llu %llu %llu ",
			   pass->won, pass->kept, pass->blocked, pass->outside);
		seq_printf(file, "%llu %llu %llu %llu %llu %llu\n",
			   pass->broadcasts, pass->interrupts, pass->interrupts_off,
			   pass->executions, pass->in_vain, pass->stolen);
	}
	mutex_unlock(&passes_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(passes);

static int totals_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	mutex_lock(&passes_mutex);
	seq_printf(file, "begun %llu\npasses %llu\ntime_ns %llu\n", begun, ended, totals.time);
	seq_printf(file, "broadcasts %llu\ninterrupts %llu\ninterrupts_off_ns %llu\n",
		   totals.broadcasts, totals.interrupts, totals.interrupts_off);
	seq_printf(file, "executions %llu\nin_vain %llu\nstolen_ns %llu\n",
		   totals.executions, totals.in_vain, totals.stolen);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		seq_printf(file, "up_to_%ums %llu\n", limits[i], totals.up_to[i]);
	mutex_unlock(&passes_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(totals);

static int cpus_show(struct seq_file *file, void *unused)
{
	unsigned int cpu;

	seq_puts(file, "cpu last_pass_ns pass_ns read_ns verified reported faults\n");
	for_each_possible_cpu(cpu) {
		const struct rmpopt_cpu *of = per_cpu_ptr(&rmpopt_cpus, cpu);

		seq_printf(file, "%u %llu %llu %llu %llu %llu %llu\n", cpu,
			   READ_ONCE(of->last_pass_ns), READ_ONCE(of->pass_ns),
			   READ_ONCE(of->read_ns),
			   READ_ONCE(of->executions[RMPOPT_VERIFY_AND_REPORT]),
			   READ_ONCE(of->executions[RMPOPT_REPORT]), READ_ONCE(of->faults));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

void rmpopt_statistics_create(struct dentry *folder)
{
	debugfs_create_file("passes", 0444, folder, NULL, &passes_fops);
	debugfs_create_file("totals", 0444, folder, NULL, &totals_fops);
	debugfs_create_file("cpus", 0444, folder, NULL, &cpus_fops);
}
