// SPDX-License-Identifier: Apache-2.0
// Takes a chunk's entries apart: who owns each page, as a small number to count by.
#include "CEntries.h"

#define ENTRIES 512
/* So far ahead the processor is told what comes: its own prefetching ends at each page. */
#define AHEAD 8192
#define ASID (0x3ffull << 51)
#define ASSIGNED 1ull
#define LARGE 2ull
#define IMMUTABLE 4ull

/* Where a place has bits 0 ... 2. */
#define FLAGS_SHIFT 13

/* Assigned, size, immutable and ASID of RMPREAD's second quadword, where the raw form has them. `EntryForm.rawLow` is
 * the same rule for one entry, with the other fields. */
static uint64_t raw_of_rmpread(uint64_t second)
{
	return (second & 1) | (second >> 7 & LARGE) | (second >> 14 & IMMUTABLE) | (second << 19 & ASID);
}

void rmpfs_read_entries_portable(const void *chunk, enum rmpfs_form form, struct rmpfs_entries *entries)
{
	const uint64_t *words = chunk;
	uint64_t any = 0, fixed = 0;

	entries->assigned = 0;
	for (int entry = 0; entry < ENTRIES; entry++) {
		uint64_t low = form == RMPFS_RAW ? words[2 * entry] : raw_of_rmpread(words[2 * entry + 1]);

		entries->places[entry] = (uint16_t)(low >> 51 | low << FLAGS_SHIFT);
		entries->assigned += (uint16_t)(low & ASSIGNED);
		any |= low;
		if (!(low & ASID))
			fixed |= low;
	}
	entries->used = (uint16_t)(any >> 51 | any << FLAGS_SHIFT);
	entries->has_fixed = (fixed & (ASSIGNED | IMMUTABLE)) != 0;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define VECTOR __attribute__((target("avx2"))) static inline

/* Entries 0 and 2, or 1 and 3, of four. */
VECTOR __m256i entries_of(const __m128i *first, const __m128i *second)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(first)), _mm_loadu_si128(second), 1);
}

/* The quadwords of four entries that matter, in their order and in raw form. */
VECTOR __m256i four(const __m128i *entries, enum rmpfs_form form)
{
	const __m256i even = entries_of(entries, entries + 2), odd = entries_of(entries + 1, entries + 3);
	__m256i second;

	if (form == RMPFS_RAW)
		return _mm256_unpacklo_epi64(even, odd);
	second = _mm256_unpackhi_epi64(even, odd);
	return _mm256_or_si256(
		_mm256_or_si256(_mm256_and_si256(second, _mm256_set1_epi64x(ASSIGNED)),
				_mm256_and_si256(_mm256_srli_epi64(second, 7), _mm256_set1_epi64x(LARGE))),
		_mm256_or_si256(_mm256_and_si256(_mm256_srli_epi64(second, 14), _mm256_set1_epi64x(IMMUTABLE)),
				_mm256_and_si256(_mm256_slli_epi64(second, 19), _mm256_set1_epi64x(ASID))));
}

VECTOR uint64_t any_of(__m256i value)
{
	return (uint64_t)(_mm256_extract_epi64(value, 0) | _mm256_extract_epi64(value, 1) |
			  _mm256_extract_epi64(value, 2) | _mm256_extract_epi64(value, 3));
}

VECTOR void read_avx2(const void *chunk, enum rmpfs_form form, struct rmpfs_entries *entries)
{
	const __m256i zero = _mm256_setzero_si256(), assigned = _mm256_set1_epi64x(ASSIGNED);
	const __m256i asid = _mm256_set1_epi64x(ASID), low = _mm256_set1_epi64x(7);
	/* Packing works within halves: it leaves pairs of entries in the order 0, 2, 4, 6, 1, 3, 5, 7. */
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i any = zero, fixed = zero, count = zero;
	const __m128i *next = chunk;

	for (int entry = 0; entry < ENTRIES; entry += 16) {
		__m256i places[4], packed;

		for (int part = 0; part < 4; part++, next += 4) {
			__m256i words;

			__builtin_prefetch((const char *)next + AHEAD);
			words = four(next, form);
			any = _mm256_or_si256(any, words);
			count = _mm256_add_epi64(count, _mm256_and_si256(words, assigned));
			fixed = _mm256_or_si256(
				fixed, _mm256_and_si256(
					       words, _mm256_cmpeq_epi64(_mm256_and_si256(words, asid), zero)));
			places[part] =
				_mm256_or_si256(_mm256_srli_epi64(words, 51),
						_mm256_slli_epi64(_mm256_and_si256(words, low), FLAGS_SHIFT));
		}
		packed = _mm256_packus_epi32(_mm256_packus_epi32(places[0], places[1]),
					     _mm256_packus_epi32(places[2], places[3]));
		_mm256_storeu_si256((__m256i *)(entries->places + entry),
				   _mm256_permutevar8x32_epi32(packed, order));
	}
	entries->used = (uint16_t)(any_of(any) >> 51 | any_of(any) << FLAGS_SHIFT);
	entries->assigned = (uint16_t)(_mm256_extract_epi64(count, 0) + _mm256_extract_epi64(count, 1) +
				       _mm256_extract_epi64(count, 2) + _mm256_extract_epi64(count, 3));
	entries->has_fixed = (any_of(fixed) & (ASSIGNED | IMMUTABLE)) != 0;
}

/* Two functions, so that the form is a constant in each. */
__attribute__((target("avx2"))) static void read_raw(const void *chunk, struct rmpfs_entries *entries)
{
	read_avx2(chunk, RMPFS_RAW, entries);
}

__attribute__((target("avx2"))) static void read_rmpread(const void *chunk, struct rmpfs_entries *entries)
{
	read_avx2(chunk, RMPFS_RMPREAD, entries);
}
#endif

void rmpfs_read_entries(const void *chunk, enum rmpfs_form form, struct rmpfs_entries *entries)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2")) {
		if (form == RMPFS_RAW)
			read_raw(chunk, entries);
		else
			read_rmpread(chunk, entries);
		return;
	}
#endif
	rmpfs_read_entries_portable(chunk, form, entries);
}

void rmpfs_count_places(const struct rmpfs_entries *entries, uint32_t *even, uint32_t *odd)
{
	for (int entry = 0; entry < ENTRIES; entry += 2) {
		even[entries->places[entry]]++;
		odd[entries->places[entry + 1]]++;
	}
}
