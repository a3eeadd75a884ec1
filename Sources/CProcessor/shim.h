// SPDX-License-Identifier: Apache-2.0
// CPUID as a function. On processors without the instruction every register reads 0.
#ifndef RMPFS_CPROCESSOR_SHIM_H
#define RMPFS_CPROCESSOR_SHIM_H

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct rmpfs_cpuid {
	unsigned int eax, ebx, ecx, edx;
};

static inline struct rmpfs_cpuid rmpfs_cpuid(unsigned int leaf)
{
	struct rmpfs_cpuid registers = { 0, 0, 0, 0 };
#if defined(__x86_64__)
	__cpuid_count(leaf, 0, registers.eax, registers.ebx, registers.ecx, registers.edx);
#else
	(void)leaf;
#endif
	return registers;
}

#endif
