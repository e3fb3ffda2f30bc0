/* Windows, rows, and which slot means which group. */
#include "stream/scan_count.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timestamp.h"

/* More slots than that would make windows cost more than they save: rows are used instead. */
#define MAX_WINDOW_SLOTS 1024

static void forget_slots(struct count *count)
{
	memset(count->groups, 0xff, count->n_slots * sizeof(*count->groups));
	count->n_used = 0;
}

/* Arrays by slot for the tables as they are now. What was counted must have been flushed. */
static bool make_slots(struct count *count)
{
	uint32_t n_slots = program_n_slots(&count->program);
	uint32_t n_windows = n_slots <= MAX_WINDOW_SLOTS ? n_slots * KERNEL_CURSORS : 1;
	uint32_t *groups = mem_new_array(n_slots, sizeof(*groups));
	uint32_t *counts = mem_new_array(n_windows, sizeof(*counts));

	if (groups == NULL || counts == NULL) {
		free(groups);
		free(counts);
		return false;
	}
	free(count->groups);
	free(count->kernel.windows.counts);
	count->groups = groups;
	count->n_slots = n_slots;
	count->kernel.windows.counts = counts;
	count->kernel.windows.n_slots = n_slots;
	forget_slots(count);
	return true;
}

/* A window that no value lies in. */
static void close_window(struct count *count, int cursor)
{
	struct windows *windows = &count->kernel.windows;

	count->places[cursor] = (struct window_place){.first = 1, .last = 0};
	windows->add[cursor][0] = windows->add[cursor][1] = UINT64_C(1) << 62;
	memset(windows->limit[cursor], 0, sizeof(windows->limit[cursor]));
	memset(windows->seen[cursor], 0, sizeof(windows->seen[cursor]));
	memset(windows->date[cursor], 0, sizeof(windows->date[cursor]));
}

bool count_init(
	struct count *count, const struct shape *shape, struct cells *cells, int64_t bucket_us)
{
	memset(count, 0, sizeof(*count));
	count->cells = cells;
	count->bucket_us = bucket_us;
	if (!program_init(&count->program, shape))
		return false;
	if (!make_slots(count)) {
		count_fini(count);
		return false;
	}
	count->kernel.steps = count->program.steps;
	for (int i = 0; i < KERNEL_CURSORS; i++)
		close_window(count, i);
	return true;
}

void count_fini(struct count *count)
{
	program_fini(&count->program);
	free(count->groups);
	free(count->used);
	free(count->kernel.windows.counts);
	memset(count, 0, sizeof(*count));
}

static bool is_in_rows(const struct count *count)
{
	return count->in_rows || count->n_slots > MAX_WINDOW_SLOTS;
}

/* --- windows ------------------------------------------------------------- */

static int64_t time_of(const struct count *count, int cursor, uint64_t value)
{
	return count->places[cursor].base_us + (int64_t)value * count->program.time.value_us;
}

/* The times that a window has seen so far are told; it may go on. */
static void tell_times(struct count *count, int cursor)
{
	const uint32_t *seen = count->kernel.windows.seen[cursor];
	const struct window_place *place = &count->places[cursor];

	cells_saw(count->cells, time_of(count, cursor, place->last - seen[2]),
		time_of(count, cursor, place->first + seen[0]));
}

static int flush_count(struct count *count, int cursor, uint32_t slot, struct err *err)
{
	struct windows *windows = &count->kernel.windows;
	uint32_t *n = &windows->counts[(size_t)cursor * windows->n_slots + slot];

	if (*n == 0)
		return 0;
	if (cells_add_counted(count->cells, count->groups[slot],
		    time_of(count, cursor, count->places[cursor].first), *n, err) < 0)
		return err->code;
	*n = 0;
	return 1;
}

static int flush_window(struct count *count, int cursor, struct err *err)
{
	const struct window_place *place = &count->places[cursor];
	bool has_counted = false;

	if (place->first > place->last || is_in_rows(count))
		return 0;
	for (uint32_t i = 0; i < count->n_used; i++) {
		int rc = flush_count(count, cursor, count->used[i], err);

		if (rc < 0)
			return rc;
		has_counted |= rc > 0;
	}
	if (has_counted)
		tell_times(count, cursor);
	memset(count->kernel.windows.seen[cursor], 0, sizeof(count->kernel.windows.seen[cursor]));
	return 0;
}

static int flush_windows(struct count *count, struct err *err)
{
	if (!count->is_dirty)
		return 0;
	count->is_dirty = false;
	for (int i = 0; i < KERNEL_CURSORS; i++) {
		if (flush_window(count, i, err) < 0)
			return err->code;
	}
	return 0;
}

/* The group of a slot is about to change: what the windows hold under it goes to the cells. */
static int flush_slot(struct count *count, uint32_t slot, struct err *err)
{
	for (int i = 0; i < KERNEL_CURSORS && !is_in_rows(count); i++) {
		int rc = flush_count(count, i, slot, err);

		if (rc < 0)
			return rc;
		if (rc > 0)
			tell_times(count, i);
	}
	return 0;
}

static int64_t floor_div(int64_t n, int64_t d)
{
	int64_t quotient = n / d;

	return n % d < 0 ? quotient - 1 : quotient;
}

static int64_t max_64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/*
 * The stretch of values around a time that lies in its bucket, in the years
 * that exist, and is shorter than 2^32 values.
 */
static void place_window(struct count *count, int cursor, int64_t base_us, int64_t time_us)
{
	struct windows *windows = &count->kernel.windows;
	int64_t value_us = count->program.time.value_us;
	int64_t start_us = floor_div(time_us, count->bucket_us) * count->bucket_us;
	int64_t end_us = start_us + count->bucket_us - 1;
	int64_t value = floor_div(time_us - base_us, value_us);
	int64_t first, last;
	uint32_t length;

	start_us = max_64(start_us, TIMESTAMP_MIN_US);
	end_us = end_us < TIMESTAMP_MAX_US ? end_us : TIMESTAMP_MAX_US;
	first = -floor_div(-(start_us - base_us), value_us);
	last = floor_div(end_us - base_us, value_us);
	first = max_64(max_64(first, 0), value - (INT64_C(1) << 30));
	if (last - first > UINT32_MAX - 1)
		last = first + UINT32_MAX - 1;
	if (last < first) {
		close_window(count, cursor);
		return;
	}
	count->places[cursor] = (struct window_place){
		.first = (uint64_t)first, .last = (uint64_t)last, .base_us = base_us};
	windows->add[cursor][0] = 0 - (uint64_t)first;
	windows->add[cursor][1] = (uint64_t)last + 1;
	length = (uint32_t)(last - first);
	windows->limit[cursor][0] = windows->limit[cursor][2] = length;
}

/* The time of the value 0 for a record: its date. False where it is not written in the program's
 * form. */
static bool base_of(const struct count *count, const struct match *match, int64_t *base_us)
{
	const struct time_form *form = &count->program.time;

	if (match->time_len != form->len)
		return false;
	*base_us = 0;
	if (!form->is_spelled)
		return true;
	if (match->time[10] != form->separator || !timestamp_parse(match->time, 10, base_us))
		return false;
	*base_us += form->zone_us;
	return true;
}

static bool is_in_window(const struct count *count, int cursor, int64_t base_us, int64_t time_us)
{
	const struct window_place *place = &count->places[cursor];

	return place->first <= place->last && place->base_us == base_us &&
	       time_us >= time_of(count, cursor, place->first) &&
	       time_us < time_of(count, cursor, place->last + 1);
}

/* The cursor's window moves to where the record is; in rows, only its date counts. */
static int learn_time(struct count *count, const struct match *match, int cursor, struct err *err)
{
	int64_t base_us;

	if (!base_of(count, match, &base_us))
		return 0;
	if (is_in_rows(count)) {
		count->places[cursor].base_us = base_us;
	} else if (is_in_window(count, cursor, base_us, match->time_us)) {
		return 0;
	} else {
		if (flush_window(count, cursor, err) < 0)
			return err->code;
		place_window(count, cursor, base_us, match->time_us);
		count->n_moves++;
	}
	if (count->program.time.is_spelled)
		memcpy(count->kernel.windows.date[cursor], match->time, 10);
	return 0;
}

/* --- groups -------------------------------------------------------------- */

/* A table must change: all slots lose their meaning. */
static int reshape(struct count *count, size_t which, bool is_pairs, struct err *err)
{
	struct program *program = &count->program;
	bool is_done;

	if (flush_windows(count, err) < 0)
		return err->code;
	is_done = is_pairs ? pairs_reshape(&program->pairs[which])
			   : dict_reshape(&program->dicts[which]);
	/* The numbers of a table begin anew, so the pairs made of them are void. */
	for (size_t i = which + 1; i < program->n_groups && is_done; i++)
		is_done = pairs_reshape(&program->pairs[i]);
	if (!is_pairs && which > 0 && is_done)
		is_done = pairs_reshape(&program->pairs[which]);
	if (!is_done || !make_slots(count))
		return err_nomem(err);
	return 0;
}

static int use_slot(struct count *count, uint32_t slot, uint32_t group, struct err *err)
{
	if (count->groups[slot] != UINT32_MAX) {
		if (flush_slot(count, slot, err) < 0)
			return err->code;
	} else {
		if (!mem_grow(&count->used, &count->cap_used, (size_t)count->n_used + 1,
			    sizeof(*count->used)))
			return err_nomem(err);
		count->used[count->n_used++] = slot;
	}
	count->groups[slot] = group;
	return 0;
}

/* Whether the text of the field can be found by the program's step for it. */
static bool is_findable(const struct count *count, const struct match *match, size_t which)
{
	uint32_t field = count->program.fields[which];
	enum json_type type = match->types[field];

	if (match->sources[field] == NULL)
		return false;
	return count->program.is_bare[which] ? type <= JSON_NUMBER : type == JSON_STRING;
}

/*
 * Puts what is missing into one table. 1: done, *slot and *is_new are set; 0:
 * not possible now, the record will be matched carefully next time too.
 */
static int learn_text(struct count *count, const struct match *match, size_t which, bool is_last,
	uint32_t group, uint32_t *slot, struct err *err)
{
	struct dict *dict = &count->program.dicts[which];
	uint32_t field = count->program.fields[which];
	const char *text = match->sources[field];
	size_t len = match->source_lens[field];

	switch (dict_find(dict, text, len, slot)) {
	case DICT_FOUND: return 1;
	case DICT_TOO_LONG: return 0;
	case DICT_RESHAPE: return reshape(count, which, false, err);
	case DICT_MISSING: break;
	}
	if (is_last && use_slot(count, *slot, group, err) < 0)
		return err->code;
	count->n_taught += dict_id(dict, *slot) == 0;
	dict_place(dict, text, len, *slot);
	return 1;
}

static int learn_pair(struct count *count, size_t which, uint64_t key, bool is_last, uint32_t group,
	uint32_t *slot, struct err *err)
{
	struct pairs *pairs = &count->program.pairs[which];
	enum dict_find found = pairs_find(pairs, key, slot);

	if (found == DICT_FOUND)
		return 1;
	if (found == DICT_RESHAPE)
		return reshape(count, which, true, err);
	if (is_last && use_slot(count, *slot, group, err) < 0)
		return err->code;
	count->n_taught += pairs->keys[*slot] == 0;
	pairs_place(pairs, key, *slot);
	return 1;
}

static int learn_group(
	struct count *count, const struct match *match, uint32_t group, struct err *err)
{
	const struct program *program = &count->program;
	uint32_t slot, number = 0;
	int rc;

	for (size_t i = 0; i < program->n_groups; i++) {
		bool is_last = i + 1 == program->n_groups;

		if (!is_findable(count, match, i))
			return 0;
		rc = learn_text(count, match, i, is_last && i == 0, group, &slot, err);
		if (rc <= 0)
			return rc;
		if (i == 0) {
			number = dict_id(&program->dicts[i], slot);
			continue;
		}
		rc = learn_pair(count, i, pairs_key(number, dict_id(&program->dicts[i], slot)),
			is_last, group, &slot, err);
		if (rc <= 0)
			return rc;
		number = program->pairs[i].ids[slot];
	}
	return program->n_groups == 0 && count->n_used == 0 ? use_slot(count, 0, group, err) : 0;
}

int count_learn(
	struct count *count, const struct match *match, uint32_t group, int cursor, struct err *err)
{
	if (learn_group(count, match, group, err) < 0)
		return err->code;
	return learn_time(count, match, cursor, err);
}

/* --- running ------------------------------------------------------------- */

int count_set_rows(struct count *count, bool in_rows, struct err *err)
{
	if (count->in_rows == in_rows)
		return 0;
	if (flush_windows(count, err) < 0)
		return err->code;
	count->in_rows = in_rows;
	for (int i = 0; i < KERNEL_CURSORS; i++)
		close_window(count, i);
	return 0;
}

/* Rows may have moved since the last time. False where there are none to count in. */
static bool ready_rows(struct count *count)
{
	struct rows *rows = &count->kernel.rows;
	struct cells_rows dense;
	uint64_t room_us;

	cells_rows(count->cells, &dense);
	if (dense.n_rows == 0 || dense.start_us < TIMESTAMP_MIN_US ||
		dense.start_us > TIMESTAMP_MAX_US)
		return false;
	rows->counts = dense.counts;
	rows->groups = count->groups;
	rows->stride = dense.stride;
	rows->unit_us = (uint64_t)dense.unit_us;
	rows->bucket_us = (uint64_t)dense.bucket_us;
	rows->reciprocal = UINT64_MAX / rows->unit_us;
	rows->span_us = dense.n_rows * rows->unit_us;
	room_us = (uint64_t)(TIMESTAMP_MAX_US - dense.start_us) + 1;
	if (rows->span_us > room_us)
		rows->span_us = room_us;
	rows->value_us = (uint64_t)count->program.time.value_us;
	for (int i = 0; i < KERNEL_CURSORS; i++)
		rows->add_us[i] = (uint64_t)count->places[i].base_us - (uint64_t)dense.start_us;
	rows->min_us = UINT64_MAX;
	rows->max_us = 0;
	return true;
}

int count_run(struct count *count, kernel_fn *kernel, uint32_t *failed, uint64_t *n_records,
	struct err *err)
{
	uint64_t n = count->kernel.n_counted;
	bool in_rows = is_in_rows(count);
	struct cells_rows dense;

	*n_records = 0;
	*failed = (1u << KERNEL_CURSORS) - 1;
	if (in_rows && !ready_rows(count))
		return 0;
	program_count_in(&count->program, in_rows);
	count->is_dirty |= !in_rows;
	*failed = kernel(&count->kernel);
	*n_records = count->kernel.n_counted - n;
	if (!in_rows || *n_records == 0)
		return 0;
	cells_rows(count->cells, &dense);
	return cells_noted(count->cells, *n_records,
		dense.start_us + (int64_t)count->kernel.rows.min_us,
		dense.start_us + (int64_t)count->kernel.rows.max_us, err);
}

int count_flush(struct count *count, struct err *err)
{
	return flush_windows(count, err);
}
