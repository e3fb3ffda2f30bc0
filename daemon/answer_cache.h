/*
 * Answers that the next poll may have for the price of an echo.
 *
 * An answer is kept under everything it depends on: the statement's text and
 * parameters, the form of the output, the session's time zone, and the
 * snapshot. A new snapshot makes all of them worthless at once. Knows no SQL;
 * whoever keeps an answer has asked whether it may be kept. The loop's alone.
 */
#ifndef DAEMON_ANSWER_CACHE_H
#define DAEMON_ANSWER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answer's bytes at most, and all answers' with their keys. */
#define ANSWER_MAX_BYTES       (64 * 1024 + 4096)
#define ANSWER_CACHE_MAX_BYTES (8 * 1024 * 1024)

struct answer {
	const char *bytes;
	size_t len;
	size_t tail;    /* where the next statement begins in the text */
	int64_t n_rows;
	uint64_t snapshot;
};

struct answer_cache;

/* NULL: no memory. */
struct answer_cache *answer_cache_new(void);
void answer_cache_free(struct answer_cache *cache);

/* The answer's bytes are valid until the next call. */
bool answer_cache_find(struct answer_cache *cache, uint64_t snapshot, const char *key,
	size_t key_len, struct answer *answer);

/*
 * Copies key and bytes. An answer that is too large, or for which there is no
 * memory, is not kept.
 */
void answer_cache_keep(struct answer_cache *cache, const char *key, size_t key_len,
	const struct answer *answer);

#endif
