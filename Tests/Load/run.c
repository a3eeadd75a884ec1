// SPDX-License-Identifier: Apache-2.0
// The load generator: many processes use one mount and check each answer; samples the daemon's memory, descriptors and
// threads; prints latencies at the end.
//
//     load [--processes N] [--seconds S] [--seed N] [--daemon PID] [--growth BYTES] [--may-die]
//          CPUS REGIONS MOUNTPOINT
//
// --daemon   samples that process, and fails if its memory or descriptors grow, or its threads by more
//            than one for each client, which a long write may keep
// --growth   how much its memory may grow after the first third (4 MB); 0: any amount
// --may-die  the daemon will be killed or ended: each client continues until ENOTCONN, which is then expected
//
// Exit status: 0 all was right, 1 something was wrong (and is reported), 64 incorrect usage.

#define _GNU_SOURCE

#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct facts facts;
struct shared *shared;
struct client *me;
char *text;

static struct client parent;    // for the results of the parent's own checks

// Seconds without a turn after which a client counts as hanging. Turns take milliseconds, under sanitizers a second.
enum { PATIENCE = 30 };

_Noreturn void wrong(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(me->wrong, sizeof me->wrong, format, arguments);
	va_end(arguments);
	me->is_wrong = true;
	shared->stop = true;
	if (me == &parent) {
		printf("wrong: %s\n", me->wrong);
		exit(1);
	}
	_exit(1);
}

// A request in flight when the daemon dies gets ECONNABORTED, every later one ENOTCONN.
void gone(int error)
{
	if (!facts.may_die || (error != ENOTCONN && error != ECONNABORTED))
		return;
	me->ended_by = error;
	_exit(0);
}

long slurp(int fd, size_t chunk)
{
	size_t total = 0;
	ssize_t got;

	while ((got = read(fd, text + total, chunk)) > 0) {
		total += (size_t)got;
		if (total + chunk > TEXT_LIMIT)
			wrong("a text that does not end");
	}
	return got < 0 ? -errno : (long)total;
}

// MARK: The daemon

struct sample {
	long memory;            // bytes, resident
	long descriptors, threads;
};

static bool sample_daemon(int pid, struct sample *sample)
{
	char path[64], line[256];
	FILE *file;
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	sample->memory = sample->threads = 0;
	while (fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0)
			sample->memory = atol(line + 6) * 1024;
		if (strncmp(line, "Threads:", 8) == 0)
			sample->threads = atol(line + 8);
	}
	fclose(file);
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	folder = opendir(path);
	if (folder == NULL)
		return false;
	sample->descriptors = 0;
	while (readdir(folder) != NULL)
		sample->descriptors++;
	closedir(folder);
	sample->descriptors -= 2;
	return true;
}

// MARK: Preparation

// Guests that run from before the load to its end. Their memory is never optimized.
static void start_keepers(void)
{
	static const char *const sizes[] = {"1G", "3G", "2M", "5G"};
	char path[64];
	size_t length;
	long got;
	int fd;

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "rmpsim/guests/keeper%d", i);
		if (mkdirat(facts.root, path, 0755) != 0)
			wrong("mkdir %s: %s", path, strerror(errno));
		snprintf(path, sizeof path, "rmpsim/guests/keeper%d/memory", i);
		put(path, sizes[i]);
		snprintf(path, sizeof path, "rmpsim/guests/keeper%d/state", i);
		put(path, "running");
	}
	shared->running = (9ull << 30) + (2 << 20);
	fd = openat(facts.root, "debug/rmpopt/rmpopt-table", O_RDONLY);
	got = fd < 0 ? -errno : slurp(fd, 131072);
	if (got < 0)
		wrong("rmpopt-table: %s", strerror((int)-got));
	close(fd);
	length = (size_t)got;
	if (mark_never(text, length) >= facts.regions)
		wrong("nothing is optimized before the load begins");
}

// Waits until the machine is idle: only the keepers are left, all passes are over.
static void settle(void)
{
	for (int i = 0; i < 200; i++) {
		put("rmpsim/clock", "+1s");
		put("rmpopt/reenable", "1");
	}
	put("rmpsim/clock", "+10s");
}

// MARK: Processes

static void watch(int pid, const pid_t *children, double seconds, struct sample *early, struct sample *late)
{
	static uint64_t beats[MAX_CLIENTS], beaten_at[MAX_CLIENTS];
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
	struct sample sample;
	int alive = facts.processes;

	for (int i = 0; i < facts.processes; i++)
		beaten_at[i] = start;
	while (alive > 0) {
		uint64_t now = now_ns();

		if (!facts.may_die && now > end)
			shared->stop = true;
		alive = 0;
		for (int i = 0; i < facts.processes; i++) {
			uint64_t beat = shared->clients[i].beats;
			siginfo_t ended = {0};

			waitid(P_PID, (id_t)children[i], &ended, WEXITED | WNOHANG | WNOWAIT);
			if (ended.si_pid != 0)
				continue;
			alive++;
			if (beat != beats[i]) {
				beats[i] = beat;
				beaten_at[i] = now;
			} else if (now - beaten_at[i] > PATIENCE * 1000000000ull) {
				snprintf(shared->clients[i].wrong, sizeof shared->clients[i].wrong, "hangs for %d s", PATIENCE);
				shared->clients[i].is_wrong = true;
				shared->stop = true;
				kill(children[i], SIGKILL);
			}
		}
		if (pid > 0 && !shared->stop && sample_daemon(pid, &sample)) {
			// The first third warms up caches; after that nothing may grow.
			struct sample *into = now < start + (end - start) / 3 ? early : late;

			if (sample.memory > into->memory)
				into->memory = sample.memory;
			if (sample.descriptors > into->descriptors)
				into->descriptors = sample.descriptors;
			if (sample.threads > into->threads)
				into->threads = sample.threads;
		}
		usleep(50000);
	}
}

static int report(void)
{
	int failed = 0, ended = 0;
	uint64_t calls = 0;

	for (int i = 0; i < facts.processes; i++) {
		struct client *client = &shared->clients[i];

		calls += client->calls;
		ended += client->ended_by != 0;
		if (client->is_wrong) {
			printf("wrong: client %d: %s\n", i, client->wrong);
			failed++;
		} else if (facts.may_die && client->ended_by == 0) {
			printf("wrong: client %d ended without being told that the daemon is gone\n", i);
			failed++;
		}
	}
	if (facts.may_die)
		printf("%d clients were told that the daemon is gone\n", ended);
	printf("%llu operations by %d processes, seed %llu\n", (unsigned long long)calls, facts.processes,
	       (unsigned long long)facts.seed);
	return failed;
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "load [--processes N] [--seconds S] [--seed N] [--daemon PID] [--growth BYTES] [--may-die] "
			"CPUS REGIONS MOUNTPOINT\n");
	exit(64);
}

int main(int count, char **arguments)
{
	static const struct option options[] = {
		{"processes", required_argument, NULL, 'p'}, {"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'}, {"daemon", required_argument, NULL, 'd'},
		{"growth", required_argument, NULL, 'g'}, {"may-die", no_argument, NULL, 'm'}, {0},
	};
	static pid_t children[MAX_CLIENTS];
	struct sample before = {0}, early = {0}, late = {0}, after = {0};
	double seconds = 5;
	long growth = 4 << 20;
	int option, daemon = 0, failed;

	facts.processes = 64;
	facts.seed = now_ns();
	facts.is_root = geteuid() == 0;
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		switch (option) {
		case 'p': facts.processes = atoi(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'r': facts.seed = strtoull(optarg, NULL, 10); break;
		case 'd': daemon = atoi(optarg); break;
		case 'g': growth = atol(optarg); break;
		case 'm': facts.may_die = true; break;
		default: usage();
		}
	}
	if (count - optind != 3)
		usage();
	facts.cpus = atoi(arguments[optind]);
	facts.regions = atoi(arguments[optind + 1]);
	if (facts.cpus < 1 || facts.cpus > 8192 || facts.regions < 1 || facts.regions > MAX_REGIONS
	    || facts.processes < 1 || facts.processes > MAX_CLIENTS)
		usage();
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	text = malloc(TEXT_LIMIT);
	me = &parent;
	facts.root = open(arguments[optind + 2], O_RDONLY | O_DIRECTORY);
	if (shared == MAP_FAILED || text == NULL || facts.root < 0)
		wrong("%s: %s", arguments[optind + 2], strerror(errno));
	setvbuf(stdout, NULL, _IOLBF, 0);
	// The daemon may be gone before the first client starts.
	if (!facts.may_die)
		start_keepers();
	if (daemon > 0 && !sample_daemon(daemon, &before))
		wrong("no process %d", daemon);
	for (int i = 0; i < facts.processes; i++) {
		fflush(stdout);
		children[i] = fork();
		if (children[i] < 0)
			wrong("fork: %s", strerror(errno));
		if (children[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			me = &shared->clients[i];
			run_client(i);
			_exit(0);
		}
	}
	watch(daemon, children, seconds, &early, &late);
	for (int i = 0; i < facts.processes; i++) {
		int status;

		waitpid(children[i], &status, 0);
		if (!WIFEXITED(status) && !shared->clients[i].is_wrong)
			wrong("client %d ended by signal %d", i, WTERMSIG(status));
	}
	failed = report();
	if (facts.may_die || failed > 0)
		return failed > 0;
	settle();
	check_agreement();
	print_latencies(facts.processes);
	if (daemon > 0) {
		if (!sample_daemon(daemon, &after))
			wrong("the daemon is gone");
		printf("memory: %ld KB before, %ld KB at most in the first third, %ld KB after it, %ld KB at the end\n",
		       before.memory >> 10, early.memory >> 10, late.memory >> 10, after.memory >> 10);
		printf("descriptors: %ld before, %ld at most, %ld at the end; threads: %ld before, %ld at most\n",
		       before.descriptors, late.descriptors, after.descriptors, before.threads, late.threads);
		if (growth > 0 && late.memory > early.memory + growth)
			wrong("the daemon's memory grows: %ld KB, then %ld KB", early.memory >> 10, late.memory >> 10);
		if (late.descriptors > before.descriptors || after.descriptors > before.descriptors)
			wrong("the daemon's descriptors grow");
		/* A client waits for one request at a time, which keeps one thread if it takes long. */
		if (late.threads > before.threads + facts.processes)
			wrong("the daemon's threads grow: %ld, then %ld", before.threads, late.threads);
	}
	return 0;
}
