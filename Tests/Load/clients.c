// SPDX-License-Identifier: Apache-2.0
// The clients: each kind does one sort of work in turns, and knows what every answer may be.

#define _GNU_SOURCE

#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int self;                // this client's number
static uint64_t state;          // of the random numbers

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

// MARK: Calls that may be refused only in the ways that they name

static int open_file(const char *path, int flags)
{
	int fd = openat(facts.root, path, flags);

	if (fd >= 0)
		return fd;
	gone(errno);
	wrong("open %s: %s", path, strerror(errno));
}

static void close_file(int fd, const char *path)
{
	if (close(fd) == 0)
		return;
	gone(errno);
	wrong("close %s: %s", path, strerror(errno));
}

// Reads a file to the end in steps of `chunk`; the bytes are in `text`.
static size_t read_file(const char *path, size_t chunk)
{
	int fd = open_file(path, O_RDONLY);
	long got = slurp(fd, chunk);

	if (got < 0) {
		gone((int)-got);
		wrong("read %s: %s", path, strerror((int)-got));
	}
	close_file(fd, path);
	return (size_t)got;
}

// Writes like a shell's `>`; returns 0 or an errno.
int try_put(const char *path, const char *value)
{
	int fd = openat(facts.root, path, O_WRONLY | O_TRUNC), error = 0;
	ssize_t length = (ssize_t)strlen(value), written;

	if (fd < 0) {
		gone(errno);
		return errno;
	}
	written = write(fd, value, (size_t)length);
	if (written < 0)
		error = errno;
	else if (written != length)
		wrong("write '%s' to %s: %zd of %zd bytes", value, path, written, length);
	gone(error);
	close_file(fd, path);
	return error;
}

void put(const char *path, const char *value)
{
	int error = try_put(path, value);

	if (error != 0)
		wrong("write '%s' to %s: %s", value, path, strerror(error));
}

static void expect_text(const char *path, size_t length, const char *one, const char *other)
{
	if ((length == strlen(one) && memcmp(text, one, length) == 0)
	    || (other != NULL && length == strlen(other) && memcmp(text, other, length) == 0))
		return;
	wrong("%s reads '%.*s'", path, (int)(length > 100 ? 100 : length), text);
}

static const char *guest_path(const char *guest, const char *file)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "rmpsim/guests/%s%s%s", guest, *file ? "/" : "", file);
	return path;
}

// MARK: Kinds

static const size_t chunks[] = {131072, 4096, 65536, 1000, 131072, 97};

static void read_table(void)
{
	uint64_t start = now_ns();
	size_t chunk = chunks[draw(6)], length = read_file("debug/rmpopt/rmpopt-table", chunk);

	if (chunk == 131072)
		record(READ_TABLE, start);
	check_table(text, length);
}

static void read_cpu(void)
{
	uint64_t stops = shared->stops, running = shared->running, start = now_ns();
	size_t chunk = chunks[draw(6)], length;
	char path[64];

	snprintf(path, sizeof path, "debug/rmpopt/cpu%d", (int)draw((uint64_t)facts.cpus));
	length = read_file(path, chunk);
	if (chunk == 131072)
		record(READ_CPU, start);
	check_cpu(text, length, stops == shared->stops ? running : 0);
}

static void start_pass(void)
{
	const char *path = draw(2) ? "rmpopt/action" : "rmpopt/reenable";
	uint64_t start = now_ns();
	size_t length;

	put(path, "1\n");
	record(WRITE_PASS, start);
	start = now_ns();
	length = read_file("rmpopt/action", 4096);
	record(READ_ATTRIBUTE, start);
	expect_text("action", length, "RMP optimization in progress: Yes\n", "RMP optimization in progress: No\n");
	length = read_file("rmpopt/reenable", draw(2) ? 1 : 4096);
	expect_text("reenable", length, "0\n", "1\n");
	length = read_file("rmpopt/description", 4096);
	expect_text("description", length, "[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n", NULL);
}

// Advances the clock until the guest's pages are back.
static void await_end(const char *path)
{
	for (int turn = 0; turn < 100000; turn++) {
		size_t length = read_file(path, 100);

		if (length == 8 && memcmp(text, "stopped\n", 8) == 0)
			return;
		expect_text(path, length, "ending\n", NULL);
		put("rmpsim/clock", "+10ms");
	}
	wrong("%s: a guest does not end", path);
}

// A guest that only this client uses, from mkdir to rmdir.
static void live(void)
{
	char name[32], size[32];
	uint64_t bytes = (1 + draw(1024)) << 21, start;
	const char *memory, *file;
	int error;

	snprintf(name, sizeof name, "own%d", self);
	start = now_ns();
	if (mkdirat(facts.root, guest_path(name, ""), 0700) != 0) {
		gone(errno);
		wrong("mkdir %s: %s", name, strerror(errno));
	}
	record(MAKE_GUEST, start);
	memory = guest_path(name, "memory");
	file = guest_path(name, "state");
	snprintf(size, sizeof size, "%llu\n", (unsigned long long)bytes);
	start = now_ns();
	put(memory, size);
	record(WRITE_GUEST, start);
	expect_text(memory, read_file(memory, 4096), size, NULL);
	put(file, "running\n");
	atomic_fetch_add(&shared->running, bytes);
	expect_text(file, read_file(file, 4096), "running\n", NULL);
	error = try_put(memory, "1G");
	if (error != EBUSY)
		wrong("memory of a running guest: %s", strerror(error));
	if (draw(2))
		read_cpu();
	atomic_fetch_sub(&shared->running, bytes);
	atomic_fetch_add(&shared->stops, 1);
	if (draw(2)) {
		put(file, "stopped");
		error = try_put(file, "running");
		// Another client's step of the clock may have ended it by now.
		if (error == 0)
			put(file, "stopped");
		else if (error != EBUSY)
			wrong("start of an ending guest: %s", strerror(error));
		await_end(file);
	}
	start = now_ns();
	if (unlinkat(facts.root, guest_path(name, ""), AT_REMOVEDIR) != 0) {
		gone(errno);
		wrong("rmdir %s: %s", name, strerror(errno));
	}
	record(REMOVE_GUEST, start);
	if (openat(facts.root, file, O_RDONLY) >= 0 || errno != ENOENT) {
		gone(errno);
		wrong("a removed guest's state: %s", strerror(errno));
	}
}

static void allow(const char *what, int error, const int *allowed)
{
	gone(error);
	for (; *allowed >= 0; allowed++)
		if (*allowed == error)
			return;
	wrong("%s: %s", what, strerror(error));
}

// Guests that several clients make, run and remove at once: some client's turn must explain each answer.
static void contend(void)
{
	char name[32];

	snprintf(name, sizeof name, "shared%d", (int)draw(4));
	switch (draw(5)) {
	case 0:
		allow("mkdir of a contested guest", mkdirat(facts.root, guest_path(name, ""), 0700) ? errno : 0,
		      (const int[]){0, EEXIST, -1});
		break;
	case 1:
		allow("memory of a contested guest", try_put(guest_path(name, "memory"), draw(2) ? "64M" : "4K"),
		      (const int[]){0, ENOENT, EBUSY, -1});
		break;
	case 2:
		allow("start of a contested guest", try_put(guest_path(name, "state"), "running"),
		      (const int[]){0, ENOENT, EINVAL, EBUSY, -1});
		break;
	case 3:
		allow("end of a contested guest", try_put(guest_path(name, "state"), "stopped"),
		      (const int[]){0, ENOENT, -1});
		break;
	default:
		allow("rmdir of a contested guest",
		      unlinkat(facts.root, guest_path(name, ""), AT_REMOVEDIR) ? errno : 0, (const int[]){0, ENOENT, -1});
	}
}

static uint64_t read_clock(int fd)
{
	char digits[40];
	ssize_t got = pread(fd, digits, sizeof digits - 1, 0);
	char *end;
	uint64_t time;

	if (got < 0)
		gone(errno);
	if (got <= 1 || got > 21)
		wrong("clock: %zd bytes", got);
	digits[got] = 0;
	time = strtoull(digits, &end, 10);
	if (strcmp(end, "\n") != 0)
		wrong("clock reads '%s'", digits);
	return time;
}

// Time never goes back, for any client.
static void move_clock(void)
{
	int fd = open_file("rmpsim/clock", O_RDWR);
	uint64_t latest = shared->clock, before = read_clock(fd), after, start;

	if (before < latest)
		wrong("clock: %llu, and somebody read %llu before", (unsigned long long)before, (unsigned long long)latest);
	start = now_ns();
	if (write(fd, "+1ms", 4) != 4) {
		gone(errno);
		wrong("write to clock: %s", strerror(errno));
	}
	record(WRITE_CLOCK, start);
	after = read_clock(fd);
	if (after < before + 1000000)
		wrong("clock: %llu, and 1 ms later %llu", (unsigned long long)before, (unsigned long long)after);
	while (latest < after && !atomic_compare_exchange_weak(&shared->clock, &latest, after))
		;
	close_file(fd, "clock");
}

// Lists a folder and stats each entry; a guest may be gone by then.
static void walk(int at, const char *name, int depth, bool is_guest)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
	uint64_t start = now_ns();
	struct dirent *entry;
	DIR *folder;

	if (fd < 0) {
		gone(errno);
		if (is_guest && errno == ENOENT)
			return;
		wrong("open folder %s: %s", name, strerror(errno));
	}
	folder = fdopendir(fd);
	if (folder == NULL) {
		gone(errno);
		wrong("fdopendir %s: %s", name, strerror(errno));
	}
	for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0) {
		struct stat status;
		uint64_t asked = now_ns();
		bool below_guests = is_guest || strcmp(name, "guests") == 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
			gone(errno);
			if (below_guests && errno == ENOENT)
				continue;
			wrong("stat %s/%s: %s", name, entry->d_name, strerror(errno));
		}
		record(STAT_ENTRY, asked);
		if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
			wrong("%s/%s has mode %o", name, entry->d_name, status.st_mode);
		if (S_ISDIR(status.st_mode) != (entry->d_type == DT_DIR) && entry->d_type != DT_UNKNOWN)
			wrong("%s/%s is listed as type %d", name, entry->d_name, entry->d_type);
		if (S_ISDIR(status.st_mode) && depth < 8)
			walk(fd, entry->d_name, depth + 1, below_guests);
	}
	if (errno != 0) {
		gone(errno);
		if (!(is_guest && errno == ENOENT))
			wrong("list %s: %s", name, strerror(errno));
	}
	closedir(folder);
	record(LIST_FOLDER, start);
}

static void walk_all(void)
{
	walk(facts.root, ".", 0, false);
}

// Values that no file accepts, calls that no file supports, offsets beyond every limit.
static void provoke(void)
{
	static const char *const files[] = {"rmpopt/action", "rmpopt/reenable", "rmpsim/clock"};
	static const int no_value[] = {EINVAL, ERANGE, -1};
	char value[200];
	size_t length = 1 + draw(sizeof value - 2);
	const char *path = files[draw(3)];
	int fd;

	for (size_t i = 0; i < length; i++)
		value[i] = (char)(1 + draw(255));
	value[0] = (char)('a' + draw(26));      // no valid value begins like this
	value[length] = 0;
	allow("a value of random bytes", try_put(path, value), no_value);
	allow("a number beyond 64 bits", try_put("rmpopt/action", "99999999999999999999"), (const int[]){ERANGE, -1});
	fd = open_file(path, O_RDWR);
	allow("fsync", fsync(fd) ? errno : 0, (const int[]){EINVAL, -1});
	allow("pread at 2^62", pread(fd, value, sizeof value, 1LL << 62) == 0 ? 0 : errno, (const int[]){0, -1});
	allow("pwrite at 2^62", pwrite(fd, "x", 1, 1LL << 62) < 0 ? errno : 0, no_value);
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED)
		wrong("mmap(MAP_SHARED) of %s works", path);
	allow("mmap", errno, (const int[]){ENODEV, -1});
	close_file(fd, path);
	fd = open_file("debug/rmpopt/rmpopt-table", facts.is_root ? O_RDWR : O_RDONLY);
	allow("pread of the table at 2^62", pread(fd, value, sizeof value, 1LL << 62) == 0 ? 0 : errno,
	      (const int[]){0, -1});
	if (facts.is_root)
		allow("write to the table", write(fd, "1", 1) < 0 ? errno : 0, (const int[]){EINVAL, -1});
	close_file(fd, "the table");
	allow("unlink", unlinkat(facts.root, path, 0) ? errno : 0, (const int[]){EPERM, -1});
	allow("mkdir in rmpopt", mkdirat(facts.root, "rmpopt/x", 0755) ? errno : 0, (const int[]){EPERM, -1});
	fd = openat(facts.root, "rmpopt/x", O_CREAT | O_RDWR, 0644);
	allow("creating a file", fd < 0 ? errno : 0, (const int[]){EACCES, -1});
	memset(value, 'x', sizeof value);
	value[sizeof value - 1] = 0;
	fd = openat(facts.root, value, O_RDONLY);
	allow("a name that is not there", fd < 0 ? errno : 0, (const int[]){ENOENT, -1});
}

// Holds descriptors: some never read, some in the middle of a text; what one of them has read must not change.
static void hoard(void)
{
	enum { HELD = 64 };
	static int held[HELD];
	static char first[HELD][40];
	static ssize_t lengths[HELD];
	static bool prepared;
	int i = (int)draw(HELD);
	char again[40];
	ssize_t got;

	if (!prepared)
		memset(held, -1, sizeof held);
	prepared = true;
	if (held[i] < 0) {
		held[i] = open_file(i % 4 == 0 ? "debug/rmpopt/rmpopt-table" : "rmpopt/action", O_RDONLY);
		lengths[i] = -1;
		return;
	}
	if (draw(8) == 0) {
		close_file(held[i], "a held file");
		held[i] = -1;
		return;
	}
	if (i % 4 == 0) {
		got = read(held[i], again, draw(sizeof again) + 1);
		if (got < 0) {
			gone(errno);
			wrong("read of a held table: %s", strerror(errno));
		}
		return;
	}
	got = pread(held[i], again, sizeof again, 0);
	if (got < 0) {
		gone(errno);
		wrong("read of a held attribute: %s", strerror(errno));
	}
	if (lengths[i] >= 0 && (got != lengths[i] || memcmp(again, first[i], (size_t)got) != 0))
		wrong("an open attribute reads '%.*s', and '%.*s' before", (int)got, again, (int)lengths[i], first[i]);
	lengths[i] = got;
	memcpy(first[i], again, (size_t)got);
}

typedef void turn(void);
static turn *const kinds[] = {read_table, read_cpu, start_pass, live, contend, move_clock, walk_all, provoke, hoard};

void run_client(int number)
{
	turn *kind = kinds[number % (int)(sizeof kinds / sizeof kinds[0])];

	self = number;
	state = (facts.seed + (uint64_t)number + 1) * 0x9E3779B97F4A7C15u | 1;
	while (!shared->stop) {
		kind();
		me->beats++;
	}
}
