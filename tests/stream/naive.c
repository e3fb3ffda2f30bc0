/* No cleverness: every question is a walk over all rows. */
#include "tests/stream/naive.h"

#include "base/mem.h"
#include "base/timestamp.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void naive_init(struct naive *naive, const struct query_spec *spec)
{
	*naive = (struct naive){
		.spec = spec,
		.fields = {-1, -1},
		.max_time_us = INT64_MIN,
		.horizon_us = INT64_MIN,
	};
	for (size_t i = 0; i < spec->n_group_by; i++)
		naive->fields[i] = strcmp(spec->group_by[i].path, "action") == 0 ? 0 : 1;
}

void naive_fini(struct naive *naive)
{
	free(naive->rows);
	*naive = (struct naive){0};
}

static bool is_state(const struct naive *naive, const struct naive_row *row)
{
	if (row->is_closed)
		return false;
	return naive->spec->output_mode != OUTPUT_APPEND || row->is_open;
}

int64_t naive_n_groups(const struct naive *naive)
{
	int64_t n = 0;

	for (size_t i = 0; i < naive->n_rows; i++)
		n += is_state(naive, &naive->rows[i]);
	return n;
}

static void key_of(const struct naive *naive, const struct naive_event *event, char key[64])
{
	size_t len = 0;

	key[0] = '\0';
	for (int i = 0; i < NAIVE_FIELDS && naive->fields[i] >= 0; i++) {
		const char *text = event->fields[naive->fields[i]];

		len += (size_t)snprintf(key + len, 64 - len, "%s|", text != NULL ? text : "NULL");
	}
}

static struct naive_row *add(struct naive *naive, const char *key, int64_t start_us, int64_t end_us)
{
	struct naive_row *row;

	must(mem_grow(&naive->rows, &naive->cap, naive->n_rows + 1, sizeof(*row)));
	row = &naive->rows[naive->n_rows++];
	*row = (struct naive_row){.start_us = start_us, .end_us = end_us, .is_open = true};
	(void)snprintf(row->key, sizeof(row->key), "%s", key);
	return row;
}

static void drop(struct naive *naive, size_t i)
{
	naive->rows[i] = naive->rows[--naive->n_rows];
}

static bool has_room(const struct naive *naive)
{
	return naive_n_groups(naive) < naive->spec->max_groups;
}

static bool drops_late(const struct naive *naive)
{
	return naive->spec->watermark_us >= 0 && naive->spec->output_mode != OUTPUT_COMPLETE;
}

/* Adds the event to one fixed window; false: no room. */
static bool count_window(struct naive *naive, const char *key, int64_t start_us)
{
	struct naive_row *row = NULL;

	for (size_t i = 0; i < naive->n_rows; i++) {
		if (is_state(naive, &naive->rows[i]) && naive->rows[i].start_us == start_us &&
			strcmp(naive->rows[i].key, key) == 0)
			row = &naive->rows[i];
	}
	if (row == NULL) {
		if (!has_room(naive))
			return false;
		row = add(naive, key, start_us, start_us + naive->spec->window_us);
	}
	row->count++;
	return true;
}

static void count_fixed(struct naive *naive, const struct naive_event *event, const char *key)
{
	const struct query_spec *spec = naive->spec;
	bool is_refused = false;
	bool is_late = false;
	bool has_window = false;
	/* Far enough in the past that no window of the event starts earlier. */
	int64_t start = event->time_us - spec->window_us - 2 * spec->slide_us;

	while (start % NAIVE_STEP_US != 0)
		start--;
	while ((start - spec->start_offset_us) % spec->slide_us != 0)
		start += NAIVE_STEP_US;
	for (; start <= event->time_us; start += spec->slide_us) {
		if (start + spec->window_us <= event->time_us)
			continue;
		if (start + spec->window_us <= naive->horizon_us)
			continue;
		has_window = true;
	}
	/* The newest window first, as the engine admits them. */
	for (start -= spec->slide_us; start + spec->window_us > event->time_us;
		start -= spec->slide_us) {
		int64_t end = start + spec->window_us;

		if (drops_late(naive) && end <= naive->watermark_us)
			is_late = true;
		else if (end > naive->horizon_us && !count_window(naive, key, start))
			is_refused = true;
	}
	naive->n_late += is_late || !has_window;
	naive->n_refused += is_refused;
}

/* With `has_limit` a session that would be new needs room. */
static void count_session(
	struct naive *naive, const struct naive_event *event, const char *key, bool has_limit)
{
	struct naive_row merged = {
		.start_us = event->time_us,
		.end_us = event->time_us + naive->spec->session_us,
		.count = 1,
	};
	bool is_joined = false;
	struct naive_row *row;

	if ((drops_late(naive) && merged.end_us <= naive->watermark_us) ||
		merged.end_us <= naive->horizon_us) {
		naive->n_late++;
		return;
	}
	for (size_t i = 0; i < naive->n_rows; i++) {
		const struct naive_row *old = &naive->rows[i];

		if (is_state(naive, old) && strcmp(old->key, key) == 0 &&
			old->start_us <= merged.end_us && merged.start_us <= old->end_us)
			is_joined = true;
	}
	if (!is_joined && has_limit && !has_room(naive)) {
		naive->n_refused++;
		return;
	}
	for (size_t i = 0; i < naive->n_rows;) {
		const struct naive_row old = naive->rows[i];

		if (!is_state(naive, &old) || strcmp(old.key, key) != 0 ||
			old.start_us > merged.end_us || merged.start_us > old.end_us) {
			i++;
			continue;
		}
		if (old.start_us < merged.start_us)
			merged.start_us = old.start_us;
		if (old.end_us > merged.end_us)
			merged.end_us = old.end_us;
		merged.count += old.count;
		drop(naive, i);
		/* What was joined may reach another one now. */
		i = 0;
	}
	row = add(naive, key, merged.start_us, merged.end_us);
	row->count = merged.count;
}

static void count_all(
	struct naive *naive, const struct naive_event *events, size_t n, bool has_limit)
{
	for (size_t i = 0; i < n; i++) {
		char key[64];

		key_of(naive, &events[i], key);
		if (naive->spec->session_us > 0)
			count_session(naive, &events[i], key, has_limit);
		else
			count_fixed(naive, &events[i], key);
		naive->n_events++;
	}
}

/* Sessions are refused only in a batch that would end with too many. */
static void count_limited(struct naive *naive, const struct naive_event *events, size_t n)
{
	struct naive trial = *naive;
	int64_t before = naive_n_groups(naive);
	int64_t after;

	if (naive->spec->session_us == 0) {
		count_all(naive, events, n, true);
		return;
	}
	trial.cap = naive->n_rows + n + 1;
	trial.rows = malloc(trial.cap * sizeof(*trial.rows));
	must(NULL != trial.rows);
	if (naive->n_rows > 0)
		memcpy(trial.rows, naive->rows, naive->n_rows * sizeof(*trial.rows));
	count_all(&trial, events, n, false);
	after = naive_n_groups(&trial);
	free(trial.rows);
	count_all(naive, events, n, after > naive->spec->max_groups && after > before);
}

bool naive_has_closed(const struct naive *naive)
{
	for (size_t i = 0; i < naive->n_rows; i++) {
		if (naive->spec->output_mode == OUTPUT_APPEND && naive->rows[i].is_open &&
			naive->rows[i].end_us <= naive->watermark_us)
			return true;
	}
	return false;
}

static void close_rows(struct naive *naive, int64_t shown_us)
{
	for (size_t i = 0; i < naive->n_rows;) {
		struct naive_row *row = &naive->rows[i];

		if (row->end_us <= naive->horizon_us) {
			drop(naive, i);
			continue;
		}
		if (naive->spec->output_mode == OUTPUT_APPEND && row->end_us <= shown_us)
			row->is_open = false;
		if (naive->spec->output_mode == OUTPUT_UPDATE && naive->spec->watermark_us >= 0 &&
			row->end_us <= naive->watermark_us)
			row->is_closed = true;
		i++;
	}
}

void naive_batch(struct naive *naive, const struct naive_event *events, size_t n)
{
	int64_t shown_us = naive->watermark_us;

	count_limited(naive, events, n);
	for (size_t i = 0; i < n; i++) {
		if (events[i].time_us > naive->max_time_us)
			naive->max_time_us = events[i].time_us;
	}
	if (naive->max_time_us != INT64_MIN && naive->spec->watermark_us >= 0) {
		int64_t floored = naive->max_time_us;

		while (floored % 1000 != 0)
			floored--;
		if (floored - naive->spec->watermark_us > naive->watermark_us)
			naive->watermark_us = floored - naive->spec->watermark_us;
	}
	if (naive->max_time_us != INT64_MIN && naive->spec->retention_us >= 0 &&
		naive->max_time_us - naive->spec->retention_us > naive->horizon_us)
		naive->horizon_us = naive->max_time_us - naive->spec->retention_us;
	close_rows(naive, shown_us);
}

static int by_key(const void *a, const void *b)
{
	const struct naive_row *one = a;
	const struct naive_row *two = b;
	int order;

	if (one->is_open != two->is_open)
		return one->is_open ? 1 : -1;
	order = strcmp(one->key, two->key);
	if (order != 0)
		return order;
	return one->start_us < two->start_us ? -1 : one->start_us > two->start_us;
}

const char *naive_text(struct naive *naive, bool is_open, struct buf *text)
{
	char time[TIMESTAMP_TEXT_BYTES];

	if (naive->n_rows > 0)
		qsort(naive->rows, naive->n_rows, sizeof(*naive->rows), by_key);
	buf_clear(text);
	for (size_t i = 0; i < naive->n_rows; i++) {
		const struct naive_row *row = &naive->rows[i];

		if ((naive->spec->output_mode == OUTPUT_APPEND && row->is_open) != is_open)
			continue;
		buf_add_text(text, row->key);
		buf_add(text, time, timestamp_format(row->start_us, time));
		buf_add_char(text, '|');
		buf_add(text, time, timestamp_format(row->end_us, time));
		buf_add_char(text, '|');
		buf_add_int(text, (int64_t)row->count);
		buf_add_char(text, '\n');
	}
	buf_add_char(text, '\0');
	must(buf_ok(text));
	return text->data;
}
