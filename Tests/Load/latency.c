// SPDX-License-Identifier: Apache-2.0
// How long each operation takes: histograms with buckets of 1/16 of a power of two, and their percentiles.

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const names[OPERATIONS] = {
	[READ_ATTRIBUTE] = "open, read, close: attribute",
	[READ_TABLE] = "open, read to the end, close: rmpopt-table",
	[READ_CPU] = "open, read to the end, close: cpuN",
	[WRITE_PASS] = "open, write, close: action, reenable",
	[WRITE_GUEST] = "open, write, close: memory, state",
	[WRITE_CLOCK] = "write: clock",
	[MAKE_GUEST] = "mkdir: guest",
	[REMOVE_GUEST] = "rmdir: guest",
	[STAT_ENTRY] = "stat",
	[LIST_FOLDER] = "walk: a folder and all below it",
};

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int bucket(uint64_t ns)
{
	int power = 63 - __builtin_clzll(ns | SUB_BUCKETS);

	return (power - 4) * SUB_BUCKETS + (int)(ns >> (power - 4) & (SUB_BUCKETS - 1));
}

// The upper end of a bucket, in ns.
static uint64_t bucket_end(int number)
{
	return ((uint64_t)(number % SUB_BUCKETS + SUB_BUCKETS + 1) << (number / SUB_BUCKETS)) - 1;
}

void record(enum operation operation, uint64_t start)
{
	uint64_t ns = now_ns() - start;
	struct latency *latency = &me->latency[operation];

	latency->counts[bucket(ns)]++;
	if (ns > latency->longest)
		latency->longest = ns;
	atomic_fetch_add_explicit(&me->calls, 1, memory_order_relaxed);
}

static double percentile(const struct latency *sum, uint64_t total, double part)
{
	uint64_t seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += sum->counts[i];
		if ((double)seen >= part * (double)total) {
			uint64_t end = bucket_end(i);

			return (double)(end < sum->longest ? end : sum->longest) / 1000;
		}
	}
	return (double)sum->longest / 1000;
}

void print_latencies(int clients)
{
	static struct latency sum;

	printf("| Operation | Count | p50 us | p90 us | p99 us | p99.9 us | max us |\n|---|---|---|---|---|---|---|\n");
	for (int operation = 0; operation < OPERATIONS; operation++) {
		uint64_t total = 0;

		sum = (struct latency){0};
		for (int i = 0; i < clients; i++) {
			const struct latency *one = &shared->clients[i].latency[operation];

			for (int b = 0; b < BUCKETS; b++) {
				sum.counts[b] += one->counts[b];
				total += one->counts[b];
			}
			if (one->longest > sum.longest)
				sum.longest = one->longest;
		}
		if (total == 0)
			continue;
		printf("| %s | %llu | %.0f | %.0f | %.0f | %.0f | %.0f |\n", names[operation], (unsigned long long)total,
		       percentile(&sum, total, 0.5), percentile(&sum, total, 0.9), percentile(&sum, total, 0.99),
		       percentile(&sum, total, 0.999), (double)sum.longest / 1000);
	}
}
