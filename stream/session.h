/*
 * The state of a query with session windows: for each group, its sessions in
 * order of time. An event opens [t, t + gap); what touches or overlaps merges,
 * in whatever order events arrive.
 *
 * Changes of a batch are made in place and can be taken back: the first change
 * to a group remembers what stood from there on. sessions_each_change() tells
 * what is different now, sessions_accept() forgets the old, sessions_abandon()
 * brings it back. One thread at a time.
 */
#ifndef STREAM_SESSION_H
#define STREAM_SESSION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session {
	int64_t start_us, end_us; /* sessions of a group are at least 1 us apart */
	uint64_t count;
};

/* `count` events of one group at one time. */
struct session_point {
	int64_t time_us;
	uint64_t count;
};

struct sessions;

struct sessions *sessions_new(int64_t gap_us); /* NULL: no memory */
void sessions_free(struct sessions *sessions);

/* Adds points of one group, in order of time. On ERR_NOMEM the batch must be abandoned. */
int sessions_add(struct sessions *sessions, uint32_t group, const struct session_point *points,
	size_t n, struct err *err) __attribute__((warn_unused_result));

/* Whether an event at that time would open a session of its own, rather than join one. */
bool sessions_would_open(const struct sessions *sessions, uint32_t group, int64_t time_us);

/* A session from the checkpoint: kept as it is, not part of a batch. */
int sessions_restore(struct sessions *sessions, uint32_t group, const struct session *session,
	struct err *err) __attribute__((warn_unused_result));

/*
 * Takes all sessions with end <= end_us out and tells `each` (NULL: nobody)
 * of every one. A non-zero return of it or ERR_NOMEM ends it: then the batch
 * must be abandoned.
 */
typedef int sessions_closed_fn(
	void *context, uint32_t group, const struct session *session, struct err *err);
int sessions_close(struct sessions *sessions, int64_t end_us, sessions_closed_fn *each,
	void *context, struct err *err) __attribute__((warn_unused_result));

/*
 * True when sessions_close(end_us) would take something out; exact, cheap when
 * nothing is that old.
 */
bool sessions_has_closed(struct sessions *sessions, int64_t end_us);

uint64_t sessions_count(const struct sessions *sessions);

/*
 * What a batch changed, group by group and in order of start: before and after
 * of the sessions with one start; count 0 stands for "was not" or "is no
 * more". A session whose end alone moved is one change.
 */
typedef int sessions_change_fn(void *context, uint32_t group, const struct session *before,
	const struct session *after, struct err *err);
int sessions_each_change(const struct sessions *sessions, sessions_change_fn *each, void *context,
	struct err *err) __attribute__((warn_unused_result));

/* How many sessions of a group there are: its references. */
uint32_t sessions_of_group(const struct sessions *sessions, uint32_t group, struct session **list);

void sessions_accept(struct sessions *sessions);
void sessions_abandon(struct sessions *sessions);

size_t sessions_bytes(const struct sessions *sessions);

#endif
