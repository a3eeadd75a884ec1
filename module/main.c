// SPDX-License-Identifier: GPL-2.0
/*
 * Loads and unloads: shows in debugfs and configfs what RMPOPT has done, on
 * kernels whose own RMPOPT code shows nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "rmpopt.h"

static struct dentry *folder;

/* Versions 2 to 8 of the series have a table there; version 1's is at our place. */
static bool kernel_has_table(void)
{
	struct dentry *found = debugfs_lookup("rmpopt", arch_debugfs_dir);

	dput(found);
	return found;
}

static int __init rmpopt_init(void)
{
	int error;

	if (!rmpopt_capable()) {
		pr_err("this processor has no RMPOPT: CPUID Fn8000_0025 EDX[0] is not set\n");
		return -ENODEV;
	}
	if (kernel_has_table()) {
		pr_err("this kernel has a table of its own in debugfs, at x86/rmpopt\n");
		return -EEXIST;
	}
	error = rmpopt_pass_init();
	if (error)
		return error;
	folder = debugfs_create_dir("rmpopt", NULL);
	if (IS_ERR(folder)) {
		error = PTR_ERR(folder);
		pr_err("debugfs has refused the folder rmpopt: error %d\n", error);
		goto undo_pass;
	}
	error = rmpopt_request_init();
	if (error) {
		pr_err("configfs has refused the folder rmpopt: error %d\n", error);
		goto undo_folder;
	}
	/*
	 * Nothing fails from here on: a module that fails to load is freed even
	 * while a user has one of its files open.
	 */
	rmpopt_table_create(folder);
	rmpopt_statistics_create(folder);
	pr_info("RMPOPT is enabled on %u of %u CPUs\n", rmpopt_enabled_cpus(), num_online_cpus());
	return 0;

undo_folder:
	debugfs_remove_recursive(folder);
undo_pass:
	rmpopt_pass_exit();
	return error;
}

static void __exit rmpopt_exit(void)
{
	rmpopt_request_exit();
	rmpopt_pass_exit();
	debugfs_remove_recursive(folder);
}

module_init(rmpopt_init);
module_exit(rmpopt_exit);
MODULE_DESCRIPTION("Shows which gigabytes RMPOPT has optimized, and runs passes");
MODULE_AUTHOR("the rmpfs authors");
MODULE_LICENSE("GPL");
