/*
 * Numbers from and to any place in memory. A word's first byte is its lowest:
 * on a big-endian machine the loads of whole words swap, while those of two and
 * four bytes give what the processor stored there.
 */
#ifndef STREAM_SCAN_LOAD_H
#define STREAM_SCAN_LOAD_H

#include "base/json_scalar.h"

#include <stdint.h>
#include <string.h>

static inline uint16_t load_2(const void *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t load_4(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void store_4(void *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline uint64_t load_8(const void *at)
{
	return load_word(at);
}

#endif
