// SPDX-License-Identifier: Apache-2.0
// A handler of SIGBUS that puts zeros where a mapped file has lost its pages.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CMapping.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

/* The mapping that the thread reads; the signal is raised in the thread that reads. */
struct guard {
	uintptr_t start, end, page;
	volatile sig_atomic_t is_lost;
};

static __thread struct guard guard;
static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void handle(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;

	(void)context;
	if (address >= guard.start && address < guard.end) {
		/* mmap(2) is a plain system call: safe in a handler, though POSIX does not list it. */
		uintptr_t from = address - address % guard.page;
		void *zeros = mmap((void *)from, guard.end - from, PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		guard.is_lost = 1;
		if (zeros != MAP_FAILED)
			return;
	}
	/* Not ours: back to what was there; the instruction is repeated, and raises it again. */
	sigaction(number, &before, NULL);
}

static void install(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &before);
}

void rmpfs_guard_begin(const void *start, size_t size, size_t page)
{
	pthread_once(&once, install);
	guard.is_lost = 0;
	guard.page = page;
	guard.start = (uintptr_t)start;
	guard.end = (uintptr_t)start + (size + page - 1) / page * page;
}

int rmpfs_guard_end(void)
{
	guard.start = guard.end = 0;
	return guard.is_lost;
}
