/*
 * One pass over the bytes of a plan: workers take slices in order, each into
 * its own cells; then every query folds all cells. When sums cannot tell who
 * was first, the events come once more in order (stream/in_order.h).
 */
#include "stream/stream_private.h"

#include "base/mem.h"
#include "stream/in_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The monotonic clock, for durations that are shown and decide nothing. */
static int64_t clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct query *member(const struct batch *batch, size_t i)
{
	return batch->stream->queries[batch->members[i]];
}

static int64_t bucket_of(const struct batch *batch)
{
	int64_t bucket_us = 0;

	for (size_t i = 0; i < batch->n_members; i++)
		bucket_us = window_bucket(bucket_us, member(batch, i)->spec);
	return bucket_us;
}

static void clear_cells(struct batch *batch)
{
	uint32_t n_known = 0;

	for (size_t i = 0; i < batch->n_members; i++) {
		uint32_t n = groups_count(member(batch, i)->groups);

		n_known = n > n_known ? n : n_known;
	}
	scans_clear(&batch->intake->scans, n_known);
}

static int read_plan(struct batch *batch, struct err *err)
{
	struct slice_stop stop = {.flag = &batch->stream->stop, .pulse = &batch->stream->pulse};

	return crew_read(&batch->stream->crew, &batch->plan, &batch->intake->shape,
		&batch->intake->scans, bucket_of(batch), &stop, err);
}

static int on_event(void *context, size_t file, const struct event *event, struct err *err)
{
	struct batch *batch = context;

	(void)file;
	for (size_t i = 0; i < batch->n_members; i++) {
		struct query *query = member(batch, i);
		int rc = 0;

		if (query->batch.in_order)
			rc = query_fold_event(query, event->time_us, event->values, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int on_reject_ignored(
	void *context, size_t file, const struct reject *reject, struct err *err)
{
	(void)context;
	(void)file;
	(void)reject;
	(void)err;
	return 0;
}

static int pass_in_order(struct batch *batch, const struct in_order_sink *sink, struct err *err)
{
	return in_order_run(
		&batch->plan, &batch->intake->shape, batch->stream->crew.readers[0], sink, err);
}

static void abandon_queries(struct batch *batch)
{
	for (size_t i = 0; i < batch->n_members; i++)
		query_abandon(member(batch, i));
}

static int begin_queries(struct batch *batch, struct err *err)
{
	for (size_t i = 0; i < batch->n_members; i++) {
		int rc = query_begin(member(batch, i), false, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int fold_cells(struct batch *batch, struct query *query, struct err *err)
{
	const struct scans *scans = &batch->intake->scans;
	int rc = 0;

	for (int i = 0; rc == 0 && i < scans->n; i++) {
		if (scans->list[i] != NULL)
			rc = query_fold_cells(query, scan_cells(scans->list[i]), err);
	}
	return rc == 0 ? query_fold_end(query, err) : rc;
}

/*
 * Where a query has not room for all, who was first decides, so it asks the
 * events one by one. The others do not: what they count must not depend on
 * their company.
 */
static int fold(struct batch *batch, struct err *err)
{
	const struct in_order_sink sink = {
		.context = batch, .on_event = on_event, .on_reject = on_reject_ignored};
	bool is_any_over = false;
	int rc = begin_queries(batch, err);

	if (rc == 0)
		rc = scans_gather(&batch->intake->scans, err);
	for (size_t i = 0; rc == 0 && i < batch->n_members; i++) {
		rc = fold_cells(batch, member(batch, i), err);
		if (rc != QUERY_OVER)
			continue;
		query_abandon(member(batch, i));
		rc = query_begin(member(batch, i), true, err);
		is_any_over = true;
	}
	return rc == 0 && is_any_over ? pass_in_order(batch, &sink, err) : rc;
}

static bool find_too_long(const struct event_value *values, size_t n, size_t *field)
{
	for (*field = 0; *field < n; ++*field) {
		if (values[*field].kind == EVENT_VALUE_TOO_LONG)
			return true;
	}
	return false;
}

struct too_long {
	const struct cells *cells;
	size_t n_fields;
	bool is_there;
};

static int on_cell(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	struct too_long *search = context;
	size_t field;

	(void)bucket_start_us;
	(void)count;
	(void)err;
	search->is_there =
		find_too_long(cells_group_values(search->cells, group), search->n_fields, &field);
	return search->is_there ? 1 : 0;
}

static bool has_too_long(const struct batch *batch)
{
	const struct scans *scans = &batch->intake->scans;
	size_t n_fields = batch->intake->fields.n;
	size_t field;

	for (int i = 0; i < scans->n; i++) {
		struct too_long search = {.n_fields = n_fields};
		struct err ignored = ERR_INIT;
		bool is_known = false;

		if (scans->list[i] == NULL)
			continue;
		search.cells = scan_cells(scans->list[i]);
		/* Only where the name was ever met is it worth looking at every cell. */
		for (uint32_t group = 0; !is_known && group < cells_n_groups(search.cells); group++)
			is_known = find_too_long(
				cells_group_values(search.cells, group), n_fields, &field);
		if (is_known && cells_each(search.cells, on_cell, &search, &ignored) != 0 &&
			search.is_there)
			return true;
	}
	return false;
}

/* The oldest ones, where only the newest are wanted. */
static void drop_too_long_rows(struct batch *batch, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((char *)(uintptr_t)batch->too_long[i].detail);
		free((char *)(uintptr_t)batch->too_long[i].text);
	}
	batch->n_too_long_rows -= n;
	memmove(batch->too_long, batch->too_long + n,
		batch->n_too_long_rows * sizeof(*batch->too_long));
}

/* Whether some events were too long for the query, so that the cells' times are not its own. */
static bool has_foreign_times(const struct query *query)
{
	return query->batch.n_too_long > 0 && !query->batch.in_order;
}

static void see_times(struct batch *batch, const struct event *event)
{
	for (size_t i = 0; i < batch->n_members; i++) {
		if (has_foreign_times(member(batch, i)))
			query_see_event(member(batch, i), event->time_us, event->values);
	}
}

static int on_event_again(void *context, size_t file, const struct event *event, struct err *err)
{
	struct batch *batch = context;
	const struct plan_file *read = &batch->plan.files[file];
	struct reject_change *row;
	struct reject reject;
	size_t field;

	see_times(batch, event);
	if (!find_too_long(event->values, batch->intake->fields.n, &field))
		return 0;
	batch->n_too_long[file]++;
	if (read->is_catch_up)
		return 0;
	event_reject_group(event, batch->intake->fields.paths[field], &reject);
	if (batch->n_too_long_rows == 2 * REJECT_ROWS_MAX)
		drop_too_long_rows(batch, REJECT_ROWS_MAX);
	if (!mem_grow(&batch->too_long, &batch->too_long_cap, batch->n_too_long_rows + 1,
		    sizeof(*batch->too_long)))
		return err_nomem(err);
	row = &batch->too_long[batch->n_too_long_rows];
	*row = (struct reject_change){
		.source = batch->intake->index,
		.path = read->read.path,
		.reason = reject.reason,
		.line = reject.line,
		.offset = reject.offset,
		.detail = mem_copy_text(reject.detail, strlen(reject.detail)),
		.text = mem_copy_text(reject.text, reject.text_len),
		.text_len = reject.text_len,
	};
	batch->n_too_long_rows++;
	return row->detail != NULL && row->text != NULL ? 0 : err_nomem(err);
}

/* The scan lets such events pass, since not every query groups by that field; their rejects are
 * written here. */
static int find_too_long_events(struct batch *batch, struct err *err)
{
	const struct in_order_sink sink = {
		.context = batch, .on_event = on_event_again, .on_reject = on_reject_ignored};

	if (!has_too_long(batch))
		return 0;
	for (size_t i = 0; i < batch->n_members; i++) {
		if (has_foreign_times(member(batch, i)))
			query_forget_times(member(batch, i));
	}
	batch->n_too_long = mem_new_array(batch->plan.n_files, sizeof(*batch->n_too_long));
	if (batch->n_too_long == NULL)
		return err_nomem(err);
	return pass_in_order(batch, &sink, err);
}

struct first_reject {
	struct batch *batch;
	bool is_found;
};

static int fail_query(struct query *query, const char *sentence, struct err *err)
{
	static const char prefix[] = "Terminated with exception: ";
	size_t len = strlen(sentence);
	char *exception = mem_copy_text(sentence, len);
	char *message = malloc(sizeof(prefix) + len);

	if (exception == NULL || message == NULL) {
		free(exception);
		free(message);
		return err_nomem(err);
	}
	memcpy(message, prefix, sizeof(prefix) - 1);
	memcpy(message + sizeof(prefix) - 1, sentence, len + 1);
	free(query->exception);
	free(query->message);
	query->exception = exception;
	query->message = message;
	query->totals.state = QUERY_FAILED;
	query->is_state_changed = true;
	return 0;
}

/* Fails the members to whom the reject is one: all of them, or those that group by a value too
 * long. */
static int fail_members(struct first_reject *first, size_t file, const struct reject *reject,
	const struct event_value *values, struct err *err)
{
	struct batch *batch = first->batch;
	struct err sentence = ERR_INIT;

	(void)err_set(&sentence, ERR_INVALID, "%s, line %lld: %s%s%s",
		batch->plan.files[file].read.path, (long long)reject->line,
		reject_reason_name(reject->reason), reject->detail[0] != '\0' ? ": " : "",
		reject->detail);
	for (size_t i = 0; i < batch->n_members; i++) {
		struct query *query = member(batch, i);

		if (values != NULL && !query_is_too_long(query, values))
			continue;
		if (fail_query(query, sentence.text, err) != 0)
			return ERR_NOMEM;
		first->is_found = true;
	}
	return first->is_found ? 1 : 0;
}

static int on_first_reject(void *context, size_t file, const struct reject *reject, struct err *err)
{
	return fail_members(context, file, reject, NULL, err);
}

static int on_first_event(void *context, size_t file, const struct event *event, struct err *err)
{
	struct first_reject *first = context;
	const struct fields *fields = &first->batch->intake->fields;
	struct reject reject;
	size_t field;

	if (!find_too_long(event->values, fields->n, &field))
		return 0;
	event_reject_group(event, fields->paths[field], &reject);
	return fail_members(first, file, &reject, event->values, err);
}

static bool has_rejects(const struct batch *batch)
{
	const struct plan *plan = &batch->plan;

	for (size_t i = 0; i < plan->n_slices; i++) {
		if (plan_has_slice(plan, i) && plan->slices[i].rejects != NULL)
			return true;
	}
	return has_too_long(batch);
}

/* 1: members have failed with the first reject of the batch, which is not counted; 0: none has. */
static int fail_if_malformed(struct batch *batch, struct err *err)
{
	struct first_reject first = {.batch = batch};
	const struct in_order_sink sink = {
		.context = &first, .on_event = on_first_event, .on_reject = on_first_reject};

	if (source_spec(batch->intake->source)->on_malformed != ON_MALFORMED_FAIL ||
		!has_rejects(batch))
		return 0;
	return pass_in_order(batch, &sink, err);
}

static bool was_run(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_files; i++) {
		if (plan->files[i].end != SLICE_NOT_RUN)
			return true;
	}
	return false;
}

static bool was_read(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_files; i++) {
		if (plan_file_was_read(&plan->files[i]))
			return true;
	}
	return false;
}

/*
 * Session windows keep a count for each distinct time until the batch is over,
 * so a batch with them is smaller, whatever the trigger allows.
 */
#define SESSION_MAX_BYTES (INT64_C(32) << 20)

static int plan_batch(struct batch *batch, struct err *err)
{
	const struct source_spec *spec = source_spec(batch->intake->source);
	struct plan_limits limits = {
		.max_files = spec->max_files_per_trigger,
		.max_bytes = spec->max_bytes_per_trigger,
		.slice_bytes = batch->stream->slice_bytes,
	};

	if (bucket_of(batch) == 1 &&
		(limits.max_bytes == 0 || limits.max_bytes > SESSION_MAX_BYTES))
		limits.max_bytes = SESSION_MAX_BYTES;
	return plan_make(&batch->plan, &batch->intake->prefixes, batch->prefix, &limits,
		batch->stream->crew.readers[0], err);
}

static int read_and_fold(struct batch *batch, struct err *err)
{
	int rc = 0;

	batch->start_us = clock_us();
	if (batch->kind == BATCH_DATA)
		rc = plan_batch(batch, err);
	batch->planned_us = clock_us();
	if (rc == 0 && batch->kind == BATCH_DATA)
		rc = read_plan(batch, err);
	batch->scanned_us = clock_us();
	if (rc != 0)
		return rc;
	if (batch->kind == BATCH_CLOSING)
		return begin_queries(batch, err);
	if (!was_run(&batch->plan))
		return BATCH_STOPPED;
	if (!was_read(&batch->plan)) {
		/* Only troubles of files: they are told, but that is no batch to be numbered. */
		batch->kind = BATCH_HOUSE;
		batch->n_members = 0;
		return 0;
	}
	rc = fail_if_malformed(batch, err);
	if (rc != 0)
		return rc < 0 ? rc : BATCH_FAILED;
	rc = fold(batch, err);
	if (rc == 0)
		rc = find_too_long_events(batch, err);
	return rc;
}

int batch_run(struct batch *batch, struct err *err)
{
	int rc = read_and_fold(batch, err);

	if (batch->plan.n_files > 0)
		clear_cells(batch);
	batch->folded_us = clock_us();
	if (rc != 0)
		abandon_queries(batch);
	return rc;
}
