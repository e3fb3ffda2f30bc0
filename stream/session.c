/*
 * A sorted array of sessions per group, and for each group touched in a batch
 * the part of the array that has changed, as it was. Points are merged from
 * the first session they can touch to the end of the array, so a stream in
 * order touches only tails and one out of order costs no more than a copy.
 */
#include "stream/session.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct list {
	struct session *items; /* in order of start, which is the order of end */
	uint32_t n, cap;
	uint32_t saved; /* 1 + index of what it was; 0: untouched */
};

struct saved {
	uint32_t group;
	uint32_t from; /* items before it are unchanged */
	uint32_t n;
	struct session *items; /* those from `from` on, as they were */
};

struct sessions {
	int64_t gap_us;
	struct list *lists; /* by group */
	size_t n_lists, lists_cap;
	struct saved *saved;
	size_t n_saved, saved_cap;
	uint64_t n, n_before;  /* sessions now, and when the batch began */
	int64_t oldest_end_us; /* no session ends before it */
	size_t bytes;
};

struct sessions *sessions_new(int64_t gap_us)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));

	if (sessions == NULL)
		return NULL;
	sessions->gap_us = gap_us;
	sessions->oldest_end_us = INT64_MAX;
	return sessions;
}

void sessions_free(struct sessions *sessions)
{
	if (sessions == NULL)
		return;
	for (size_t i = 0; i < sessions->n_lists; i++)
		free(sessions->lists[i].items);
	for (size_t i = 0; i < sessions->n_saved; i++)
		free(sessions->saved[i].items);
	free(sessions->lists);
	free(sessions->saved);
	free(sessions);
}

/* NULL: no memory. */
static struct list *list_of(struct sessions *sessions, uint32_t group, struct err *err)
{
	size_t want = (size_t)group + 1;

	if (want > sessions->n_lists) {
		if (!mem_grow(&sessions->lists, &sessions->lists_cap, want, sizeof(struct list))) {
			(void)err_nomem(err);
			return NULL;
		}
		memset(sessions->lists + sessions->n_lists, 0,
			(want - sessions->n_lists) * sizeof(struct list));
		sessions->n_lists = want;
	}
	return &sessions->lists[group];
}

static int list_reserve(struct sessions *sessions, struct list *list, size_t n, struct err *err)
{
	size_t cap = list->cap;
	struct session *items;

	if (n <= cap)
		return 0;
	/* Most groups have few sessions, so growth starts small. */
	cap = cap + cap / 2 > n ? cap + cap / 2 : n;
	if (cap > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "too many sessions of one group");
	items = realloc(list->items, cap * sizeof(*items));
	if (items == NULL)
		return err_nomem(err);
	sessions->bytes += (cap - list->cap) * sizeof(*items);
	list->items = items;
	list->cap = (uint32_t)cap;
	return 0;
}

/* The first session that an event at `time_us` or later can touch: the first that does not end
 * before it. */
static uint32_t first_touched(const struct list *list, int64_t time_us)
{
	uint32_t low = 0;
	uint32_t high = list->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (list->items[middle].end_us < time_us)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Remembers items[from …] as they are, unless an earlier change of this batch has done so. */
static int save(struct sessions *sessions, uint32_t group, uint32_t from, struct err *err)
{
	struct list *list = &sessions->lists[group];
	struct saved *saved;
	struct session *items;
	uint32_t n_new;

	if (list->saved == 0) {
		if (!mem_grow(&sessions->saved, &sessions->saved_cap, sessions->n_saved + 1,
			    sizeof(*saved)))
			return err_nomem(err);
		if (sessions->n_saved == 0)
			sessions->n_before = sessions->n;
		sessions->saved[sessions->n_saved++] =
			(struct saved){.group = group, .from = list->n};
		list->saved = (uint32_t)sessions->n_saved;
	}
	saved = &sessions->saved[list->saved - 1];
	if (from >= saved->from)
		return 0;
	n_new = saved->from - from;
	items = malloc((size_t)(n_new + saved->n) * sizeof(*items));
	if (items == NULL)
		return err_nomem(err);
	memcpy(items, list->items + from, n_new * sizeof(*items));
	if (saved->n > 0)
		memcpy(items + n_new, saved->items, saved->n * sizeof(*items));
	free(saved->items);
	saved->items = items;
	saved->n += n_new;
	saved->from = from;
	return 0;
}

/* Appends to `to`, or merges with its last session from `from` on. */
static void push(struct session *to, uint32_t from, uint32_t *n, const struct session *next)
{
	struct session *last = &to[*n - 1];

	if (*n > from && next->start_us <= last->end_us) {
		if (next->end_us > last->end_us)
			last->end_us = next->end_us;
		last->count += next->count;
		return;
	}
	to[(*n)++] = *next;
}

static struct session session_of(const struct sessions *sessions, const struct session_point *point)
{
	return (struct session){
		.start_us = point->time_us,
		.end_us = point->time_us + sessions->gap_us,
		.count = point->count,
	};
}

/* Merges the old sessions from `from` on with the points into the list. */
static int merge(struct sessions *sessions, struct list *list, uint32_t from,
	const struct session_point *points, size_t n_points, struct err *err)
{
	uint32_t n_old = list->n - from;
	struct session *old;
	uint32_t at = 0;
	size_t next = 0;
	uint32_t n = from;
	int rc = list_reserve(sessions, list, (size_t)list->n + n_points, err);

	if (rc != 0)
		return rc;
	old = malloc((n_old > 0 ? n_old : 1) * sizeof(*old));
	if (old == NULL)
		return err_nomem(err);
	if (n_old > 0)
		memcpy(old, list->items + from, n_old * sizeof(*old));
	while (at < n_old || next < n_points) {
		struct session point;

		if (next == n_points || (at < n_old && old[at].start_us <= points[next].time_us)) {
			push(list->items, from, &n, &old[at++]);
			continue;
		}
		point = session_of(sessions, &points[next++]);
		push(list->items, from, &n, &point);
	}
	free(old);
	sessions->n += n;
	sessions->n -= list->n;
	list->n = n;
	return 0;
}

int sessions_add(struct sessions *sessions, uint32_t group, const struct session_point *points,
	size_t n, struct err *err)
{
	struct list *list;
	uint32_t from;
	int rc;

	if (n == 0)
		return 0;
	list = list_of(sessions, group, err);
	if (list == NULL)
		return ERR_NOMEM;
	from = first_touched(list, points[0].time_us);
	rc = save(sessions, group, from, err);
	if (rc != 0)
		return rc;
	if (points[0].time_us + sessions->gap_us < sessions->oldest_end_us)
		sessions->oldest_end_us = points[0].time_us + sessions->gap_us;
	return merge(sessions, list, from, points, n, err);
}

bool sessions_would_open(const struct sessions *sessions, uint32_t group, int64_t time_us)
{
	const struct list *list;
	uint32_t at;

	if (group >= sessions->n_lists)
		return true;
	list = &sessions->lists[group];
	at = first_touched(list, time_us);
	return at == list->n || list->items[at].start_us > time_us + sessions->gap_us;
}

static int by_start(const void *a, const void *b)
{
	const struct session *one = a;
	const struct session *two = b;

	return one->start_us < two->start_us ? -1 : one->start_us > two->start_us;
}

int sessions_restore(
	struct sessions *sessions, uint32_t group, const struct session *session, struct err *err)
{
	struct list *list = list_of(sessions, group, err);
	bool is_last;
	int rc;

	if (list == NULL)
		return ERR_NOMEM;
	rc = list_reserve(sessions, list, (size_t)list->n + 1, err);
	if (rc != 0)
		return rc;
	is_last = list->n == 0 || list->items[list->n - 1].start_us < session->start_us;
	list->items[list->n++] = *session;
	/* The checkpoint gives them in order; sorting is for one that does not. */
	if (!is_last)
		qsort(list->items, list->n, sizeof(*list->items), by_start);
	sessions->n++;
	if (session->end_us < sessions->oldest_end_us)
		sessions->oldest_end_us = session->end_us;
	return 0;
}

bool sessions_has_closed(struct sessions *sessions, int64_t end_us)
{
	int64_t oldest = INT64_MAX;

	if (end_us < sessions->oldest_end_us)
		return false;
	for (size_t i = 0; i < sessions->n_lists; i++) {
		const struct list *list = &sessions->lists[i];

		if (list->n > 0 && list->items[0].end_us < oldest)
			oldest = list->items[0].end_us;
	}
	sessions->oldest_end_us = oldest;
	return oldest <= end_us;
}

int sessions_close(struct sessions *sessions, int64_t end_us, sessions_closed_fn *each,
	void *context, struct err *err)
{
	if (!sessions_has_closed(sessions, end_us))
		return 0;
	for (size_t i = 0; i < sessions->n_lists; i++) {
		struct list *list = &sessions->lists[i];
		uint32_t n = 0;
		int rc = 0;

		if (list->n > 0 && list->items[0].end_us <= end_us)
			rc = save(sessions, (uint32_t)i, 0, err);
		for (; rc == 0 && n < list->n && list->items[n].end_us <= end_us; n++) {
			if (each != NULL)
				rc = each(context, (uint32_t)i, &list->items[n], err);
		}
		if (rc != 0)
			return rc;
		if (n == 0)
			continue;
		memmove(list->items, list->items + n, (list->n - n) * sizeof(*list->items));
		list->n -= n;
		sessions->n -= n;
	}
	return 0;
}

uint64_t sessions_count(const struct sessions *sessions)
{
	return sessions->n;
}

uint32_t sessions_of_group(const struct sessions *sessions, uint32_t group, struct session **list)
{
	if (group >= sessions->n_lists) {
		*list = NULL;
		return 0;
	}
	*list = sessions->lists[group].items;
	return sessions->lists[group].n;
}

static int each_change_of_group(const struct saved *saved, const struct list *list,
	sessions_change_fn *each, void *context, struct err *err)
{
	static const struct session none;
	const struct session *now = list->items + saved->from;
	uint32_t n_now = list->n - saved->from;
	uint32_t i = 0;
	uint32_t j = 0;

	while (i < saved->n || j < n_now) {
		const struct session *before = i < saved->n ? &saved->items[i] : NULL;
		const struct session *after = j < n_now ? &now[j] : NULL;
		int rc;

		if (before != NULL && after != NULL) {
			if (before->start_us < after->start_us)
				after = NULL;
			else if (before->start_us > after->start_us)
				before = NULL;
		}
		i += before != NULL;
		j += after != NULL;
		if (before != NULL && after != NULL && before->count == after->count &&
			before->end_us == after->end_us)
			continue;
		rc = each(context, saved->group, before != NULL ? before : &none,
			after != NULL ? after : &none, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int sessions_each_change(
	const struct sessions *sessions, sessions_change_fn *each, void *context, struct err *err)
{
	for (size_t i = 0; i < sessions->n_saved; i++) {
		const struct saved *saved = &sessions->saved[i];
		int rc = each_change_of_group(
			saved, &sessions->lists[saved->group], each, context, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A group without sessions gives its memory back. */
static void trim(struct sessions *sessions, struct list *list)
{
	if (list->n > 0 || list->cap == 0)
		return;
	sessions->bytes -= list->cap * sizeof(*list->items);
	free(list->items);
	list->items = NULL;
	list->cap = 0;
}

void sessions_accept(struct sessions *sessions)
{
	for (size_t i = 0; i < sessions->n_saved; i++) {
		struct saved *saved = &sessions->saved[i];
		struct list *list = &sessions->lists[saved->group];

		list->saved = 0;
		free(saved->items);
		trim(sessions, list);
	}
	sessions->n_saved = 0;
}

void sessions_abandon(struct sessions *sessions)
{
	for (size_t i = 0; i < sessions->n_saved; i++) {
		struct saved *saved = &sessions->saved[i];
		struct list *list = &sessions->lists[saved->group];

		/* What was saved stood in this array, so there is room for it. */
		assert((uint64_t)saved->from + saved->n <= list->cap || saved->n == 0);
		if (saved->n > 0)
			memcpy(list->items + saved->from, saved->items,
				saved->n * sizeof(*saved->items));
		list->n = saved->from + saved->n;
		list->saved = 0;
		free(saved->items);
		trim(sessions, list);
	}
	if (sessions->n_saved > 0) {
		sessions->n = sessions->n_before;
		/* What was closed is back; the exact value is found when it is asked for. */
		sessions->oldest_end_us = INT64_MIN;
	}
	sessions->n_saved = 0;
}

size_t sessions_bytes(const struct sessions *sessions)
{
	return sizeof(*sessions) + sessions->bytes + sessions->lists_cap * sizeof(struct list);
}
