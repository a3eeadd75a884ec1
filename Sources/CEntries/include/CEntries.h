// SPDX-License-Identifier: Apache-2.0
// The entries of a chunk (512 of 16 bytes, aligned to 16) at the speed of memory, for which Swift lacks prefetching and
// wide vectors. The portable functions give the same results on every processor; the others choose what is fastest.
#ifndef RMPFS_CENTRIES_H
#define RMPFS_CENTRIES_H

#include <stdint.h>

/* Whether the low quadwords of all entries but the first have the bits of `expected` in `mask`. */
int rmpfs_is_uniform(const void *chunk, uint64_t expected, uint64_t mask);
int rmpfs_is_uniform_portable(const void *chunk, uint64_t expected, uint64_t mask);

/* A chunk whose entries differ. */
struct rmpfs_entries {
	/* For each entry bits 51 ... 63 of its raw low quadword, then its bits 0 ... 2. */
	uint16_t places[512];
	/* The places' bits that are set in any of them. */
	uint16_t used;
	/* How many entries are assigned. */
	uint16_t assigned;
	/* Whether one has no ASID and is assigned or immutable. */
	uint8_t has_fixed;
};

/* Entries as the processor stores them, or as RMPREAD does. */
enum rmpfs_form { RMPFS_RAW, RMPFS_RMPREAD };

/* Reads each entry once. */
void rmpfs_read_entries(const void *chunk, enum rmpfs_form form, struct rmpfs_entries *entries);
void rmpfs_read_entries_portable(const void *chunk, enum rmpfs_form form, struct rmpfs_entries *entries);

/* Adds 1 for each place: for entries with even numbers to the first sums, for the others to the second ones, so that
 * equal neighbours do not have to wait for each other. */
void rmpfs_count_places(const struct rmpfs_entries *entries, uint32_t *even, uint32_t *odd);

#endif
