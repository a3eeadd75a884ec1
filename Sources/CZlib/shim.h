// SPDX-License-Identifier: Apache-2.0
// zlib as Swift sees it: its functions that begin a stream are macros.
#ifndef RMPFS_CZLIB_SHIM_H
#define RMPFS_CZLIB_SHIM_H

#include <zlib.h>

// Of windowBits: a gzip header and trailer around the data (zlib.h, deflateInit2() and inflateInit2()).
#define RMPFS_GZIP (15 + 16)

static inline int rmpfs_deflate_init(z_stream *stream)
{
	return deflateInit2(stream, Z_BEST_COMPRESSION, Z_DEFLATED, RMPFS_GZIP, 8, Z_DEFAULT_STRATEGY);
}

static inline int rmpfs_inflate_init(z_stream *stream)
{
	return inflateInit2(stream, RMPFS_GZIP);
}

#endif
