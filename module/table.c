// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs' rmpopt-table, in the format of version 1 of the series "Add RMPOPT
 * support": a line for each region, and one for the address at the end of
 * memory.
 *
 * A reader who begins at the start costs each CPU one call, in which it
 * reports all of its window; later reads get the lines of that moment.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "rmpopt.h"

/* What an open file shows. */
struct table {
	/* The region after the last one. */
	u64 end;
	/* The CPUs of the line that is being printed. */
	cpumask_var_t line;
	/* One for each possible CPU. */
	struct rmpopt_row rows[];
};

/* One reader at a time interrupts all CPUs. */
static DEFINE_MUTEX(table_mutex);

static void report_here(void *data)
{
	struct rmpopt_cpu *cpu = this_cpu_ptr(&rmpopt_cpus);
	struct table *table = data;
	u64 start = ktime_get_ns();

	rmpopt_report(&table->rows[smp_processor_id()], 0, table->end);
	cpu->read_ns = max(cpu->read_ns, ktime_get_ns() - start);
}

static int table_take(struct table *table)
{
	unsigned int cpu;

	if (mutex_lock_interruptible(&table_mutex))
		return -ERESTARTSYS;
	/* CPUs that are offline now say nothing. */
	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		table->rows[cpu].enabled = false;
	table->end = rmpopt_memory_end();
	on_each_cpu(report_here, table, 1);
	mutex_unlock(&table_mutex);
	return 0;
}

static void *table_start(struct seq_file *file, loff_t *pos)
{
	struct table *table = file->private;

	if (*pos == 0) {
		int error = table_take(table);

		if (error)
			return ERR_PTR(error);
	}
	return *pos <= table->end ? pos : NULL;
}

static void *table_next(struct seq_file *file, void *item, loff_t *pos)
{
	struct table *table = file->private;

	++*pos;
	return *pos <= table->end ? pos : NULL;
}

static void table_stop(struct seq_file *file, void *item)
{
}

static int table_show(struct seq_file *file, void *item)
{
	struct table *table = file->private;
	u64 region = *(loff_t *)item;
	unsigned int cpu;

	cpumask_clear(table->line);
	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		if (rmpopt_has(&table->rows[cpu], region))
			__cpumask_set_cpu(cpu, table->line);

	seq_printf(file, "Memory @%3lluGB: ", region);
	if (cpumask_empty(table->line))
		seq_puts(file, "CPU(s): none\n");
	else
		seq_printf(file, "CPU(s): %*pbl\n", cpumask_pr_args(table->line));
	return 0;
}

static const struct seq_operations table_operations = {
	.start = table_start,
	.next = table_next,
	.stop = table_stop,
	.show = table_show,
};

static void table_free(struct table *table)
{
	free_cpumask_var(table->line);
	kvfree(table);
}

static int table_open(struct inode *inode, struct file *file)
{
	struct table *table;
	int error;

	table = kvzalloc(struct_size(table, rows, nr_cpu_ids), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	if (!zalloc_cpumask_var(&table->line, GFP_KERNEL_ACCOUNT)) {
		kvfree(table);
		return -ENOMEM;
	}
	error = seq_open(file, &table_operations);
	if (error) {
		table_free(table);
		return error;
	}
	((struct seq_file *)file->private_data)->private = table;
	return 0;
}

static int table_release(struct inode *inode, struct file *file)
{
	table_free(((struct seq_file *)file->private_data)->private);
	return seq_release(inode, file);
}

static const struct file_operations table_fops = {
	.owner = THIS_MODULE,
	.open = table_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = table_release,
};

void rmpopt_table_create(struct dentry *folder)
{
	debugfs_create_file("rmpopt-table", 0444, folder, NULL, &table_fops);
}
