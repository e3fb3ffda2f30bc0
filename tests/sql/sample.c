/* Changes by hand. */
#include "tests/sql/sample.h"

#include "base/buf.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(int rc, const struct err *err)
{
	ck_assert_msg(rc == 0, "%s", err->text);
}

void shell(const char *format, ...)
{
	char command[600];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* A chain of everything kept. */
struct kept {
	struct kept *next;
	void *memory;
};

static struct kept *all_kept;

void *sample_keep(void *memory)
{
	struct kept *kept = malloc(sizeof(*kept));

	ck_assert_ptr_nonnull(kept);
	*kept = (struct kept){all_kept, memory};
	all_kept = kept;
	return memory;
}

/* Room for one more; a full array, which has a power of two, becomes twice as large. */
static void *grown(void *array, size_t n, size_t size)
{
	void *bigger = array;

	if ((n & (n - 1)) == 0) {
		bigger = realloc(array, (n > 0 ? 2 * n : 1) * size);
		ck_assert_ptr_nonnull(bigger);
	}
	memset((char *)bigger + n * size, 0, size);
	return bigger;
}

struct spec *sample_spec(const char *name, const char *field)
{
	struct spec *spec = sample_keep(calloc(1, sizeof(*spec)));

	spec->sources = calloc(1, sizeof(*spec->sources));
	spec->n_sources = 1;
	spec->threads = 1;
	strcpy(spec->sources[0].name, "events");
	spec->sources[0].path = strdup("/data/events");
	spec->sources[0].glob = strdup("*");
	spec->sources[0].time_field = strdup("time");
	spec->sources[0].max_file_age_us = -1;
	spec->sources[0].max_event_bytes = 16 << 20;
	sample_add_query(spec, name, field);
	return spec;
}

void sample_add_query(struct spec *spec, const char *name, const char *field)
{
	struct query_spec *query;

	spec->queries = grown(spec->queries, spec->n_queries, sizeof(*spec->queries));
	query = &spec->queries[spec->n_queries++];
	strcpy(query->name, name);
	query->window_us = HOUR;
	query->slide_us = HOUR;
	query->watermark_us = -1;
	query->retention_us = -1;
	query->max_groups = 10000000;
	if (field != NULL) {
		query->group_by = calloc(1, sizeof(*query->group_by));
		query->group_by[0].path = strdup(field);
		query->group_by[0].column = strdup(field);
		query->n_group_by = 1;
	}
}

struct changes *sample_changes(int64_t batch_id)
{
	struct changes *changes = sample_keep(calloc(1, sizeof(*changes)));
	struct query_change *query = calloc(1, sizeof(*query));

	changes->queries = query;
	changes->n_queries = 1;
	/* For as many sources as any of the tests has. */
	changes->reject_totals = calloc(2, sizeof(*changes->reject_totals));
	query->has_progress = true;
	query->message = "Processing new data";
	query->totals = (struct query_totals){.batch_id = batch_id,
		.prefix_id = 1,
		.n_files = 3,
		.n_bytes = 4000,
		.n_events = 100 * (batch_id + 1),
		.max_time_us = START,
		.retention_end_us = INT64_MIN,
		.started_at_us = START,
		.state = QUERY_ACTIVE};
	query->progress = (struct progress){.batch_id = batch_id,
		.timestamp_us = START + batch_id * 2000000,
		.previous_timestamp_us =
			batch_id == 0 ? INT64_MIN : START + (batch_id - 1) * 2000000,
		.trigger_us = 500000,
		.scan_us = 300000,
		.n_rows = 100,
		.n_groups = 2,
		.n_groups_updated = 1,
		.max_time_us = START,
		.min_time_us = START};
	return changes;
}

void sample_add_row(struct changes *changes, const char *group, int64_t start_us, uint64_t count)
{
	struct query_change *query = &changes->queries[0];
	struct event_value *value = calloc(1, sizeof(*value));
	struct row_change *row;

	query->rows = grown(query->rows, query->n_rows, sizeof(*query->rows));
	row = &query->rows[query->n_rows++];
	if (group != NULL)
		*value = (struct event_value){.text = strdup(group),
			.len = (uint32_t)strlen(group),
			.kind = EVENT_VALUE_TEXT};
	else
		value->kind = EVENT_VALUE_NULL;
	*row = (struct row_change){
		.values = value, .start_us = start_us, .end_us = start_us + HOUR, .count = count};
}

void sample_add_long_rows(struct changes *changes, uint64_t count)
{
	char group[900];

	for (int i = 0; i < SAMPLE_LONG_ROWS; i++) {
		(void)snprintf(group, sizeof(group), "g%0*d", (int)sizeof(group) - 2, i);
		sample_add_row(changes, group, START, count);
	}
}

void sample_add_file(struct changes *changes, int64_t id, const char *path, enum file_state state)
{
	struct file *file = calloc(1, sizeof(*file));

	changes->files = grown(changes->files, changes->n_files, sizeof(*changes->files));
	changes->files[changes->n_files++] =
		(struct file_change){.file = file, .least_offset = 1000};
	*file = (struct file){.id = id,
		.path = strdup(path),
		.size = 1000,
		.mtime_ns = START * 1000 + 7,
		.n_events = 10,
		.batch_id = changes->queries[0].totals.batch_id,
		.state = state};
	file->identity = (struct file_identity){.inode = UINT64_MAX - 5,
		.birth_ns = 12345,
		.fp_offset = 1000,
		.fp_head = UINT64_MAX,
		.fp_tail = 99,
		.device = UINT32_MAX,
		.change_mark = 3};
}

void sample_add_offset(struct changes *changes, int64_t prefix_id, int64_t file_id, int64_t offset)
{
	changes->offsets = grown(changes->offsets, changes->n_offsets, sizeof(*changes->offsets));
	changes->offsets[changes->n_offsets++] = (struct offset_change){.prefix_id = prefix_id,
		.file_id = file_id,
		.at = {.offset = offset,
			.skip = 5,
			.line = 11,
			.unpacked = 77,
			.flags = POSITION_SKIP_LINE}};
}

void sample_add_reject(struct changes *changes, int64_t line)
{
	changes->rejects = grown(changes->rejects, changes->n_rejects, sizeof(*changes->rejects));
	changes->rejects[changes->n_rejects++] = (struct reject_change){.path = "file-0.json",
		.reason = REJECT_BAD_JSON,
		.line = line,
		.offset = 100 * line,
		.detail = "unexpected end",
		.text = "{\"ti\xff",
		.text_len = 5};
}

char *sample_ask(sqlite3 *db, const char *sql)
{
	struct buf out = {0};
	sqlite3_stmt *stmt = NULL;
	int rc, i;

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *text = (const char *)sqlite3_column_text(stmt, i);

			buf_add_text(&out, i > 0 ? "|" : "");
			buf_add_text(&out, text != NULL ? text : "");
		}
		buf_add_char(&out, '\n');
	}
	ck_assert_int_eq(rc, SQLITE_DONE);
	(void)sqlite3_finalize(stmt);
	buf_add_char(&out, '\0');
	return sample_keep(out.data);
}
