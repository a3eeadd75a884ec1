// SPDX-License-Identifier: Apache-2.0
// The least work for a C daemon to answer the same requests as rmpfs: what remains is the cost of FUSE.

#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, FIRST_FILE = FUSE_ROOT_ID + 1, FILES = 3 };

struct file {
	const char *name;
	mode_t mode;
	off_t size;             // st_size
	int chunked;            // large reads end at the end of a line, below a page
	char *text;
	size_t length;
	size_t *chunk_ends;     // only if chunked; the last one is `length`
};

// One for each open(2), as in rmpfs.
struct handle {
	const struct file *file;
};

static struct file files[FILES] = {
	{ .name = "attribute", .mode = S_IFREG | 0644, .size = PAGE },
	{ .name = "table", .mode = S_IFREG | 0444, .chunked = 1 },
	{ .name = "cpu0", .mode = S_IFREG | 0444 },
};
static double entry_timeout = 1, attr_timeout = 1;
static struct fuse_session *session;
static atomic_bool stopped;

static void die(const char *what)
{
	fprintf(stderr, "baseline: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *allocated(void *memory)
{
	if (!memory)
		die("memory");
	return memory;
}

// MARK: Texts

// A chunk holds the whole lines whose total stays below a page, just as the kernel's seq_file fills its buffer.
static void cut_into_chunks(struct file *file)
{
	size_t count = 0, start = 0, end = 0;

	file->chunk_ends = allocated(malloc((file->length + 1) * sizeof(*file->chunk_ends)));
	while (end < file->length) {
		const char *newline = memchr(file->text + end, '\n', file->length - end);
		size_t line = newline ? (size_t)(newline + 1 - (file->text + end)) : file->length - end;

		if (end > start && end + line - start >= PAGE) {
			file->chunk_ends[count++] = end;
			start = end;
		}
		end += line;
	}
	file->chunk_ends[count] = end;
}

static void load_text(struct file *file, const char *path)
{
	FILE *stream = fopen(path, "rb");
	size_t capacity = 0, got;

	if (!stream)
		die(path);
	do {
		capacity += 16 * PAGE;
		file->text = allocated(realloc(file->text, capacity));
		got = fread(file->text + file->length, 1, capacity - file->length, stream);
		file->length += got;
	} while (file->length == capacity);
	if (ferror(stream))
		die(path);
	fclose(stream);
	if (file->chunked)
		cut_into_chunks(file);
}

// MARK: Requests

static struct stat attributes_of(fuse_ino_t ino)
{
	struct stat attributes = { .st_ino = ino, .st_mode = S_IFDIR | 0755, .st_nlink = 2, .st_blksize = PAGE };

	if (ino != FUSE_ROOT_ID) {
		attributes.st_mode = files[ino - FIRST_FILE].mode;
		attributes.st_size = files[ino - FIRST_FILE].size;
		attributes.st_nlink = 1;
	}
	return attributes;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (parent == FUSE_ROOT_ID) {
		for (fuse_ino_t i = 0; i < FILES; i++) {
			if (strcmp(name, files[i].name) != 0)
				continue;
			struct fuse_entry_param entry = {
				.ino = FIRST_FILE + i,
				.attr = attributes_of(FIRST_FILE + i),
				.attr_timeout = attr_timeout,
				.entry_timeout = entry_timeout,
			};
			fuse_reply_entry(req, &entry);
			return;
		}
	}
	fuse_reply_err(req, ENOENT);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat attributes = attributes_of(ino);

	(void)info;
	fuse_reply_attr(req, &attributes, attr_timeout);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct handle *handle = malloc(sizeof(*handle));

	if (!handle) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	handle->file = &files[ino - FIRST_FILE];
	info->fh = (uintptr_t)handle;
	info->direct_io = 1;
	info->noflush = 1;
	if (fuse_reply_open(req, info) != 0)
		free(handle);   // the open was interrupted: no release follows
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	const struct file *file = ((struct handle *)(uintptr_t)info->fh)->file;
	size_t end = file->length, start = (size_t)offset;

	(void)ino;
	if (start >= file->length) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (file->chunked && size >= PAGE - 1) {
		const size_t *chunk_end = file->chunk_ends;

		while (*chunk_end <= start)
			chunk_end++;
		end = *chunk_end;
	}
	fuse_reply_buf(req, file->text + start, size < end - start ? size : end - start);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
		     struct fuse_file_info *info)
{
	(void)ino, (void)bytes, (void)offset, (void)info;
	fuse_reply_write(req, size);
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	free((struct handle *)(uintptr_t)info->fh);
	fuse_reply_err(req, 0);
}

// Missing operations are answered with ENOSYS, which the kernel remembers where it matters (flush, getxattr, poll).
static const struct fuse_lowlevel_ops operations = {
	.lookup = on_lookup,
	.getattr = on_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.release = on_release,
};

// MARK: Session

// Every other thread blocks these signals. The unmount wakes the readers of /dev/fuse.
static void *wait_for_signal(void *signals)
{
	int signal;

	sigwait(signals, &signal);
	atomic_store(&stopped, 1);
	fuse_session_exit(session);
	fuse_session_unmount(session);
	return NULL;
}

static int serve_alone(void)
{
	struct fuse_buf buffer = { 0 };
	int result = 0;

	while (!fuse_session_exited(session)) {
		result = fuse_session_receive_buf(session, &buffer);
		if (result == -EINTR || result == -EAGAIN)
			continue;
		if (result <= 0)
			break;
		fuse_session_process_buf(session, &buffer);
	}
	free(buffer.mem);
	return result < 0 ? result : 0;
}

static int serve_together(unsigned int threads)
{
	struct fuse_loop_config *config = allocated(fuse_loop_cfg_create());
	int result;

	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_idle_threads(config, threads);
	result = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return result;
}

static int serve(const char *mountpoint, const char *options, unsigned int threads)
{
	char *words[] = { "baseline", "-o", (char *)options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, words);
	pthread_t waiter;
	sigset_t signals;
	int result;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (!session || fuse_session_mount(session, mountpoint) != 0)
		return 1;       // libfuse has printed why
	if ((errno = pthread_create(&waiter, NULL, wait_for_signal, &signals)) != 0)
		die("thread");

	result = threads == 1 ? serve_alone() : serve_together(threads);
	if (atomic_load(&stopped))
		result = 0;     // as requested; a reader may have seen the closed device
	else
		kill(getpid(), SIGTERM);        // unmounted from outside: let the waiter end
	pthread_join(waiter, NULL);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return result == 0 ? 0 : 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: baseline [--threads N] [--entry-timeout SECONDS] [--attr-timeout SECONDS] [-o OPTIONS]\n"
			"                --attribute FILE --table FILE --cpu0 FILE MOUNTPOINT\n");
	return 64;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "attribute", required_argument, NULL, 0 },    // the first options follow the order of `files`
		{ "table", required_argument, NULL, 1 },
		{ "cpu0", required_argument, NULL, 2 },
		{ "threads", required_argument, NULL, 't' },
		{ "entry-timeout", required_argument, NULL, 'e' },
		{ "attr-timeout", required_argument, NULL, 'a' },
		{ 0 },
	};
	const char *mount_options = "fsname=baseline,subtype=baseline";
	char joined[1024];
	int option, threads = 1;

	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		switch (option) {
		case 0: case 1: case 2:
			load_text(&files[option], optarg);
			break;
		case 't':
			threads = atoi(optarg);
			break;
		case 'e':
			entry_timeout = atof(optarg);
			break;
		case 'a':
			attr_timeout = atof(optarg);
			break;
		case 'o':
			if (snprintf(joined, sizeof(joined), "fsname=baseline,subtype=baseline,%s", optarg) >= (int)sizeof(joined))
				return usage();
			mount_options = joined;
			break;
		default:
			return usage();
		}
	}
	if (optind + 1 != argc || threads < 1)
		return usage();
	for (int i = 0; i < FILES; i++) {
		if (!files[i].text)
			return usage();
	}
	return serve(argv[optind], mount_options, (unsigned int)threads);
}
