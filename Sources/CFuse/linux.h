// SPDX-License-Identifier: Apache-2.0
// Linux calls that Swift's import of the C library lacks: namespaces, capabilities, parent death, timers, the heap.
#ifndef RMPFS_CFUSE_LINUX_H
#define RMPFS_CFUSE_LINUX_H

#include <linux/capability.h>
#include <linux/sched.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

// malloc(3)'s own, which the C library's module leaves out. `arenas` at most; an allocation of `mapped` bytes or more is
// a mapping of its own; with `spare` free bytes at its end the heap shrinks.
static inline void rmpfs_set_up_heap(int arenas, int mapped, int spare)
{
	mallopt(M_ARENA_MAX, arenas);
	mallopt(M_MMAP_THRESHOLD, mapped);
	mallopt(M_TRIM_THRESHOLD, spare);
	// libfuse callocs a struct fuse_req of this size for each request; calloc(3) takes nothing from a thread's cache.
	mallopt(M_MXFAST, 80 * sizeof(size_t) / 4);
}

static inline void rmpfs_trim_heap(void)
{
	malloc_trim(0);
}

// The C library has these, but declares them only with _GNU_SOURCE or not at all.
extern int unshare(int flags);
extern int setns(int descriptor, int kind);
extern long syscall(long number, ...);
extern int capget(void *header, void *data);
extern int capset(void *header, const void *data);

enum {
	RMPFS_NEW_MOUNTS = CLONE_NEWNS,
	RMPFS_NEW_PROCESSES = CLONE_NEWPID,
	RMPFS_NEW_USERS = CLONE_NEWUSER,
};

static inline int rmpfs_unshare(int flags)
{
	return unshare(flags);
}

static inline int rmpfs_enter_mounts(int descriptor)
{
	return setns(descriptor, CLONE_NEWNS);
}

// Sets the name that ps(1) and pgrep(1) show; by default it is that of the file, even if that is /proc/self/exe.
static inline int rmpfs_name_process(const char *name)
{
	return prctl(PR_SET_NAME, name, 0, 0, 0);
}

// timerfd_create(2): a timer on the monotonic clock, not set; -1 if there is no descriptor.
static inline int rmpfs_make_timer(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

// Has it expire once, at a time of that clock in ns, greater than 0; at once if that is past.
static inline int rmpfs_set_timer(int timer, unsigned long long time)
{
	struct itimerspec setting = { .it_value = { .tv_sec = time / 1000000000, .tv_nsec = time % 1000000000 } };

	return timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

// A descriptor that becomes readable when the process ends.
static inline int rmpfs_open_process(pid_t process)
{
	return (int)syscall(SYS_pidfd_open, process, 0);
}

// Has the kernel kill this process when its parent ends.
static inline int rmpfs_end_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

// Keeps the right to mount across the execve(2) of an unprivileged user, or drops it for the next program.
static inline int rmpfs_keep_mount_right(int keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	const __u32 right = CAP_TO_MASK(CAP_SYS_ADMIN);

	memset(data, 0, sizeof(data));
	if (capget(&header, data) != 0)
		return -1;
	if (keep)
		data[0].inheritable |= right;
	else
		data[0].inheritable &= ~right;
	// Removing it from the inheritable set also removes it from the ambient set.
	if (capset(&header, data) != 0)
		return -1;
	return keep ? prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) : 0;
}

#endif
