// SPDX-License-Identifier: Apache-2.0
// Writes a contiguous RMP of one kind into a file, whole and without holes: table KIND GIGABYTES FILE.
//
//   empty  nothing is assigned
//   large  guests of 8 GB in entries of 2 MB, a quarter of the memory free
//   small  the same guests in entries of 4 KB with consecutive GPAs
//   mixed  every page of another guest than the one before: no two entries of a chunk are alike

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 512

static uint64_t seed = 1;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

int main(int argc, char **argv)
{
	static uint64_t words[2 * CHUNK];
	uint64_t chunks, chunk, page, base = 1 << 20;
	FILE *file;

	if (argc != 4 || !(file = fopen(argv[3], "wb"))) {
		fprintf(stderr, "table empty|large|small|mixed GIGABYTES FILE\n");
		return 1;
	}
	chunks = strtoull(argv[2], NULL, 10) << 9;
	/* Bookkeeping, 16 KB. */
	fseek(file, (long)base, SEEK_SET);
	fwrite(words, 1, 8192, file);
	fwrite(words, 1, 8192, file);
	for (chunk = 0; chunk < chunks; chunk++) {
		uint64_t guest = chunk / 4096;
		uint64_t asid = guest % 4 == 3 ? 0 : 1 + guest % 1000;

		memset(words, 0, sizeof(words));
		for (page = 0; page < CHUNK; page++) {
			uint64_t low = 0;

			if (!strcmp(argv[1], "mixed"))
				low = 1 | (1 + next() % 1000) << 51 | 1ull << 62 | (next() & 0xffffff) << 12;
			else if (!asid || !strcmp(argv[1], "empty"))
				low = 0;
			else if (!strcmp(argv[1], "large"))
				low = page ? 1 : 3 | asid << 51 | 1ull << 62 | chunk << 21;
			else
				low = 1 | asid << 51 | 1ull << 62 | (chunk << 21 | page << 12);
			if (!page && low && !(low & 2))
				low |= 511 << 3;
			words[2 * page] = low;
			words[2 * page + 1] = low >> 51 ? 0x1f : 0;
		}
		fwrite(words, 1, sizeof(words), file);
	}
	return fclose(file) ? 1 : 0;
}
