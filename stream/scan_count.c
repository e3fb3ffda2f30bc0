/* Windows, rows, and which entry means which group. */
#include "stream/scan_count.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/scan_ticks.h"
#include "stream/scan_windows.h"

/* With more groups than that, emptying windows would cost more than they save. */
#define MAX_WINDOW_GROUPS 1024

#define NO_GROUP UINT32_MAX

static struct dict_rest *rest_of(const struct count *count, size_t entry)
{
	return (struct dict_rest *)(void *)((uintptr_t)count->kernel.numbers + entry);
}

/* The kernel counts in the entries of the last table; a pair's end as a text's do. */
_Static_assert(offsetof(struct pair, number) + offsetof(struct dict_rest, counts) ==
		       offsetof(struct pair, counts),
	"the number and counts of a pair lie as in a dict_rest");

static int use(struct count *count, size_t entry, struct err *err)
{
	if (!mem_grow(&count->used, &count->cap_used, count->n_used + 1, sizeof(*count->used)))
		return err_nomem(err);
	count->used[count->n_used++] = entry;
	return 0;
}

static int use_all(struct count *count, size_t n_entries, size_t entry_bytes, struct err *err)
{
	count->n_used = 0;
	for (size_t i = 0; i < n_entries; i++) {
		if (rest_of(count, i * entry_bytes)->number != NO_GROUP &&
			use(count, i * entry_bytes, err) < 0)
			return err->code;
	}
	return 0;
}

/* The tables are as they are now: what was counted must have been flushed. */
static int link_tables(struct count *count, struct err *err)
{
	struct program *program = &count->program;
	uint8_t *numbers = (uint8_t *)&count->alone;
	size_t n_entries = 1, entry_bytes = sizeof(count->alone);

	if (program->n_groups == 1) {
		numbers = dict_numbers(&program->dicts[0]);
		n_entries = program->dicts[0].n_slots;
		entry_bytes = dict_entry(&program->dicts[0], 1);
	} else if (program->n_groups > 1) {
		const struct pairs *pairs = &program->pairs[program->n_groups - 1];

		numbers = (uint8_t *)pairs->entries + offsetof(struct pair, number);
		n_entries = pairs->n_slots;
		entry_bytes = sizeof(struct pair);
	}
	count->kernel.numbers = numbers;
	count->kernel.counts = numbers + offsetof(struct dict_rest, counts);
	if (use_all(count, n_entries, entry_bytes, err) < 0)
		return err->code;
	count->in_rows = count->wants_rows || count->n_used > MAX_WINDOW_GROUPS;
	program_link(program, count->level, count->in_rows);
	return 0;
}

static void close_windows(struct count *count)
{
	for (int i = 0; i < DICT_CURSORS; i++)
		window_close(count, i);
}

/* The times that a window has seen so far are told; it may go on. */
static void tell_times(struct count *count, int cursor)
{
	const uint32_t *seen = count->kernel.windows.seen[cursor];
	const struct window_place *place = &count->places[cursor];
	uint64_t highest = ticks_from_code(ticks_to_code(place->first) + seen[0]);
	uint64_t lowest = ticks_from_code(ticks_to_code(place->last) - seen[2]);

	cells_saw(count->cells, window_time_us(count, cursor, lowest),
		window_time_us(count, cursor, highest));
}

/* 1: there was something to flush. */
static int flush_count(struct count *count, int cursor, size_t entry, struct err *err)
{
	struct dict_rest *rest = rest_of(count, entry);
	uint32_t *n = &rest->counts[cursor];

	if (*n == 0)
		return 0;
	if (cells_add_counted(count->cells, rest->number,
		    window_time_us(count, cursor, count->places[cursor].first), *n, err) < 0)
		return err->code;
	*n = 0;
	return 1;
}

static int flush_window(struct count *count, int cursor, struct err *err)
{
	uint32_t *seen = count->kernel.windows.seen[cursor];
	bool has_counted = false;

	for (size_t i = 0; i < count->n_used && count->is_dirty; i++) {
		int rc = flush_count(count, cursor, count->used[i], err);

		if (rc < 0)
			return rc;
		has_counted |= rc > 0;
	}
	if (has_counted)
		tell_times(count, cursor);
	seen[0] = seen[2] = 0;
	return 0;
}

static int flush_windows(struct count *count, struct err *err)
{
	for (int i = 0; i < DICT_CURSORS && count->is_dirty; i++) {
		if (flush_window(count, i, err) < 0)
			return err->code;
	}
	count->is_dirty = false;
	return 0;
}

/* The group of an entry is about to change: what the windows hold under it goes to the cells. */
static int flush_entry(struct count *count, size_t entry, struct err *err)
{
	for (int i = 0; i < DICT_CURSORS && count->is_dirty; i++) {
		int rc = flush_count(count, i, entry, err);

		if (rc < 0)
			return rc;
		if (rc > 0)
			tell_times(count, i);
	}
	return 0;
}

/* The cursor's window moves to where the record is; in rows, only its date counts. */
static int learn_time(struct count *count, const struct match *match, int cursor, struct err *err)
{
	int64_t base_us;

	if (!window_base_us(count, match, &base_us))
		return 0;
	if (count->in_rows) {
		count->places[cursor].base_us = base_us;
	} else if (window_has(count, cursor, base_us, match->time_us)) {
		return 0;
	} else {
		if (flush_window(count, cursor, err) < 0)
			return err->code;
		window_place(count, cursor, base_us, match->time_us);
		count->n_moves++;
	}
	if (count->program.time.is_spelled)
		memcpy(count->kernel.windows.date[cursor], match->time, 10);
	return 0;
}

/* A table must change: its entries move. */
static int reshape(struct count *count, size_t which, bool is_pairs, struct err *err)
{
	struct program *program = &count->program;
	bool is_done;

	if (flush_windows(count, err) < 0)
		return err->code;
	is_done = is_pairs ? pairs_reshape(&program->pairs[which])
			   : dict_reshape(&program->dicts[which]);
	return is_done ? link_tables(count, err) : err_nomem(err);
}

/* An entry of the last table is about to get a group. */
static int use_entry(struct count *count, size_t entry, struct err *err)
{
	if (rest_of(count, entry)->number != NO_GROUP)
		return flush_entry(count, entry, err);
	if (count->n_used == MAX_WINDOW_GROUPS && !count->in_rows) {
		if (flush_windows(count, err) < 0)
			return err->code;
		close_windows(count);
		count->in_rows = true;
		program_link(&count->program, count->level, true);
	}
	return use(count, entry, err);
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

/* A number that stands for a text or pair in the next table. */
static bool new_number(struct count *count, uint32_t *number)
{
	*number = count->next_number++;
	return *number < DICT_MAX_NUMBER;
}

/*
 * Puts what is missing into one table. 1: it is there, *entry and *number are
 * set; 0: not possible now, the record will be matched carefully next time too.
 */
static int learn_text(struct count *count, const struct match *match, size_t which, uint32_t group,
	uint32_t *number, struct err *err)
{
	struct dict *dict = &count->program.dicts[which];
	uint32_t field = count->program.fields[which];
	const char *text = match->sources[field];
	size_t len = match->source_lens[field];
	bool is_last = count->program.n_groups == 1;
	size_t entry;

	switch (dict_find(dict, text, len, &entry)) {
	case DICT_FOUND: *number = dict_rest(dict, entry)->number; return 1;
	case DICT_TOO_LONG: return 0;
	case DICT_RESHAPE: return reshape(count, which, false, err);
	case DICT_MISSING: break;
	}
	if (is_last && use_entry(count, entry, err) < 0)
		return err->code;
	*number = group;
	if (!is_last && !new_number(count, number))
		return 0;
	count->n_taught += dict_rest(dict, entry)->number == NO_GROUP;
	dict_place(dict, text, len, entry, *number);
	return 1;
}

static int learn_pair(struct count *count, size_t which, uint64_t key, uint32_t group,
	uint32_t *number, struct err *err)
{
	struct pairs *pairs = &count->program.pairs[which];
	bool is_last = which + 1 == count->program.n_groups;
	struct pair *pair;

	switch (pairs_find(pairs, key, &pair)) {
	case DICT_FOUND: *number = pair->number; return 1;
	case DICT_RESHAPE: return reshape(count, which, true, err);
	default: break;
	}
	if (is_last && use_entry(count, (size_t)((char *)pair - (char *)pairs->entries), err) < 0)
		return err->code;
	*number = group;
	if (!is_last && !new_number(count, number))
		return 0;
	count->n_taught += pair->number == NO_GROUP;
	pairs_place(pairs, key, pair, *number);
	return 1;
}

static int learn_group(
	struct count *count, const struct match *match, uint32_t group, struct err *err)
{
	const struct program *program = &count->program;
	uint32_t so_far = 0, number = 0;
	int rc;

	if (program->n_groups == 0 && count->n_used == 0) {
		if (use_entry(count, 0, err) < 0)
			return err->code;
		count->alone.number = group;
	}
	for (size_t i = 0; i < program->n_groups; i++) {
		if (!is_findable(count, match, i))
			return 0;
		rc = learn_text(count, match, i, group, &number, err);
		if (rc > 0 && i > 0)
			rc = learn_pair(count, i, pairs_key(so_far, number), group, &number, err);
		if (rc <= 0)
			return rc;
		so_far = number;
	}
	return 0;
}

int count_learn(
	struct count *count, const struct match *match, uint32_t group, int cursor, struct err *err)
{
	if (learn_group(count, match, group, err) < 0)
		return err->code;
	return learn_time(count, match, cursor, err);
}

bool count_init(struct count *count, const struct shape *shape, const struct kernel_level *level,
	struct cells *cells, int64_t bucket_us)
{
	struct err err = ERR_INIT;

	memset(count, 0, sizeof(*count));
	count->level = level;
	count->cells = cells;
	count->bucket_us = bucket_us;
	count->alone.number = NO_GROUP;
	if (!program_init(&count->program, shape))
		return false;
	count->kernel.steps = count->program.steps;
	count->kernel.rest = count->program.rest;
	close_windows(count);
	if (link_tables(count, &err) == 0)
		return true;
	count_fini(count);
	return false;
}

void count_fini(struct count *count)
{
	program_fini(&count->program);
	free(count->used);
	memset(count, 0, sizeof(*count));
}

int count_set_rows(struct count *count, bool wants_rows, struct err *err)
{
	bool in_rows = wants_rows || count->n_used > MAX_WINDOW_GROUPS;

	count->wants_rows = wants_rows;
	if (count->in_rows == in_rows)
		return 0;
	if (flush_windows(count, err) < 0)
		return err->code;
	count->in_rows = in_rows;
	close_windows(count);
	program_link(&count->program, count->level, in_rows);
	return 0;
}

/* Rows may have moved since the last time; where there are none, all is outside. */
static void ready_rows(struct count *count)
{
	struct rows *rows = &count->kernel.rows;
	struct cells_rows dense;

	cells_rows(count->cells, &dense);
	rows->counts = dense.counts;
	rows->stride = dense.stride;
	rows->unit_us = (uint64_t)dense.unit_us;
	rows->bucket_us = (uint64_t)dense.bucket_us;
	rows->reciprocal = UINT64_MAX / rows->unit_us;
	rows->span_us = dense.n_rows * rows->unit_us;
	/* A spelled time's value is in microseconds, whatever its digits count. */
	rows->value_us = count->program.time.is_spelled ? 1 : (uint64_t)count->program.time.tick_us;
	rows->start_us = dense.start_us;
	rows->epoch_us = (uint64_t)dense.start_us - (uint64_t)TIMESTAMP_MIN_US;
	for (int i = 0; i < DICT_CURSORS; i++)
		rows->add_us[i] = (uint64_t)count->places[i].base_us - (uint64_t)dense.start_us;
	rows->min_us = UINT64_MAX;
	rows->max_us = 0;
	rows->n_in_rows = 0;
	rows->n_outside = 0;
}

/* What was counted in the rows and outside is told to the cells. */
static int tell_rows(struct count *count, struct err *err)
{
	const struct rows *rows = &count->kernel.rows;

	if (cells_noted(count->cells, rows->n_in_rows, rows->start_us + (int64_t)rows->min_us,
		    rows->start_us + (int64_t)rows->max_us, err) < 0)
		return err->code;
	for (size_t i = 0; i < rows->n_outside; i++) {
		if (cells_add(count->cells, rows->outside[i].group, rows->outside[i].time_us, 1,
			    err) < 0)
			return err->code;
	}
	return 0;
}

int count_run(struct count *count, uint32_t *failed, uint64_t *n_records, struct err *err)
{
	uint64_t n = count->kernel.n_counted;

	*n_records = 0;
	*failed = (1u << DICT_CURSORS) - 1;
	/* Which group it is that has no field the first record tells. */
	if (count->program.n_groups == 0 && count->n_used == 0)
		return 0;
	count->is_dirty |= !count->in_rows;
	do {
		if (count->in_rows)
			ready_rows(count);
		*failed = count->level->run(&count->kernel, count->in_rows);
		if (count->in_rows && tell_rows(count, err) < 0)
			return err->code;
	} while (*failed == 0);
	*n_records = count->kernel.n_counted - n;
	return 0;
}

int count_flush(struct count *count, struct err *err)
{
	return flush_windows(count, err);
}
