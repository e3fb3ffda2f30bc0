/*
 * Tuples of field values as keys: their hash, whether two are the same, their
 * order. NULL differs from the empty text, and so does a value that is too long.
 */
#ifndef STREAM_EVENT_VALUES_H
#define STREAM_EVENT_VALUES_H

#include "stream/event.h"
#include "stream/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 32 bits of it; the seed is the table's own. */
static inline uint32_t event_values_hash(uint64_t seed, const struct event_value *values, size_t n)
{
	uint64_t hash = seed;

	for (size_t i = 0; i < n; i++) {
		if (values[i].kind == EVENT_VALUE_TEXT)
			hash = hash_bytes(hash, values[i].text, values[i].len);
		else
			/* What no text has in this place: it begins with its length. */
			hash = hash_mix(hash, UINT64_MAX - values[i].kind);
	}
	return (uint32_t)(hash ^ (hash >> 32));
}

static inline bool event_values_are_same(
	const struct event_value *a, const struct event_value *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i].kind != b[i].kind)
			return false;
		if (a[i].kind != EVENT_VALUE_TEXT)
			continue;
		if (a[i].len != b[i].len)
			return false;
		if (a[i].len > 0 && memcmp(a[i].text, b[i].text, a[i].len) != 0)
			return false;
	}
	return true;
}

/* The order of rows: field by field, NULL first, then bytes, the shorter first. */
static inline int event_values_compare(
	const struct event_value *a, const struct event_value *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool a_null = a[i].kind == EVENT_VALUE_NULL;
		bool b_null = b[i].kind == EVENT_VALUE_NULL;
		uint32_t len = a[i].len < b[i].len ? a[i].len : b[i].len;
		int order;

		if (a_null || b_null) {
			if (a_null && b_null)
				continue;
			return a_null ? -1 : 1;
		}
		order = len > 0 ? memcmp(a[i].text, b[i].text, len) : 0;
		if (order != 0)
			return order;
		if (a[i].len != b[i].len)
			return a[i].len < b[i].len ? -1 : 1;
	}
	return 0;
}

#endif
