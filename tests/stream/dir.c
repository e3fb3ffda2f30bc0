/* See the header: real files, a real stream, and a checkpoint made of arrays that checks what it is
 * given. */
#include "tests/stream/dir.h"

#include "base/mem.h"
#include "base/timestamp.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *copy(const char *text)
{
	char *made = mem_copy_text(text, strlen(text));

	must(NULL != made);
	return made;
}

#define GROW(array, cap, want) must(mem_grow(&(array), &(cap), (want), sizeof(*(array))))

void bench_set_fields(struct query_spec *query, const char *const *paths, size_t n)
{
	for (size_t i = 0; i < query->n_group_by; i++) {
		free(query->group_by[i].path);
		free(query->group_by[i].column);
	}
	free(query->group_by);
	query->group_by = mem_new_array(n, sizeof(*query->group_by));
	query->n_group_by = n;
	for (size_t i = 0; i < n; i++)
		query->group_by[i] =
			(struct field_spec){.path = copy(paths[i]), .column = copy(paths[i])};
}

struct query_spec *bench_add_query(struct bench *bench, const char *name)
{
	static const char *const action[] = {"action"};
	struct query_spec *query = &bench->queries[bench->spec.n_queries++];

	*query = (struct query_spec){
		.window_us = US_PER_HOUR,
		.slide_us = US_PER_HOUR,
		.watermark_us = -1,
		.retention_us = -1,
		.max_groups = 10000000,
	};
	(void)snprintf(query->name, sizeof(query->name), "%s", name);
	bench_set_fields(query, action, 1);
	return query;
}

void bench_init(struct bench *bench)
{
	*bench = (struct bench){.dir = "/tmp/tallyd-test-XXXXXX", .now_us = US_PER_S};
	must(NULL != mkdtemp(bench->dir));
	bench->mtime_s = 1000000000;
	bench->sources[0] = (struct source_spec){
		.name = "events",
		.path = copy(bench->dir),
		.glob = copy("*"),
		.poll_interval_us = US_PER_S,
		.max_file_age_us = -1,
		.max_event_bytes = 16 << 20,
		.time_field = copy("time"),
	};
	bench->spec = (struct spec){
		.sources = bench->sources,
		.n_sources = 1,
		.queries = bench->queries,
		.threads = 1,
	};
	(void)bench_add_query(bench, "counts");
}

static void make_store(struct bench *bench)
{
	struct store_copy *store = &bench->store;

	store->n_sources = bench->spec.n_sources;
	store->n_queries = 8;
	store->queries = mem_new_array(store->n_queries, sizeof(*store->queries));
	for (size_t i = 0; i < store->n_queries; i++)
		store->queries[i].totals.batch_id = -1;
}

static void open_stream(struct bench *bench)
{
	struct err err = ERR_INIT;
	int rc = stream_open(&bench->stream, &bench->spec, &err);

	must_msg(rc == 0, "stream_open: %s", err.text);
}

void bench_open(struct bench *bench)
{
	struct err err = ERR_INIT;

	make_store(bench);
	open_stream(bench);
	must(stream_restored(bench->stream, &err) == 0);
}

static int by_id(const void *a, const void *b)
{
	const struct kept_file *one = a;
	const struct kept_file *two = b;

	return one->file.id < two->file.id ? -1 : one->file.id > two->file.id;
}

static void restore_query(struct bench *bench, size_t i)
{
	const struct kept_query *kept = &bench->store.queries[i];
	struct err err = ERR_INIT;

	if (!kept->is_known)
		return;
	must(stream_restore_query(bench->stream, i, &kept->totals, &err) == 0);
	for (size_t j = 0; j < kept->n_rows; j++) {
		const struct kept_row *row = &kept->rows[j];

		must(stream_restore_row(bench->stream, i, row->values, row->start_us, row->end_us,
			     row->count, row->is_open, &err) == 0);
	}
}

void bench_restart(struct bench *bench)
{
	struct store_copy *store = &bench->store;
	struct err err = ERR_INIT;

	stream_close(bench->stream);
	open_stream(bench);
	if (store->n_files > 0)
		qsort(store->files, store->n_files, sizeof(*store->files), by_id);
	for (size_t i = 0; i < store->n_files; i++)
		must(stream_restore_file(bench->stream, store->files[i].source,
			     &store->files[i].file, &err) == 0);
	for (size_t i = 0; i < store->n_offsets; i++)
		must(stream_restore_offset(bench->stream, store->offsets[i].source,
			     &store->offsets[i].offset, &err) == 0);
	for (size_t i = 0; i < bench->spec.n_queries; i++)
		restore_query(bench, i);
	for (size_t i = 0; i < store->n_sources; i++)
		stream_restore_reject_totals(bench->stream, i, store->reject_totals[i]);
	must(stream_restored(bench->stream, &err) == 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clear_rows(struct kept_query *kept, size_t n_fields)
{
	(void)n_fields;
	for (size_t i = 0; i < kept->n_rows; i++)
		free(kept->rows[i].values);
	kept->n_rows = 0;
}

void bench_close(struct bench *bench)
{
	struct store_copy *store = &bench->store;

	stream_close(bench->stream);
	for (size_t i = 0; i < store->n_queries; i++) {
		clear_rows(&store->queries[i], 0);
		free(store->queries[i].rows);
		free(store->queries[i].exception);
	}
	for (size_t i = 0; i < store->n_files; i++) {
		free(store->files[i].file.path);
		free(store->files[i].file.reason);
	}
	for (size_t i = 0; i < store->n_rejects; i++) {
		free(store->rejects[i].path);
		free(store->rejects[i].text);
	}
	free(store->queries);
	free(store->files);
	free(store->offsets);
	free(store->rejects);
	for (size_t i = 0; i < bench->spec.n_queries; i++)
		bench_set_fields(&bench->queries[i], NULL, 0);
	for (size_t i = 0; i < bench->spec.n_queries; i++)
		free(bench->queries[i].group_by);
	for (size_t i = 0; i < 2; i++) {
		free(bench->sources[i].path);
		free(bench->sources[i].glob);
		free(bench->sources[i].time_field);
		free(bench->sources[i].archive_dir);
	}
	(void)nftw(bench->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void bench_path(const struct bench *bench, const char *name, char path[256])
{
	(void)snprintf(path, 256, "%s/%s", bench->dir, name);
}

void bench_append(struct bench *bench, const char *name, const char *text, size_t len)
{
	struct timespec times[2] = {{.tv_sec = bench->mtime_s}, {.tv_sec = bench->mtime_s}};
	char path[256];
	int fd;

	bench_path(bench, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	must(fd >= 0);
	must(write(fd, text, len) == (ssize_t)len);
	must(futimens(fd, times) == 0);
	must(close(fd) == 0);
	bench->mtime_s++;
}

void bench_write(struct bench *bench, const char *name, const char *text)
{
	bench_append(bench, name, text, strlen(text));
}

static int compare_rows(const struct kept_row *a, bool is_open, const struct event_value *values,
	int64_t start_us, size_t n_fields)
{
	int order;

	if (a->is_open != is_open)
		return a->is_open ? 1 : -1;
	order = 0;
	for (size_t i = 0; i < n_fields && order == 0; i++) {
		const struct event_value *one = &a->values[i];
		const struct event_value *two = &values[i];
		size_t len = one->len < two->len ? one->len : two->len;

		if (one->kind != two->kind)
			return one->kind == EVENT_VALUE_NULL ? -1 : 1;
		if (one->kind == EVENT_VALUE_NULL)
			continue;
		order = len > 0 ? memcmp(one->text, two->text, len) : 0;
		if (order == 0)
			order = one->len < two->len ? -1 : one->len > two->len;
	}
	if (order != 0)
		return order;
	return a->start_us < start_us ? -1 : a->start_us > start_us;
}

/* One allocation: the values, then their texts. */
static struct event_value *copy_values(const struct event_value *values, size_t n)
{
	size_t bytes = n * sizeof(*values) + 1;
	struct event_value *made;
	char *text;

	for (size_t i = 0; i < n; i++)
		bytes += values[i].kind == EVENT_VALUE_TEXT ? values[i].len : 0;
	made = malloc(bytes);
	must(NULL != made);
	text = (char *)(made + n);
	for (size_t i = 0; i < n; i++) {
		made[i] = (struct event_value){.kind = EVENT_VALUE_NULL};
		if (values[i].kind == EVENT_VALUE_NULL)
			continue;
		must(values[i].kind == EVENT_VALUE_TEXT);
		made[i] = values[i];
		made[i].text = text;
		if (values[i].len > 0)
			memcpy(text, values[i].text, values[i].len);
		text += values[i].len;
	}
	return made;
}

static void apply_row(
	struct kept_query *kept, const struct row_change *row, bool is_open, size_t n_fields)
{
	size_t low = 0;
	size_t high = kept->n_rows;
	bool is_there;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_rows(
			    &kept->rows[middle], is_open, row->values, row->start_us, n_fields) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	is_there = low < kept->n_rows && compare_rows(&kept->rows[low], is_open, row->values,
						 row->start_us, n_fields) == 0;
	must_msg(is_there == !row->is_new, "a row that is%s there is changed as %s",
		is_there ? "" : " not", row->is_new ? "new" : "old");
	if (row->count == 0) {
		free(kept->rows[low].values);
		memmove(kept->rows + low, kept->rows + low + 1,
			(kept->n_rows - low - 1) * sizeof(*kept->rows));
		kept->n_rows--;
		return;
	}
	if (!is_there) {
		GROW(kept->rows, kept->cap, kept->n_rows + 1);
		memmove(kept->rows + low + 1, kept->rows + low,
			(kept->n_rows - low) * sizeof(*kept->rows));
		kept->n_rows++;
		kept->rows[low].values = copy_values(row->values, n_fields);
	}
	kept->rows[low].start_us = row->start_us;
	kept->rows[low].end_us = row->end_us;
	kept->rows[low].count = row->count;
	kept->rows[low].is_open = is_open;
}

static void apply_rows(struct kept_query *kept, const struct row_change *rows, size_t n,
	bool is_open, size_t n_fields)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0) {
			struct kept_row before = {.values = (void *)(uintptr_t)rows[i - 1].values,
				.start_us = rows[i - 1].start_us};

			must_msg(compare_rows(&before, false, rows[i].values, rows[i].start_us,
					 n_fields) < 0,
				"rows are not in order");
		}
		apply_row(kept, &rows[i], is_open, n_fields);
	}
}

static void apply_query(struct bench *bench, const struct query_change *change)
{
	struct kept_query *kept = &bench->store.queries[change->query];
	size_t n_fields = bench->queries[change->query].n_group_by;

	if (change->is_rebuilt)
		clear_rows(kept, n_fields);
	ck_assert_int_eq(change->is_rebuilt, !kept->is_known);
	apply_rows(kept, change->rows, change->n_rows, false, n_fields);
	apply_rows(kept, change->open_rows, change->n_open_rows, true, n_fields);
	if (change->has_progress) {
		ck_assert_int_eq(change->totals.batch_id, kept->totals.batch_id + 1);
		ck_assert_int_eq(change->progress.batch_id, change->totals.batch_id);
		kept->progress = change->progress;
		kept->n_batches++;
	}
	kept->totals = change->totals;
	kept->is_known = true;
	free(kept->exception);
	kept->exception = change->exception != NULL ? copy(change->exception) : NULL;
}

static void drop_offsets(struct store_copy *store, int64_t prefix_id, int64_t file_id)
{
	size_t n = 0;

	for (size_t i = 0; i < store->n_offsets; i++) {
		const struct offset_change *offset = &store->offsets[i].offset;

		if ((prefix_id < 0 || offset->prefix_id == prefix_id) &&
			(file_id < 0 || offset->file_id == file_id))
			continue;
		store->offsets[n++] = store->offsets[i];
	}
	store->n_offsets = n;
}

static void apply_file(struct store_copy *store, const struct file_change *change)
{
	size_t i = 0;
	struct kept_file *kept;

	while (i < store->n_files && (store->files[i].file.id != change->file->id ||
					     store->files[i].source != change->source))
		i++;
	if (i == store->n_files) {
		GROW(store->files, store->files_cap, i + 1);
		store->files[store->n_files++] = (struct kept_file){0};
	}
	kept = &store->files[i];
	free(kept->file.path);
	free(kept->file.reason);
	if (change->is_forgotten) {
		*kept = store->files[--store->n_files];
		drop_offsets(store, -1, change->file->id);
		return;
	}
	kept->source = change->source;
	kept->file = *change->file;
	kept->file.path = copy(change->file->path);
	kept->file.reason = change->file->reason != NULL ? copy(change->file->reason) : NULL;
	kept->least_offset = change->least_offset;
}

static void apply_offset(struct bench *bench, const struct offset_change *change, size_t source)
{
	struct store_copy *store = &bench->store;

	for (size_t i = 0; i < store->n_offsets; i++) {
		struct offset_change *offset = &store->offsets[i].offset;

		if (offset->prefix_id == change->prefix_id && offset->file_id == change->file_id &&
			store->offsets[i].source == source) {
			*offset = *change;
			return;
		}
	}
	GROW(store->offsets, store->offsets_cap, store->n_offsets + 1);
	store->offsets[store->n_offsets++] =
		(struct kept_offset){.source = source, .offset = *change};
}

/* The batch's source: the offsets do not name it. */
static void apply_reject(struct store_copy *store, const struct reject_change *reject)
{
	struct buf text = {0};

	buf_printf(&text, "%s: ", reject->detail);
	buf_add(&text, reject->text, reject->text_len);
	buf_add_char(&text, '\0');
	must(buf_ok(&text));
	GROW(store->rejects, store->rejects_cap, store->n_rejects + 1);
	store->rejects[store->n_rejects++] = (struct kept_reject){
		.reason = reject->reason,
		.line = reject->line,
		.offset = reject->offset,
		.path = copy(reject->path),
		.text = text.data,
	};
}

static size_t source_of(const struct bench *bench, const struct changes *changes)
{
	if (changes->n_queries > 0)
		return bench->queries[changes->queries[0].query].source;
	return changes->n_files > 0 ? changes->files[0].source : 0;
}

void bench_apply(struct bench *bench, const struct changes *changes)
{
	struct store_copy *store = &bench->store;
	size_t source = source_of(bench, changes);

	for (size_t i = 0; i < changes->n_queries; i++)
		apply_query(bench, &changes->queries[i]);
	for (size_t i = 0; i < changes->n_files; i++)
		apply_file(store, &changes->files[i]);
	for (size_t i = 0; i < changes->n_offsets; i++)
		apply_offset(bench, &changes->offsets[i], source);
	for (size_t i = 0; i < changes->n_dropped_prefixes; i++)
		drop_offsets(store, changes->dropped_prefixes[i], -1);
	for (size_t i = 0; i < changes->n_rejects; i++)
		apply_reject(store, &changes->rejects[i]);
	for (size_t i = 0; i < store->n_sources; i++)
		memcpy(store->reject_totals[i], changes->reject_totals[i],
			sizeof(store->reject_totals[i]));
}

bool bench_batch(struct bench *bench)
{
	struct err err = ERR_INIT;

	bench->now_us += 10 * US_PER_S;
	for (size_t source = 0; source < bench->spec.n_sources; source++) {
		struct batch *batch = NULL;
		int rc;

		must(stream_scan(bench->stream, source, true, bench->now_us, &err) == 0);
		rc = stream_batch(bench->stream, source, bench->now_us, &batch, &err);
		must_msg(rc >= 0, "stream_batch: %s", err.text);
		if (rc == 0)
			continue;
		bench_apply(bench, batch_changes(batch));
		batch_accept(batch, true, bench->now_us);
		return true;
	}
	return false;
}

size_t bench_run(struct bench *bench)
{
	size_t n = 0;

	while (bench_batch(bench)) {
		n++;
		must(n < 100000);
	}
	return n;
}

const char *bench_rows(const struct bench *bench, size_t query, bool is_open, struct buf *text)
{
	const struct kept_query *kept = &bench->store.queries[query];
	char time[TIMESTAMP_TEXT_BYTES];

	buf_clear(text);
	for (size_t i = 0; i < kept->n_rows; i++) {
		const struct kept_row *row = &kept->rows[i];

		if (row->is_open != is_open)
			continue;
		for (size_t j = 0; j < bench->queries[query].n_group_by; j++) {
			if (row->values[j].kind == EVENT_VALUE_NULL)
				buf_add_text(text, "NULL");
			else
				buf_add(text, row->values[j].text, row->values[j].len);
			buf_add_char(text, '|');
		}
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
