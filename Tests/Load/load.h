// SPDX-License-Identifier: Apache-2.0
// Shared by the parts of the load generator: the mount's facts, a client's record, and reports of wrong answers.

#ifndef LOAD_H
#define LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CLIENTS = 256, MAX_REGIONS = 65536, TEXT_LIMIT = 8 * 1024 * 1024 };

// Operations that are timed. Their names are in latency.c.
enum operation {
	READ_ATTRIBUTE, READ_TABLE, READ_CPU, WRITE_PASS, WRITE_GUEST, WRITE_CLOCK, MAKE_GUEST, REMOVE_GUEST, STAT_ENTRY,
	LIST_FOLDER, OPERATIONS
};

enum { SUB_BUCKETS = 16, BUCKETS = 64 * SUB_BUCKETS };

// Times of one operation, in buckets of 1/16 of a power of two.
struct latency {
	uint32_t counts[BUCKETS];
	uint64_t longest;
};

// One client's part of the shared memory. Only the client writes to it; the parent reads.
struct client {
	_Atomic uint64_t beats;         // grows with each turn, unless the client hangs
	_Atomic uint64_t calls;
	_Atomic int ended_by;           // the errno that ended it, if the daemon may die
	_Atomic bool is_wrong;
	char wrong[400];                // the first thing that was wrong
	struct latency latency[OPERATIONS];
};

// Shared by all processes.
struct shared {
	_Atomic bool stop;
	_Atomic uint64_t clock;         // the latest time that any client has read
	_Atomic uint64_t running;       // bytes of guests that have started and have not begun to end
	_Atomic uint64_t stops;         // grows after `running` was lowered and before the end begins
	struct client clients[MAX_CLIENTS];
};

// Constant once the clients run.
struct facts {
	int root;                       // the mount's folder
	int cpus;
	int regions;
	bool may_die;                   // the daemon will be killed: ENOTCONN may end a client
	bool is_root;
	int kinds;                      // of clients, by their number
	int processes;
	uint64_t seed;
	bool never[MAX_REGIONS];        // regions that must not be optimized: firmware's and keepers'
};

extern struct facts facts;
extern struct shared *shared;
extern struct client *me;

// wrong(FORMAT...): reports what was wrong and ends this client.
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
// gone(ERROR): ends this client if the error means that the daemon is gone, and it may be; otherwise returns.
void gone(int error);

uint64_t now_ns(void);
void record(enum operation operation, uint64_t start);
void print_latencies(int clients);

// Reads to the end; returns the number of bytes, or a negative errno.
long slurp(int fd, size_t chunk);
extern char *text;

void check_table(const char *bytes, size_t length);
void check_cpu(const char *bytes, size_t length, uint64_t guests);
// Marks the regions without a CPU; returns their number.
int mark_never(const char *bytes, size_t length);
// The table and all CPUs' files must agree. For an idle machine.
void check_agreement(void);

void run_client(int number);
void put(const char *path, const char *value);
int try_put(const char *path, const char *value);

#endif
