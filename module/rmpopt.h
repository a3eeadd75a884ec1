/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the module share: the instruction with its conditions,
 * what a CPU says of its window, passes and their statistics.
 */
#ifndef RMPOPT_H
#define RMPOPT_H

#include <linux/bitmap.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct dentry;
struct seq_file;

/* A region is an aligned gigabyte, and is named by its number. */
#define RMPOPT_REGION_SHIFT	30

/* The regions of a core's window: 2 TB upward from RMPOPT_BASE. */
#define RMPOPT_WINDOW		2048

/* What RMPOPT does; the value of RCX. */
enum rmpopt_function {
	/* Set this core's bit if the RMP has no assigned page in the region. */
	RMPOPT_VERIFY_AND_REPORT = 0,
	/* Only tell the bit. */
	RMPOPT_REPORT = 1,
};

/* What came of it. */
enum rmpopt_result {
	RMPOPT_CHECKED = 0,
	RMPOPT_OPTIMIZED = 1,
	/* It faulted: RMPOPT has been disabled since we looked. */
	RMPOPT_FAULTED = 2,
};

/* What one CPU says of its window; written by that CPU alone. */
struct rmpopt_row {
	/* Whether SYSCFG.SNP_EN and RMPOPT_EN were set; else nothing was asked. */
	bool enabled;
	/* The window's first region. */
	u64 first;
	DECLARE_BITMAP(optimized, RMPOPT_WINDOW);
};

/* What is known of each CPU since the module was loaded. */
struct rmpopt_cpu {
	/* RMPOPTs executed: by function, and those of them that faulted. */
	u64 executions[2];
	u64 faults;
	/* The longest stretch with interrupts off, in ns: in the last pass that
	 * interrupted this CPU, in any, and in any reading of the table.
	 */
	u64 last_pass_ns;
	u64 pass_ns;
	u64 read_ns;
};

DECLARE_PER_CPU(struct rmpopt_cpu, rmpopt_cpus);

/* processor.c */
bool rmpopt_capable(void);
bool rmpopt_window_here(u64 *first);
unsigned int rmpopt_enabled_cpus(void);
enum rmpopt_result rmpopt_execute(u64 region, enum rmpopt_function function);
void rmpopt_report(struct rmpopt_row *row, u64 first, u64 last);
u64 rmpopt_memory_end(void);

/* Whether a region is in the window of a CPU that took part. */
static inline bool rmpopt_covers(const struct rmpopt_row *row, u64 region)
{
	return row->enabled && region >= row->first &&
	       region - row->first < RMPOPT_WINDOW;
}

static inline bool rmpopt_has(const struct rmpopt_row *row, u64 region)
{
	return rmpopt_covers(row, region) &&
	       test_bit(region - row->first, row->optimized);
}

/* pass.c */
struct rmpopt_pass {
	u64 number;
	/* ns since boot, and ns. */
	u64 start, end, leader;
	/* Regions. */
	u64 won, kept, blocked, outside;
	u64 broadcasts, interrupts;
	u64 interrupts_off;
	u64 executions, in_vain;
	u64 stolen;
};

int rmpopt_pass_init(void);
void rmpopt_pass_exit(void);
int rmpopt_pass_request(void);
bool rmpopt_pass_running(void);

/* table.c, statistics.c, request.c */
void rmpopt_table_create(struct dentry *folder);
void rmpopt_statistics_create(struct dentry *folder);
void rmpopt_statistics_begin(void);
void rmpopt_statistics_add(struct rmpopt_pass *pass);
int rmpopt_request_init(void);
void rmpopt_request_exit(void);

#endif
