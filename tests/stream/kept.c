/* Arrays and linear searches; what a change says of the rows before it is held against them. */
#include "tests/stream/kept.h"

#include "base/buf.h"
#include "base/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GROW(array, cap, want) must(mem_grow(&(array), &(cap), (want), sizeof(*(array))))

static char *copy(const char *text)
{
	char *made = mem_copy_text(text, strlen(text));

	must(NULL != made);
	return made;
}

void kept_init(struct store_copy *store, size_t n_sources)
{
	*store = (struct store_copy){.n_sources = n_sources, .n_queries = KEPT_QUERIES};
	store->queries = mem_new_array(store->n_queries, sizeof(*store->queries));
	must(NULL != store->queries);
	for (size_t i = 0; i < store->n_queries; i++)
		store->queries[i].totals.batch_id = -1;
}

static void clear_rows(struct kept_query *kept)
{
	for (size_t i = 0; i < kept->n_rows; i++)
		free(kept->rows[i].values);
	kept->n_rows = 0;
}

void kept_fini(struct store_copy *store)
{
	for (size_t i = 0; i < store->n_queries; i++) {
		clear_rows(&store->queries[i]);
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
	*store = (struct store_copy){0};
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

static void apply_query(
	struct store_copy *store, const struct spec *spec, const struct query_change *change)
{
	struct kept_query *kept = &store->queries[change->query];
	size_t n_fields = spec->queries[change->query].n_group_by;

	if (change->is_rebuilt)
		clear_rows(kept);
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

static void apply_offset(
	struct store_copy *store, const struct offset_change *change, size_t source)
{
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

void kept_apply(struct store_copy *store, const struct spec *spec, const struct changes *changes)
{
	for (size_t i = 0; i < changes->n_queries; i++)
		apply_query(store, spec, &changes->queries[i]);
	for (size_t i = 0; i < changes->n_files; i++)
		apply_file(store, &changes->files[i]);
	for (size_t i = 0; i < changes->n_dropped_prefixes; i++)
		drop_offsets(store, changes->dropped_prefixes[i], -1);
	for (size_t i = 0; i < changes->n_offsets; i++)
		apply_offset(store, &changes->offsets[i], changes->source);
	for (size_t i = 0; i < changes->n_rejects; i++)
		apply_reject(store, &changes->rejects[i]);
	for (size_t i = 0; i < store->n_sources; i++)
		memcpy(store->reject_totals[i], changes->reject_totals[i],
			sizeof(store->reject_totals[i]));
}

static int by_id(const void *a, const void *b)
{
	const struct kept_file *one = a;
	const struct kept_file *two = b;

	return one->file.id < two->file.id ? -1 : one->file.id > two->file.id;
}

static void restore_query(const struct kept_query *kept, struct stream *stream, size_t query)
{
	struct err err = ERR_INIT;

	if (!kept->is_known)
		return;
	must(stream_restore_query(stream, query, &kept->totals, &err) == 0);
	for (size_t i = 0; i < kept->n_rows; i++) {
		const struct kept_row *row = &kept->rows[i];

		must(stream_restore_row(stream, query, row->values, row->start_us, row->end_us,
			     row->count, row->is_open, &err) == 0);
	}
}

void kept_restore(struct store_copy *store, struct stream *stream, size_t n_queries)
{
	struct err err = ERR_INIT;

	if (store->n_files > 0)
		qsort(store->files, store->n_files, sizeof(*store->files), by_id);
	for (size_t i = 0; i < store->n_files; i++)
		must(stream_restore_file(
			     stream, store->files[i].source, &store->files[i].file, &err) == 0);
	for (size_t i = 0; i < store->n_offsets; i++)
		must(stream_restore_offset(stream, store->offsets[i].source,
			     &store->offsets[i].offset, &err) == 0);
	for (size_t i = 0; i < n_queries; i++)
		restore_query(&store->queries[i], stream, i);
	for (size_t i = 0; i < store->n_sources; i++)
		stream_restore_reject_totals(stream, i, store->reject_totals[i]);
	must(stream_restored(stream, &err) == 0);
}

uint64_t kept_sum(const struct store_copy *store, size_t query)
{
	const struct kept_query *kept = &store->queries[query];
	uint64_t n = 0;

	for (size_t i = 0; i < kept->n_rows; i++)
		n += kept->rows[i].count;
	return n;
}

const struct kept_file *kept_find_file(const struct store_copy *store, const char *path)
{
	for (size_t i = 0; i < store->n_files; i++) {
		if (strcmp(store->files[i].file.path, path) == 0)
			return &store->files[i];
	}
	ck_abort_msg("no file %s", path);
}
