// SPDX-License-Identifier: Apache-2.0
// Copies the bytes of a file that is in memory, and tells how many GB/s, by wall clock and for a second of CPU time:
// copy FILE [THREADS].
//
// The source is mapped as the reader maps it, the destination is memory that was written before. Neither pays for page
// faults in the time that is measured.

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *from, *to;
static size_t part;

static void *copy(void *number)
{
	size_t start = (size_t)number * part;

	memcpy(to + start, from + start, part);
	return NULL;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1, file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	pthread_t others[64];
	double start, cpu;
	struct stat status;

	if (file < 0 || fstat(file, &status) || threads < 1 || threads > 64) {
		fprintf(stderr, "copy FILE [THREADS]\n");
		return 1;
	}
	from = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
	to = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (from == MAP_FAILED || to == MAP_FAILED)
		return 1;
	memset(to, 1, status.st_size);
	part = status.st_size / threads;
	start = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (long number = 1; number < threads; number++)
		pthread_create(&others[number], NULL, copy, (void *)number);
	copy((void *)0L);
	for (int number = 1; number < threads; number++)
		pthread_join(others[number], NULL);
	start = seconds(CLOCK_MONOTONIC) - start;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%.3f %.3f\n", status.st_size / start / 1e9, status.st_size / cpu / 1e9);
	return 0;
}
