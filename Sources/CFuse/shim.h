// SPDX-License-Identifier: Apache-2.0
// Selects libfuse's API level for Swift and gives names to what Swift cannot import: function-like macros.
#ifndef RMPFS_CFUSE_SHIM_H
#define RMPFS_CFUSE_SHIM_H

#define FUSE_USE_VERSION 312

#include <fcntl.h>
#include <fuse_lowlevel.h>

_Static_assert(sizeof(fuse_ino_t) == sizeof(void *), "a node id carries a pointer");

// FUSE_ARGS_INIT, which Swift does not import. The strings stay the caller's until fuse_opt_free_args().
static inline struct fuse_args rmpfs_args(int count, char **vector)
{
	struct fuse_args args = FUSE_ARGS_INIT(count, vector);
	return args;
}

// O_DIRECT differs between architectures, and <fcntl.h> shows it only with _GNU_SOURCE, which would make the C library's
// types here unlike those that Swift's own import has.
enum { RMPFS_O_DIRECT = __O_DIRECT };

#endif
