// SPDX-License-Identifier: Apache-2.0
// The client of the mount benchmark: times one kind of file operation after another and prints a JSON line for each.

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024, WARM_UP = 100, SAMPLES = 1000000 };

static char buffer[BUFFER];     // as large as cat's
static uint64_t samples[SAMPLES];
static int directory;
static const char *value = "1\n";
static const char *busy;        // a file that reads as 1 while a pass is running, and starts one; or NULL

static void die(const char *what, const char *name)
{
	fprintf(stderr, "load: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_file(const char *name, int flags)
{
	int fd = openat(directory, name, flags);

	if (fd < 0)
		die("open", name);
	return fd;
}

// MARK: Operations; each returns how many bytes it moved. All paths are a single name in an open folder.

static size_t read_whole(const char *name, int unused)
{
	int fd = open_file(name, O_RDONLY);
	size_t total = 0;
	ssize_t got;

	(void)unused;
	while ((got = read(fd, buffer, BUFFER)) > 0)
		total += (size_t)got;
	if (got < 0)
		die("read", name);
	close(fd);
	return total;
}

static size_t write_value(const char *name, int unused)
{
	int fd = open_file(name, O_WRONLY | O_TRUNC);    // like a shell's `>`
	size_t length = strlen(value);

	(void)unused;
	if (write(fd, value, length) != (ssize_t)length)
		die("write", name);
	close(fd);
	return length;
}

static size_t read_at_start(const char *name, int fd)
{
	ssize_t got = pread(fd, buffer, BUFFER, 0);

	if (got < 0)
		die("pread", name);
	return (size_t)got;
}

static size_t stat_file(const char *name, int unused)
{
	struct stat attributes;

	(void)unused;
	if (fstatat(directory, name, &attributes, 0) != 0)
		die("stat", name);
	return 0;
}

static const struct operation {
	const char *name;
	size_t (*perform)(const char *name, int fd);
	int wants_fd;
} operations[] = {
	{ "read", read_whole, 0 },
	{ "write", write_value, 0 },
	{ "pread", read_at_start, 1 },
	{ "stat", stat_file, 0 },
};

// MARK: Passes

static int pass_is_running(void)
{
	char text[8];
	int fd = open(busy, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (got < 0)
		die("read", busy);
	close(fd);
	return got > 0 && text[0] == '1';
}

// Measurements begin with a pass running.
static void start_pass(void)
{
	for (int i = 0; i < 1000 && !pass_is_running(); i++) {
		int fd = open(busy, O_WRONLY | O_TRUNC);

		if (fd < 0 || write(fd, "1\n", 2) != 2)
			die("write", busy);
		close(fd);
	}
}

// MARK: Measuring

static int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void report(const struct operation *operation, const char *file, size_t count, size_t bytes)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)samples[i];
	qsort(samples, count, sizeof(*samples), by_size);
	printf("{\"operation\": \"%s\", \"file\": \"%s\", \"count\": %zu, \"bytes\": %.1f, \"mean_ns\": %.0f, "
	       "\"p50_ns\": %lu, \"p90_ns\": %lu, \"p99_ns\": %lu}\n",
	       operation->name, file, count, (double)bytes / (double)count, sum / (double)count,
	       samples[(count - 1) * 50 / 100], samples[(count - 1) * 90 / 100], samples[(count - 1) * 99 / 100]);
}

static void measure(const struct operation *operation, const char *file, size_t limit, double seconds)
{
	int fd = operation->wants_fd ? open_file(file, O_RDONLY) : -1;
	size_t count = 0, bytes = 0;
	uint64_t before, after, deadline;

	for (int i = 0; i < WARM_UP; i++)
		operation->perform(file, fd);
	deadline = now_ns() + (uint64_t)(seconds * 1e9);
	do {
		size_t moved;

		if (busy)
			start_pass();
		before = now_ns();
		moved = operation->perform(file, fd);
		after = now_ns();
		// Operations during which a pass ended are not counted.
		if (busy && !pass_is_running())
			continue;
		bytes += moved;
		samples[count++] = after - before;
	} while (count < limit && after < deadline);
	if (count == 0) {
		fprintf(stderr, "load: no pass lasted as long as one %s of %s\n", operation->name, file);
		exit(1);
	}
	if (fd >= 0)
		close(fd);
	report(operation, file, count, bytes);
}

static void measure_named(char *pair, size_t limit, double seconds)
{
	char *file = strchr(pair, ':');

	if (file)
		*file++ = '\0';
	for (size_t i = 0; file && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(pair, operations[i].name) == 0) {
			measure(&operations[i], file, limit, seconds);
			return;
		}
	}
	fprintf(stderr, "load: %s: not read:FILE, write:FILE, pread:FILE or stat:FILE\n", pair);
	exit(64);
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
		die("pin to CPU", optarg);
}

static int usage(void)
{
	fprintf(stderr, "usage: load [--cpu N] [--count N] [--seconds S] [--value TEXT] [--busy FILE] DIRECTORY OPERATION:FILE...\n");
	return 64;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpu", required_argument, NULL, 'p' },
		{ "count", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "value", required_argument, NULL, 'v' },
		{ "busy", required_argument, NULL, 'b' },
		{ 0 },
	};
	long limit = SAMPLES;
	double seconds = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			pin(atoi(optarg));
			break;
		case 'c':
			limit = atol(optarg);
			break;
		case 's':
			seconds = atof(optarg);
			break;
		case 'v':
			value = optarg;
			break;
		case 'b':
			busy = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind + 2 > argc || limit < 1 || limit > SAMPLES)
		return usage();
	directory = open(argv[optind], O_PATH | O_DIRECTORY);
	if (directory < 0)
		die("open", argv[optind]);
	memset(samples, 1, sizeof(samples));    // no page fault while the clock runs
	for (int i = optind + 1; i < argc; i++)
		measure_named(argv[i], (size_t)limit, seconds);
	return 0;
}
