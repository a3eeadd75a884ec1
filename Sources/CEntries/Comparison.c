// SPDX-License-Identifier: Apache-2.0
// Whether the entries of a chunk are alike: the common case of every scan.
#include "CEntries.h"

/* So far ahead the processor is told what comes: its own prefetching ends at each page. */
#define AHEAD 4096
#define SIZE 8192
/* The bytes that are looked at first. */
#define FIRST 128

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t differences_avx2(const char *chunk, uint64_t expected)
{
	const __m256i wanted = _mm256_set1_epi64x((long long)expected);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	const char *entry;

	for (entry = chunk + FIRST; entry < chunk + SIZE; entry += 128) {
		const __m256i *pair = (const __m256i *)entry;

		__builtin_prefetch(entry + AHEAD);
		__builtin_prefetch(entry + AHEAD + 64);
		a = _mm256_or_si256(a, _mm256_xor_si256(_mm256_loadu_si256(pair), wanted));
		b = _mm256_or_si256(b, _mm256_xor_si256(_mm256_loadu_si256(pair + 1), wanted));
		c = _mm256_or_si256(c, _mm256_xor_si256(_mm256_loadu_si256(pair + 2), wanted));
		d = _mm256_or_si256(d, _mm256_xor_si256(_mm256_loadu_si256(pair + 3), wanted));
	}
	a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
	/* The even quadwords are the low ones. */
	return (uint64_t)(_mm256_extract_epi64(a, 0) | _mm256_extract_epi64(a, 2));
}
#endif

/* The low quadwords only, for other processors. */
static uint64_t differences_portable(const char *chunk, uint64_t expected)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;
	const char *entry;

	for (entry = chunk + FIRST; entry < chunk + SIZE; entry += 64) {
		const uint64_t *words = (const uint64_t *)entry;

		__builtin_prefetch(entry + AHEAD);
		a |= words[0] ^ expected;
		b |= words[2] ^ expected;
		c |= words[4] ^ expected;
		d |= words[6] ^ expected;
	}
	return (a | b) | (c | d);
}

/* If entries differ, the first ones usually do. */
static int begins_uniform(const void *chunk, uint64_t expected, uint64_t mask)
{
	const uint64_t *words = chunk;
	uint64_t found = 0;

	for (int entry = 1; entry < FIRST / 16; entry++)
		found |= words[2 * entry] ^ expected;
	return !(found & mask);
}

int rmpfs_is_uniform_portable(const void *chunk, uint64_t expected, uint64_t mask)
{
	return begins_uniform(chunk, expected, mask) && !(differences_portable(chunk, expected) & mask);
}

int rmpfs_is_uniform(const void *chunk, uint64_t expected, uint64_t mask)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return begins_uniform(chunk, expected, mask) && !(differences_avx2(chunk, expected) & mask);
#endif
	return rmpfs_is_uniform_portable(chunk, expected, mask);
}
