// SPDX-License-Identifier: Apache-2.0
// What the texts of a mount may say at any moment: form, order, completeness, and what no machine allows.

#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool seen[8192];         // the CPUs of the last list

// The next line of [*at, end): its start, and its length without the newline. NULL at the end.
static const char *next_line(const char **at, const char *end, size_t *length)
{
	const char *line = *at, *newline;

	if (line == end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	if (newline == NULL)
		wrong("a text ends without a newline: '%.*s'", (int)(end - line > 60 ? 60 : end - line), line);
	*length = (size_t)(newline - line);
	*at = newline + 1;
	return line;
}

// Skips `Memory @%3lluGB: ` of a region.
static const char *skip_head(const char *line, size_t length, int region)
{
	char head[40];
	int size = snprintf(head, sizeof head, "Memory @%3dGB: ", region);

	if (length < (size_t)size || memcmp(line, head, (size_t)size) != 0)
		wrong("line %d is '%.*s'", region, (int)length, line);
	return line + size;
}

static long number(const char **at, const char *end)
{
	const char *start = *at;
	long value = 0;

	while (*at < end && **at >= '0' && **at <= '9' && value < 100000)
		value = value * 10 + *(*at)++ - '0';
	if (*at == start || (*start == '0' && *at - start > 1))
		wrong("no number in a list of CPUs: '%.*s'", (int)(end - start), start);
	return value;
}

// Reads a list as the kernel prints it, `0-3,8`: ascending, with as few ranges as possible, within the machine's CPUs.
// Sets `seen`; returns the number of CPUs.
static int read_list(const char *list, const char *end, int region)
{
	long before = -2;
	const char *at = list;
	int count = 0;

	memset(seen, 0, (size_t)facts.cpus);
	if (end - list == 4 && memcmp(list, "none", 4) == 0)
		return 0;
	while (true) {
		long first = number(&at, end), last = first;

		if (at < end && *at == '-') {
			at++;
			last = number(&at, end);
			if (last <= first)
				wrong("region %d: a range that is none: '%.*s'", region, (int)(end - list), list);
		}
		if (first <= before + 1 || last >= facts.cpus)
			wrong("region %d: '%.*s' with %d CPUs", region, (int)(end - list), list, facts.cpus);
		for (long cpu = first; cpu <= last; cpu++, count++)
			seen[cpu] = true;
		before = last;
		if (at == end)
			return count;
		if (*at++ != ',')
			wrong("region %d: '%.*s'", region, (int)(end - list), list);
	}
}

// Calls `each` with the number of CPUs of every region of a table; `seen` then has the CPUs.
static void read_table(const char *bytes, size_t length, void (*each)(int region, int count, void *), void *context)
{
	const char *at = bytes, *end = bytes + length, *line;
	size_t size;
	int region = 0;

	for (; (line = next_line(&at, end, &size)) != NULL; region++) {
		const char *rest = skip_head(line, size, region);
		int count;

		if (region > facts.regions)
			wrong("a line beyond the end of memory: '%.*s'", (int)size, line);
		if (line + size - rest < 8 || memcmp(rest, "CPU(s): ", 8) != 0)
			wrong("line %d is '%.*s'", region, (int)size, line);
		count = read_list(rest + 8, line + size, region);
		// The line after the last region is series v1's for the end of memory, which is not a region.
		if (region < facts.regions)
			each(region, count, context);
	}
	// The line after the last region is lost if a page ends just before it, as on the kernel.
	if (region != facts.regions && region != facts.regions + 1)
		wrong("a table of %d lines with %d regions", region, facts.regions);
}

// A line of series v1 that is read during a pass may contain another region's result (weak spot W13), so a single line
// proves nothing. check_cpu() compares each CPU's regions with the machine.
static void check_row(int region, int count, void *wrong_rows)
{
	if (count > 0 && facts.never[region])
		++*(int *)wrong_rows;
}

void check_table(const char *bytes, size_t length)
{
	int never = 0, wrong_rows = 0;

	for (int region = 0; region < facts.regions; region++)
		never += facts.never[region];
	read_table(bytes, length, check_row, &wrong_rows);
	// One in eight of the lines read during a pass.
	if (never >= 8 && wrong_rows > never / 2 + 1)
		wrong("%d of %d regions that hold pages are optimized in one table", wrong_rows, never);
}

static void mark_row(int region, int count, void *context)
{
	facts.never[region] = count == 0;
	*(int *)context += count == 0;
}

int mark_never(const char *bytes, size_t length)
{
	int marked = 0;

	read_table(bytes, length, mark_row, &marked);
	return marked;
}

// Checks the lines of a CPU: complete, and with valid words. Sets `optimized[region]`; returns their number.
static int read_cpu(const char *bytes, size_t length, bool *optimized)
{
	const char *at = bytes, *end = bytes + length, *line;
	size_t size;
	int region = 0, count = 0;

	for (; (line = next_line(&at, end, &size)) != NULL; region++) {
		const char *word = skip_head(line, size, region);
		int left = (int)(line + size - word);

		if (region >= facts.regions)
			wrong("a CPU has a line beyond the end of memory: '%.*s'", (int)size, line);
		if (left == 9 && memcmp(word, "optimized", 9) == 0) {
			if (facts.never[region])
				wrong("region %d is optimized, and holds pages of firmware or of a guest that runs", region);
			optimized[region] = true;
			count++;
		} else if ((left == 7 && memcmp(word, "checked", 7) == 0) || (left == 7 && memcmp(word, "outside", 7) == 0)) {
			optimized[region] = false;
		} else {
			wrong("line %d is '%.*s'", region, (int)size, line);
		}
	}
	if (region != facts.regions)
		wrong("a CPU has %d lines with %d regions", region, facts.regions);
	return count;
}

static bool optimized[MAX_REGIONS];

// `guests`: bytes of guests that ran all the while the text was read. The text is of one moment, so at least that many
// bytes must lie in regions that are not optimized.
void check_cpu(const char *bytes, size_t length, uint64_t guests)
{
	int count = read_cpu(bytes, length, optimized);
	uint64_t taken = (guests + (1 << 30) - 1) >> 30;

	if ((uint64_t)count + taken > (uint64_t)facts.regions)
		wrong("%d of %d regions are optimized while guests have %llu bytes", count, facts.regions,
		      (unsigned long long)guests);
}

struct matrix {
	bool *bits;
};

static void keep_row(int region, int count, void *context)
{
	struct matrix *matrix = context;

	(void)count;
	memcpy(matrix->bits + (size_t)region * (size_t)facts.cpus, seen, (size_t)facts.cpus);
}

static void read_file(const char *path, size_t *length)
{
	int fd = openat(facts.root, path, O_RDONLY);
	long got = fd < 0 ? -errno : slurp(fd, 131072);

	if (got < 0)
		wrong("%s: %s", path, strerror((int)-got));
	close(fd);
	*length = (size_t)got;
}

void check_agreement(void)
{
	struct matrix table = {malloc((size_t)facts.regions * (size_t)facts.cpus)};
	size_t length;

	if (table.bits == NULL)
		wrong("out of memory");
	read_file("debug/rmpopt/rmpopt-table", &length);
	read_table(text, length, keep_row, &table);
	for (int cpu = 0; cpu < facts.cpus; cpu++) {
		char path[64];

		snprintf(path, sizeof path, "debug/rmpopt/cpu%d", cpu);
		read_file(path, &length);
		read_cpu(text, length, optimized);
		for (int region = 0; region < facts.regions; region++)
			if (optimized[region] != table.bits[(size_t)region * (size_t)facts.cpus + (size_t)cpu])
				wrong("region %d, CPU %d: the table and the CPU's file differ", region, cpu);
	}
	free(table.bits);
}
