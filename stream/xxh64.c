/*
 * XXH64 after its specification (doc/xxhash_spec.md of the reference
 * implementation): four lanes of 8 bytes, then the rest in steps of 8, 4 and 1,
 * then an avalanche. Reads are little-endian whatever the machine is.
 */
#include "stream/xxh64.h"

#include <endian.h>
#include <string.h>

#define PRIME_1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME_3 UINT64_C(0x165667B19E3779F9)
#define PRIME_4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME_5 UINT64_C(0x27D4EB2F165667C5)

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t read_64(const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static uint64_t read_32(const unsigned char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return le32toh(x);
}

static uint64_t round_lane(uint64_t lane, uint64_t input)
{
	return rotate(lane + input * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge_lane(uint64_t hash, uint64_t lane)
{
	return (hash ^ round_lane(0, lane)) * PRIME_1 + PRIME_4;
}

/* Consumes all whole stripes of 32 bytes from *p. */
static uint64_t hash_stripes(const unsigned char **p, size_t n_stripes, uint64_t seed)
{
	uint64_t lanes[4] = {seed + PRIME_1 + PRIME_2, seed + PRIME_2, seed, seed - PRIME_1};
	uint64_t hash;
	size_t i;

	for (; n_stripes > 0; n_stripes--) {
		for (i = 0; i < 4; i++, *p += 8)
			lanes[i] = round_lane(lanes[i], read_64(*p));
	}
	hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) +
	       rotate(lanes[3], 18);
	for (i = 0; i < 4; i++)
		hash = merge_lane(hash, lanes[i]);
	return hash;
}

uint64_t xxh64(const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t hash;
	size_t rest = len % 32;

	hash = len >= 32 ? hash_stripes(&p, len / 32, seed) : seed + PRIME_5;
	hash += len;
	for (; rest >= 8; rest -= 8, p += 8)
		hash = rotate(hash ^ round_lane(0, read_64(p)), 27) * PRIME_1 + PRIME_4;
	if (rest >= 4) {
		hash = rotate(hash ^ read_32(p) * PRIME_1, 23) * PRIME_2 + PRIME_3;
		rest -= 4;
		p += 4;
	}
	for (; rest > 0; rest--, p++)
		hash = rotate(hash ^ *p * PRIME_5, 11) * PRIME_1;
	hash ^= hash >> 33;
	hash *= PRIME_2;
	hash ^= hash >> 29;
	hash *= PRIME_3;
	return hash ^ hash >> 32;
}
