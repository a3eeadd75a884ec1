// SPDX-License-Identifier: GPL-2.0
/*
 * RMPOPT on this CPU, and what must be true before it may be executed.
 *
 * On processors without it the same bytes, F2 0F 01 FC, may mean CLZERO, which
 * writes to memory. So there are three conditions: CPUID says that the
 * processor has RMPOPT (looked at once: without, the module does not load), and
 * on the core that is to execute it SYSCFG.SNP_EN and RMPOPT_BASE.RMPOPT_EN are
 * set (looked at each time). The kernel can disable SNP between the look and
 * the instruction; therefore each RMPOPT has an entry in the exception table.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/smp.h>

#include <asm/asm.h>
/* Where later kernels have cpuid_eax(), which asm/processor.h had before. */
#if __has_include("asm/cpuid/api.h")
#include <asm/cpuid/api.h>
#endif
#include <asm/msr.h>
#include <asm/processor.h>

#include "rmpopt.h"

/*
 * Names of our own: kernels before the RMPOPT code have none for most of them,
 * and later ones define theirs with other types.
 */
#define CPUID_RMPOPT_LEAF	0x80000025
#define CPUID_RMPOPT_EDX	BIT(0)
#define SYSCFG			0xc0010010
#define SYSCFG_SNP_EN		BIT_ULL(24)
#define RMPOPT_BASE		0xc0010139
#define RMPOPT_BASE_EN		BIT_ULL(0)

DEFINE_PER_CPU(struct rmpopt_cpu, rmpopt_cpus);

/* CPUID Fn8000_0025 EDX[0]; AMD alone defines this leaf. */
bool rmpopt_capable(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	       cpuid_eax(0x80000000) >= CPUID_RMPOPT_LEAF &&
	       cpuid_edx(CPUID_RMPOPT_LEAF) & CPUID_RMPOPT_EDX;
}

static bool read_msr(u32 msr, u64 *value)
{
	u32 low, high;

	if (rdmsr_safe(msr, &low, &high))
		return false;
	*value = (u64)high << 32 | low;
	return true;
}

/*
 * Whether this core can execute RMPOPT now, and with which window. The caller
 * stays on this CPU.
 */
bool rmpopt_window_here(u64 *first)
{
	u64 value;

	if (!read_msr(SYSCFG, &value) || !(value & SYSCFG_SNP_EN))
		return false;
	if (!read_msr(RMPOPT_BASE, &value) || !(value & RMPOPT_BASE_EN))
		return false;
	*first = value >> RMPOPT_REGION_SHIFT;
	return true;
}

static void count_if_enabled(void *count)
{
	u64 first;

	if (rmpopt_window_here(&first))
		atomic_inc(count);
}

/* On how many CPUs RMPOPT can be executed now. */
unsigned int rmpopt_enabled_cpus(void)
{
	atomic_t count = ATOMIC_INIT(0);

	on_each_cpu(count_if_enabled, &count, 1);
	return atomic_read(&count);
}

/*
 * Executes RMPOPT. Only where rmpopt_window_here() has just said that it can
 * be, and only for a region of that window.
 */
enum rmpopt_result rmpopt_execute(u64 region, enum rmpopt_function function)
{
	u8 result = RMPOPT_FAULTED;

	/* RMPOPT: RAX the address, RCX the function; CF is the answer. */
	asm volatile("1:	.byte 0xf2, 0x0f, 0x01, 0xfc\n"
		     "	setc %[result]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [result] "+q" (result)
		     : "a" (region << RMPOPT_REGION_SHIFT), "c" ((u64)function)
		     : "cc");
	this_cpu_inc(rmpopt_cpus.executions[function]);
	if (result == RMPOPT_FAULTED) {
		this_cpu_inc(rmpopt_cpus.faults);
		pr_warn_ratelimited("RMPOPT faulted on CPU %d although RMPOPT_EN was set: has SNP just been shut down?\n",
				    raw_smp_processor_id());
	}
	return result;
}

/* Asks this CPU for the bits of the regions from first to before last. */
void rmpopt_report(struct rmpopt_row *row, u64 first, u64 last)
{
	u64 region;

	bitmap_zero(row->optimized, RMPOPT_WINDOW);
	row->enabled = rmpopt_window_here(&row->first);
	if (!row->enabled)
		return;
	last = min(last, row->first + RMPOPT_WINDOW);
	for (region = max(first, row->first); region < last; region++) {
		switch (rmpopt_execute(region, RMPOPT_REPORT)) {
		case RMPOPT_OPTIMIZED:
			__set_bit(region - row->first, row->optimized);
			break;
		case RMPOPT_CHECKED:
			break;
		case RMPOPT_FAULTED:
			row->enabled = false;
			return;
		}
	}
}

static int later_end(struct resource *memory, void *end)
{
	*(u64 *)end = max_t(u64, *(u64 *)end, memory->end + 1);
	return 0;
}

/*
 * The region after the last one with memory, as the kernel's own code rounds
 * it. max_pfn, which that uses, is not for modules; and memory that was added
 * since boot counts here.
 */
u64 rmpopt_memory_end(void)
{
	u64 end = 0;

	walk_iomem_res_desc(IORES_DESC_NONE,
			    IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1,
			    &end, later_end);
	return DIV_ROUND_UP_ULL(end, BIT_ULL(RMPOPT_REGION_SHIFT));
}
