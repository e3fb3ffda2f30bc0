/*
 * XXH64, the well-known 64-bit hash by Yann Collet, as its specification
 * defines it: fast, the same on every machine, and no defence against somebody
 * who wants collisions. Used for the fingerprints of files and for look-ups.
 */
#ifndef STREAM_XXH64_H
#define STREAM_XXH64_H

#include <stddef.h>
#include <stdint.h>

uint64_t xxh64(const void *bytes, size_t len, uint64_t seed);

/* A good spread of one number over 64 bits; not XXH64, and never stored. */
static inline uint64_t xxh64_mix(uint64_t number)
{
	number ^= number >> 32;
	number *= UINT64_C(0x9E3779B185EBCA87);
	number ^= number >> 29;
	number *= UINT64_C(0xC2B2AE3D27D4EB4F);
	return number ^ number >> 32;
}

#endif
