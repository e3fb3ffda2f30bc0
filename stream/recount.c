/*
 * The batch twin of a query: the same plan, the same workers, the same fold,
 * with a spec that neither refuses nor drops anything.
 */
#include "stream/recount.h"

#include "base/mem.h"
#include "stream/crew.h"
#include "stream/fields.h"
#include "stream/listing.h"
#include "stream/query.h"

#include <stdlib.h>
#include <string.h>

/* What lives as long as the rows: the query whose state they show. */
struct memory {
	struct query_spec spec;
	struct query *query;
	struct query_change change;
};

struct run {
	const struct source_spec *source;
	struct memory *memory;
	struct fields fields;
	struct event_shape shape;
	struct listing listing;
	struct crew crew;
	struct scans scans;
	struct plan plan;
	struct slice_stop stop;
	atomic_bool is_stopped;
	recount_cancelled_fn *cancelled;
	void *context;
	int64_t max_bytes;
	bool is_over; /* max_bytes were passed */
};

/*
 * What is held now, by the calling thread's scan and, because the others take
 * slices of the same files, by as many like it. The rows will be as much again.
 */
static bool is_over(struct run *run)
{
	struct scan *own = run->scans.n > 0 ? run->scans.list[0] : NULL;
	size_t bytes = query_state_bytes(run->memory->query);

	if (own != NULL)
		bytes += (size_t)run->scans.n * cells_bytes(scan_cells(own));
	run->is_over = run->is_over || bytes > (uint64_t)run->max_bytes / 2;
	return run->is_over;
}

static bool on_poll(void *context)
{
	struct run *run = context;

	return (run->cancelled != NULL && run->cancelled(run->context)) || is_over(run);
}

static int prepare(struct run *run, const struct spec *spec, size_t query, struct err *err)
{
	struct memory *memory = run->memory;
	struct spec alone = {.queries = &memory->spec, .n_queries = 1};
	size_t *places;
	int rc;

	memory->spec = spec->queries[query];
	memory->spec.output_mode = OUTPUT_COMPLETE;
	memory->spec.watermark_us = -1;
	memory->spec.retention_us = -1;
	memory->spec.max_groups = INT64_MAX;
	rc = fields_of_source(&run->fields, &alone, memory->spec.source, err);
	if (rc != 0)
		return rc;
	run->source = &spec->sources[memory->spec.source];
	run->shape = fields_shape(&run->fields, run->source);
	places = fields_places(&run->fields, &memory->spec);
	if (places != NULL)
		memory->query = query_new(&memory->spec, places);
	free(places);
	if (memory->query == NULL)
		return err_nomem(err);
	rc = crew_open(&run->crew, spec->threads, err);
	if (rc == 0)
		rc = scans_init(&run->scans, run->crew.n, SCAN_AUTO, err);
	return rc != 0 ? rc : listing_open(&run->listing, run->source, err);
}

/* What was renamed before it was read to its end is read on, under its new name, when the rest is.
 */
static int put_gone_aside(struct run *run, struct err *err)
{
	struct prefix *prefix = run->listing.prefix;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < run->plan.n_files; i++) {
		const struct plan_file *read = &run->plan.files[i];
		struct stand stand = {.at = read->at,
			.file_id = source_file(run->listing.source, read->slot)->id,
			.seen = read->at.offset};

		if (read->end != SLICE_GONE)
			continue;
		if (plan_file_was_read(read)) {
			rc = prefix_reserve_puts(prefix, 1, err);
			if (rc == 0)
				prefix_put(prefix, read->slot, &stand);
		}
		if (rc == 0)
			rc = listing_put_slot_aside(&run->listing, read->slot, err);
	}
	return rc;
}

/* One plan of at most PLAN_MAX_FILES files into the query. */
static int count_plan(struct run *run, struct err *err)
{
	static const struct plan_limits limits = {.slice_bytes = PLAN_SLICE_BYTES};
	struct query *query = run->memory->query;
	int rc = plan_make(&run->plan, &run->listing.prefixes, run->listing.prefix, &limits,
		run->crew.readers[0], err);

	if (rc == 0)
		rc = crew_read(&run->crew, &run->plan, &run->shape, &run->scans,
			window_bucket(0, query->spec), &run->stop, err);
	if (rc == 0)
		rc = scans_gather(&run->scans, err);
	for (int i = 0; rc == 0 && i < run->scans.n; i++) {
		if (run->scans.list[i] != NULL)
			rc = query_fold_cells(query, scan_cells(run->scans.list[i]), err);
		if (rc == 0 && is_over(run))
			rc = ERR_INTERRUPTED;
	}
	if (rc == 0)
		rc = put_gone_aside(run, err);
	scans_clear(&run->scans, UINT32_MAX);
	plan_fini(&run->plan);
	return rc;
}

static int count(struct run *run, struct err *err)
{
	struct query *query = run->memory->query;
	int rc = query_begin(query, false, err);

	while (rc == 0) {
		if (run->listing.prefix->n_heap == 0)
			rc = listing_refill(&run->listing, err);
		if (rc != 0 || run->listing.prefix->n_heap == 0)
			break;
		rc = count_plan(run, err);
	}
	if (rc == 0)
		rc = query_fold_end(query, err);
	return rc != 0 ? rc : query_finish(query, &run->memory->change, err);
}

static int give(struct recount *recount, const struct query_change *change, struct err *err)
{
	recount->rows = mem_new_array(change->n_rows, sizeof(*recount->rows));
	if (recount->rows == NULL)
		return err_nomem(err);
	recount->n_rows = change->n_rows;
	for (size_t i = 0; i < change->n_rows; i++)
		recount->rows[i] = (struct recount_row){
			.values = change->rows[i].values,
			.start_us = change->rows[i].start_us,
			.end_us = change->rows[i].end_us,
			.count = change->rows[i].count,
		};
	return 0;
}

int recount_run(struct recount *recount, const struct spec *spec, size_t query, int64_t max_bytes,
	recount_cancelled_fn *cancelled, void *context, struct err *err)
{
	struct run run = {.stop = {.poll = on_poll, .context = &run},
		.cancelled = cancelled,
		.context = context,
		.max_bytes = max_bytes};
	int rc;

	*recount = (struct recount){0};
	run.stop.flag = &run.is_stopped;
	run.memory = calloc(1, sizeof(*run.memory));
	if (run.memory == NULL)
		return err_nomem(err);
	recount->memory = run.memory;
	rc = prepare(&run, spec, query, err);
	if (rc == 0)
		rc = count(&run, err);
	if (rc == 0)
		rc = give(recount, &run.memory->change, err);
	listing_close(&run.listing);
	scans_fini(&run.scans);
	crew_close(&run.crew);
	fields_fini(&run.fields);
	if (rc != 0)
		recount_fini(recount);
	if (rc != 0 && run.is_over)
		return err_set(err, ERR_LIMIT,
			"counting the files anew takes more memory than a statement may have");
	return rc;
}

void recount_fini(struct recount *recount)
{
	struct memory *memory = recount->memory;

	if (memory != NULL && memory->query != NULL) {
		query_abandon(memory->query);
		query_free(memory->query);
	}
	free(memory);
	free(recount->rows);
	*recount = (struct recount){0};
}
