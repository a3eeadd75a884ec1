// SPDX-License-Identifier: Apache-2.0
// Selects libfuse's API level for Swift and gives names to what Swift cannot import: function-like macros.
#ifndef RMPFS_CFUSE_SHIM_H
#define RMPFS_CFUSE_SHIM_H

#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/uio.h>

_Static_assert(sizeof(fuse_ino_t) == sizeof(void *), "a node id carries a pointer");

// FUSE_ARGS_INIT, which Swift does not import. The strings stay the caller's until fuse_opt_free_args().
static inline struct fuse_args rmpfs_args(int count, char **vector)
{
	struct fuse_args args = FUSE_ARGS_INIT(count, vector);
	return args;
}

// O_DIRECT differs between architectures, and <fcntl.h> declares it only with _GNU_SOURCE, which would make the C
// library's types differ from those that Swift imports.
enum { RMPFS_O_DIRECT = __O_DIRECT };

// FUSE_NOTIFY_PRUNE of Linux 6.18 (FUSE 7.45), which neither libfuse 3.14 nor its <linux/fuse.h> knows: the kernel drops
// the unused names of these nodes. 0, or an errno: EINVAL from a kernel that does not know it.
static inline int rmpfs_prune(struct fuse_session *session, const fuse_ino_t *nodes, uint32_t count)
{
	struct {
		uint32_t length, code;
		uint64_t unique;
		uint32_t count, padding;
		uint64_t spare;
	} head = { (uint32_t)(sizeof(head) + count * sizeof(*nodes)), 9, 0, count, 0, 0 };
	const struct iovec parts[] = { { &head, sizeof(head) }, { (void *)nodes, count * sizeof(*nodes) } };

	_Static_assert(sizeof(fuse_ino_t) == 8, "a node id as the kernel has it");
	return writev(fuse_session_fd(session), parts, 2) == (ssize_t)head.length ? 0 : errno;
}

// FUSE_NOTIFY_STORE of `count` bytes (at most one) at `offset`, with a message of our own: libfuse's takes a vector of
// buffers. 0, or an errno: ENOENT for a node that the kernel does not know.
static inline int rmpfs_store(struct fuse_session *session, fuse_ino_t node, uint64_t offset, uint32_t count)
{
	struct {
		uint32_t length, code;
		uint64_t unique, node, offset;
		uint32_t count, padding;
	} head = { (uint32_t)sizeof(head) + count, 4, 0, node, offset, count, 0 };
	const struct iovec parts[] = { { &head, sizeof(head) }, { "", count } };

	return writev(fuse_session_fd(session), parts, 2) == (ssize_t)head.length ? 0 : errno;
}

#endif
