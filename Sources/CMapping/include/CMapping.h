// SPDX-License-Identifier: Apache-2.0
// Reads of a mapped file behind its end raise SIGBUS. While a thread guards a mapping, they read zeros instead, and the
// thread is told afterwards.
#ifndef RMPFS_CMAPPING_H
#define RMPFS_CMAPPING_H

#include <stddef.h>
#include <stdint.h>

/* Guards a mapping for this thread; it guards one at a time. */
void rmpfs_guard_begin(const void *start, size_t size, size_t page);

/* Ends it; whether a read found nothing behind the mapping since the beginning. */
int rmpfs_guard_end(void);

#endif
