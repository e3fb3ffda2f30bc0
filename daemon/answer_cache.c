/* A hash table with chains; it is emptied as a whole, so entries have no other life. */
#include "daemon/answer_cache.h"

#include "stream/xxh64.h"

#include <stdlib.h>
#include <string.h>

#define N_BUCKETS 1024

struct entry {
	struct entry *next;
	uint64_t hash;
	size_t key_len;
	struct answer answer; /* bytes point into data */
	char data[];          /* the key, then the bytes */
};

struct answer_cache {
	uint64_t snapshot; /* all entries are of it */
	size_t n_bytes, n_entries;
	struct entry *buckets[N_BUCKETS];
};

struct answer_cache *answer_cache_new(void)
{
	return calloc(1, sizeof(struct answer_cache));
}

static void clear(struct answer_cache *cache)
{
	if (cache->n_entries == 0)
		return;
	for (size_t i = 0; i < N_BUCKETS; i++) {
		struct entry *entry = cache->buckets[i];
		while (entry != NULL) {
			struct entry *next = entry->next;
			free(entry);
			entry = next;
		}
		cache->buckets[i] = NULL;
	}
	cache->n_bytes = 0;
	cache->n_entries = 0;
}

void answer_cache_free(struct answer_cache *cache)
{
	if (cache == NULL)
		return;
	clear(cache);
	free(cache);
}

static void turn_to(struct answer_cache *cache, uint64_t snapshot)
{
	if (cache->snapshot == snapshot)
		return;
	clear(cache);
	cache->snapshot = snapshot;
}

static struct entry *find(
	struct answer_cache *cache, uint64_t hash, const char *key, size_t key_len)
{
	struct entry *entry = cache->buckets[hash % N_BUCKETS];

	while (entry != NULL && (entry->hash != hash || entry->key_len != key_len ||
					memcmp(entry->data, key, key_len) != 0))
		entry = entry->next;
	return entry;
}

bool answer_cache_find(struct answer_cache *cache, uint64_t snapshot, const char *key,
	size_t key_len, struct answer *answer)
{
	turn_to(cache, snapshot);
	if (cache->n_entries == 0)
		return false;
	const struct entry *entry = find(cache, xxh64(key, key_len, 0), key, key_len);
	if (entry == NULL)
		return false;
	*answer = entry->answer;
	return true;
}

void answer_cache_keep(
	struct answer_cache *cache, const char *key, size_t key_len, const struct answer *answer)
{
	uint64_t hash = xxh64(key, key_len, 0);
	size_t size = sizeof(struct entry) + key_len + answer->len;

	if (answer->len > ANSWER_MAX_BYTES || answer->snapshot < cache->snapshot)
		return;
	turn_to(cache, answer->snapshot);
	if (find(cache, hash, key, key_len) != NULL)
		return;
	if (cache->n_bytes + size > ANSWER_CACHE_MAX_BYTES)
		clear(cache);
	struct entry *entry = malloc(size);
	if (entry == NULL)
		return;
	entry->hash = hash;
	entry->key_len = key_len;
	entry->answer = *answer;
	memcpy(entry->data, key, key_len);
	if (answer->len > 0)
		memcpy(entry->data + key_len, answer->bytes, answer->len);
	entry->answer.bytes = entry->data + key_len;
	entry->next = cache->buckets[hash % N_BUCKETS];
	cache->buckets[hash % N_BUCKETS] = entry;
	cache->n_bytes += size;
	cache->n_entries++;
}
