// SPDX-License-Identifier: GPL-2.0
/*
 * For tests alone: lets the module rmpopt find a processor with RMPOPT where
 * there is none, so that it runs unchanged.
 *
 * CPUID and RDMSR: on kernels with CONFIG_PARAVIRT_XXL, as distributions have
 * them, a module's CPUID and RDMSR are calls of two functions of the kernel.
 * Probes on these answer for the leaf and the registers of RMPOPT.
 * RMPOPT itself: the processor raises #UD, which a die notifier takes before
 * the exception table is looked at. The bits are those of a table here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/configfs.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include <asm/paravirt.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

/* What CPUID and the MSRs say. */
static unsigned int max_leaf = 0x80000025;
module_param(max_leaf, uint, 0644);
MODULE_PARM_DESC(max_leaf, "the last extended leaf of CPUID");

static unsigned int features = 1;
module_param(features, uint, 0644);
MODULE_PARM_DESC(features, "CPUID Fn8000_0025 EDX");

static int set_vendor(const char *text, const struct kernel_param *param)
{
	return kstrtou8(text, 0, &boot_cpu_data.x86_vendor);
}

static const struct kernel_param_ops vendor_ops = {
	.set = set_vendor,
};

module_param_cb(vendor, &vendor_ops, NULL, 0200);
MODULE_PARM_DESC(vendor, "who made the processor, as the kernel counts: 2 is AMD");

static bool snp = true;
module_param(snp, bool, 0644);
MODULE_PARM_DESC(snp, "SYSCFG.SNP_EN, on all cores");

static int snpless_cpu = -1;
module_param(snpless_cpu, int, 0644);
MODULE_PARM_DESC(snpless_cpu, "a CPU whose core has SYSCFG.SNP_EN clear all the same; -1: none");

static int disabled_cpu = -1;
module_param(disabled_cpu, int, 0644);
MODULE_PARM_DESC(disabled_cpu, "a CPU whose core has RMPOPT_EN clear; -1: none");

static unsigned int base;
module_param(base, uint, 0644);
MODULE_PARM_DESC(base, "RMPOPT_BASE in GB");

/* What RMPOPT does. */
static bool recorded;
module_param(recorded, bool, 0444);
MODULE_PARM_DESC(recorded, "show the table of the recordings in Tests/Oracle, which no pass changes");

static unsigned long assigned;
module_param(assigned, ulong, 0644);
MODULE_PARM_DESC(assigned, "the regions that hold assigned pages, a bit each from the window's first one on");

static unsigned int slow_us;
module_param(slow_us, uint, 0644);
MODULE_PARM_DESC(slow_us, "how long a scan takes where interrupts are on, and how long configfs to take a folder");

static int slow_region = -1;
module_param(slow_region, int, 0644);
MODULE_PARM_DESC(slow_region, "a region whose scan takes as long with interrupts off, too; -1: none");

static bool undefined;
module_param(undefined, bool, 0644);
MODULE_PARM_DESC(undefined, "leave the #UD alone, as if RMPOPT had just been disabled");

/* What was wrong with an RMPOPT that was executed: must stay 0. */
static atomic_t wrong = ATOMIC_INIT(0);
/* All of them, and how often a CPU has looked whether it may execute any. */
static atomic_t executed = ATOMIC_INIT(0);
static atomic_t looks = ATOMIC_INIT(0);

static int get_counter(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops counter = {
	.get = get_counter,
};

module_param_cb(wrong, &counter, &wrong, 0444);
MODULE_PARM_DESC(wrong, "RMPOPTs that must not have been executed");
module_param_cb(executed, &counter, &executed, 0444);
MODULE_PARM_DESC(executed, "RMPOPTs that were executed, also those that faulted");
module_param_cb(looks, &counter, &looks, 0444);
MODULE_PARM_DESC(looks, "how often SYSCFG was read");

/*
 * How many passes have begun: for the probe of the recordings, which asks at
 * debugfs' rmpopt/scans. That file is made in the module's folder when 1 is
 * written to the parameter, and goes with the folder.
 */
static atomic_t begun = ATOMIC_INIT(0);

static int scans_get(void *data, u64 *value)
{
	/* A pass that was just asked for has begun by then. */
	msleep(50);
	*value = atomic_read(&begun);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(scans_fops, scans_get, NULL, "%llu\n");

static int make_scans(const char *text, const struct kernel_param *param)
{
	struct dentry *folder = debugfs_lookup("rmpopt", NULL);

	if (!folder)
		return -ENOENT;
	debugfs_create_file("scans", 0444, folder, NULL, &scans_fops);
	dput(folder);
	return 0;
}

static const struct kernel_param_ops scans_ops = {
	.set = make_scans,
};

module_param_cb(scans, &scans_ops, NULL, 0200);
MODULE_PARM_DESC(scans, "1: makes the file rmpopt/scans, for the probe of the recordings");

static struct dentry *kernels;
static bool is_registered;

static const struct config_item_type kernels_type = {
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "rmpopt",
			.ci_type = &kernels_type,
		},
	},
};

static int register_subsystem(void)
{
	int error;

	config_group_init(&subsystem.su_group);
	mutex_init(&subsystem.su_mutex);
	error = configfs_register_subsystem(&subsystem);
	is_registered = !error;
	return error;
}

static void remove_kernels(void)
{
	debugfs_remove_recursive(kernels);
	kernels = NULL;
	if (is_registered)
		configfs_unregister_subsystem(&subsystem);
	is_registered = false;
}

/* What a kernel of the series has: to be made before the module is loaded. */
static int make_kernels(const char *text, const struct kernel_param *param)
{
	remove_kernels();
	if (sysfs_streq(text, "configfs"))
		return register_subsystem();
	if (sysfs_streq(text, "x86"))
		kernels = debugfs_create_dir("rmpopt", arch_debugfs_dir);
	else if (sysfs_streq(text, "debugfs"))
		kernels = debugfs_create_dir("rmpopt", NULL);
	return PTR_ERR_OR_ZERO(kernels);
}

static const struct kernel_param_ops kernels_ops = {
	.set = make_kernels,
};

module_param_cb(kernels, &kernels_ops, NULL, 0200);
MODULE_PARM_DESC(kernels, "makes a folder rmpopt as if it were the kernel's, in x86, debugfs or configfs; none: removes it");

/* The bits of each core, at its first thread: at most 64 regions. */
static DEFINE_PER_CPU(unsigned long, bits);

static unsigned long *bits_of(int cpu)
{
	unsigned int first = cpumask_first(topology_sibling_cpumask(cpu));

	return per_cpu_ptr(&bits, first < nr_cpu_ids ? first : cpu);
}

/* What RMPUPDATE does: clears the bits of regions on all cores. */
static int clear_regions(const char *text, const struct kernel_param *param)
{
	unsigned long regions;
	unsigned int cpu, region;
	int error = kstrtoul(text, 0, &regions);

	if (error)
		return error;
	for_each_possible_cpu(cpu)
		for_each_set_bit(region, &regions, BITS_PER_LONG)
			clear_bit(region, per_cpu_ptr(&bits, cpu));
	return 0;
}

static const struct kernel_param_ops clear_ops = {
	.set = clear_regions,
};

module_param_cb(clear, &clear_ops, NULL, 0200);
MODULE_PARM_DESC(clear, "regions whose bits RMPUPDATE clears");

/* The rule of the recorded table: Tests/Oracle/README.md. */
static bool recorded_bit(u64 region, int cpu)
{
	return region % 5 == 1 || (region % 5 && (region * 7 + cpu * 3) % 5 < 3);
}

/* By the clock: loops that are counted end early in QEMU. */
static void be_slow(void)
{
	ktime_t end = ktime_add_us(ktime_get(), READ_ONCE(slow_us));

	while (ktime_before(ktime_get(), end))
		cpu_relax();
}

static bool perform(u64 address, u64 function, bool interrupts_on)
{
	u64 region = address >> 30;
	int cpu = raw_smp_processor_id();

	if (address & (BIT_ULL(30) - 1) || function > 1 || region < base || region - base >= 2048)
		atomic_inc(&wrong);
	/* The leader alone has interrupts on. */
	if (function == 0 && (interrupts_on || (int)region == READ_ONCE(slow_region))) {
		if (region == base && interrupts_on)
			atomic_inc(&begun);
		be_slow();
	}
	if (recorded)
		return recorded_bit(region, cpu);
	region -= base;
	if (region >= BITS_PER_LONG)
		return false;
	if (function == 0 && !(READ_ONCE(assigned) >> region & 1))
		set_bit(region, bits_of(cpu));
	return test_bit(region, bits_of(cpu));
}

static int on_die(struct notifier_block *block, unsigned long event, void *data)
{
	static const u8 rmpopt[] = { 0xf2, 0x0f, 0x01, 0xfc };
	const struct die_args *die = data;
	struct pt_regs *regs = die->regs;
	u8 bytes[sizeof(rmpopt)];

	if (event != DIE_TRAP || die->trapnr != X86_TRAP_UD || user_mode(regs))
		return NOTIFY_DONE;
	if (copy_from_kernel_nofault(bytes, (void *)regs->ip, sizeof(bytes)) ||
	    memcmp(bytes, rmpopt, sizeof(bytes)))
		return NOTIFY_DONE;
	atomic_inc(&executed);
	if (raw_smp_processor_id() == READ_ONCE(disabled_cpu) ||
	    raw_smp_processor_id() == READ_ONCE(snpless_cpu)) {
		atomic_inc(&wrong);
		return NOTIFY_DONE;
	}
	if (READ_ONCE(undefined) || !READ_ONCE(snp))
		return NOTIFY_DONE;
	if (perform(regs->ax, regs->cx, regs->flags & X86_EFLAGS_IF))
		regs->flags |= X86_EFLAGS_CF;
	else
		regs->flags &= ~X86_EFLAGS_CF;
	regs->ip += sizeof(rmpopt);
	return NOTIFY_STOP;
}

static struct notifier_block die_block = {
	.notifier_call = on_die,
	/* Before any other. */
	.priority = INT_MAX,
};

/* Returns from the probed function, which has not begun. */
static int return_early(struct pt_regs *regs)
{
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
	return 1;
}

/* u64 read_msr_safe(unsigned int msr, int *error) */
static int on_read_msr(struct kprobe *probe, struct pt_regs *regs)
{
	switch ((u32)regs->di) {
	case 0xc0010010:
		atomic_inc(&looks);
		regs->ax = (u64)(READ_ONCE(snp) &&
				 raw_smp_processor_id() != READ_ONCE(snpless_cpu)) << 24;
		break;
	case 0xc0010139:
		regs->ax = (u64)READ_ONCE(base) << 30 |
			   (raw_smp_processor_id() != READ_ONCE(disabled_cpu));
		break;
	default:
		return 0;
	}
	*(int *)regs->si = 0;
	return return_early(regs);
}

/* void cpuid(unsigned int *eax, *ebx, *ecx, *edx) */
static int on_cpuid(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned int *eax = (void *)regs->di, *edx = (void *)regs->cx;

	switch (*eax) {
	case 0x80000000:
		*eax = READ_ONCE(max_leaf);
		break;
	case 0x80000025:
		*eax = 0;
		*edx = READ_ONCE(features);
		break;
	default:
		return 0;
	}
	return return_early(regs);
}

static int on_register(struct kprobe *probe, struct pt_regs *regs)
{
	be_slow();
	return 0;
}

/* A probe with a post handler is not turned into a jump, which could not return early. */
static void on_nothing(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe read_msr_probe = {
	.pre_handler = on_read_msr,
	.post_handler = on_nothing,
};

static struct kprobe cpuid_probe = {
	.pre_handler = on_cpuid,
	.post_handler = on_nothing,
};

static struct kprobe register_probe = {
	.symbol_name = "configfs_register_subsystem",
	.pre_handler = on_register,
};

static int __init emulator_init(void)
{
	int error;

	read_msr_probe.addr = (void *)pv_ops.cpu.read_msr_safe;
	cpuid_probe.addr = (void *)pv_ops.cpu.cpuid;
	error = register_kprobe(&read_msr_probe);
	if (error)
		return error;
	error = register_kprobe(&cpuid_probe);
	if (error)
		goto undo_msr;
	error = register_kprobe(&register_probe);
	if (error)
		goto undo_cpuid;
	error = register_die_notifier(&die_block);
	if (error)
		goto undo_register;
	return 0;

undo_register:
	unregister_kprobe(&register_probe);
undo_cpuid:
	unregister_kprobe(&cpuid_probe);
undo_msr:
	unregister_kprobe(&read_msr_probe);
	return error;
}

static void __exit emulator_exit(void)
{
	remove_kernels();
	unregister_die_notifier(&die_block);
	unregister_kprobe(&register_probe);
	unregister_kprobe(&cpuid_probe);
	unregister_kprobe(&read_msr_probe);
}

module_init(emulator_init);
module_exit(emulator_exit);
MODULE_DESCRIPTION("Emulates RMPOPT, for tests of the module rmpopt");
MODULE_AUTHOR("the rmpfs authors");
MODULE_LICENSE("GPL");
