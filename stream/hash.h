/*
 * Hashing for the tables of this floor: 64 bits from a run of bytes or from a
 * few words, mixed by one wide multiplication a step. The seed is the table's
 * own, so that names chosen from outside cannot be aimed at its chains.
 */
#ifndef STREAM_HASH_H
#define STREAM_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_STEP_A UINT64_C(0xa0761d6478bd642f)
#define HASH_STEP_B UINT64_C(0xe7037ed1a0b428db)

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ HASH_STEP_A) * (b ^ HASH_STEP_B);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t hash = hash_mix(seed, len);
	uint64_t word;

	while (len >= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_mix(hash, word);
		at += sizeof(word);
		len -= sizeof(word);
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, at, len);
		hash = hash_mix(hash, word);
	}
	return hash;
}

#endif
