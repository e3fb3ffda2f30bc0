/*
 * The names of a query's groups, each kept once: a tuple of fields becomes a
 * small number. A group lives as long as rows of the state count on it, so
 * names that time has closed give their memory back.
 *
 * References are counted by the owner of the rows. A group without references
 * stays until groups_settle(), so that a number taken during a batch is good
 * until the batch is over. One thread at a time.
 */
#ifndef STREAM_GROUPS_H
#define STREAM_GROUPS_H

#include "base/err.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

#define GROUP_NONE UINT32_MAX

struct groups;

/* `n_fields` 0: there is one group, the empty tuple. NULL: no memory. */
struct groups *groups_new(size_t n_fields);
void groups_free(struct groups *groups);

/*
 * The number of the tuple (TEXT or NULL values, copied), made if it is new.
 * ERR_NOMEM, ERR_LIMIT.
 */
int groups_intern(struct groups *groups, const struct event_value *values, uint32_t *group,
	struct err *err) __attribute__((warn_unused_result));

void groups_ref(struct groups *groups, uint32_t group);
void groups_unref(struct groups *groups, uint32_t group);

/* Frees the groups that nothing refers to any more. */
void groups_settle(struct groups *groups);

/* As many as groups_new was told; valid until the group is freed. */
const struct event_value *groups_values(const struct groups *groups, uint32_t group);

uint32_t groups_count(const struct groups *groups);

/* One more than the largest number in use: the size of an array by number. */
uint32_t groups_end(const struct groups *groups);

size_t groups_bytes(const struct groups *groups);

#endif
