/*
 * The oracle: random queries over random files that grow, read in batches cut
 * anywhere, by any number of threads, with restarts, abandoned batches, stopped
 * and started and rebuilt queries. After each batch every table, the late and
 * refused events and the watermark equal a naive recount of the bytes that the
 * batch's offsets cover (naive.c).
 *
 * TALLYD_SEED repeats one round, TALLYD_ROUNDS says how many are run (50; with
 * --long 20000).
 */
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/recount.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"
#include "tests/stream/naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DOCS 12
#define STEPS    90

/* What one place of a file holds. */
struct fact {
	int64_t end; /* the event counts when the bytes before this offset are read */
	struct naive_event event;
};

struct doc {
	char name[16];
	struct buf text;
	size_t n_written; /* bytes of it on disk */
	struct fact *facts;
	size_t n_facts, cap;
	int64_t n_lines;
	int64_t *rejects; /* the lines of what is malformed, in order */
	size_t n_rejects, rejects_cap;
	int64_t id; /* of the file, once the changes name it; -1 */
};

struct round {
	unsigned seed;
	struct bench bench;
	struct doc docs[MAX_DOCS];
	size_t n_docs;
	struct naive naives[8];
	int64_t base_us; /* around which event times lie */
	int64_t spread_us;
	size_t n_names;
	bool is_quiet; /* no more new files */
};

static struct round round_;

static int64_t pick(int64_t n)
{
	return (int64_t)((unsigned)rand() % (unsigned)n);
}

static bool chance(int percent)
{
	return pick(100) < percent;
}

static const char *one_of(const char *const *texts, size_t n)
{
	return texts[pick((int64_t)n)];
}

static int64_t duration(int64_t most)
{
	return (1 + pick(most)) * NAIVE_STEP_US;
}

static void random_fields(struct query_spec *query)
{
	static const char *const sets[][2] = {{"action", NULL}, {"user", NULL}, {"action", "user"},
		{"user", "action"}, {NULL, NULL}};
	const char *const *set = sets[pick(5)];

	bench_set_fields(query, set, set[0] == NULL ? 0 : set[1] == NULL ? 1 : 2);
}

static void random_query(struct query_spec *query, int64_t spread_us)
{
	int64_t kind = pick(4);

	random_fields(query);
	query->session_us = 0;
	query->start_offset_us = 0;
	query->window_us = duration(40);
	query->slide_us = query->window_us;
	if (kind == 1)
		query->slide_us = duration(query->window_us / NAIVE_STEP_US);
	if (kind == 3) {
		query->session_us = duration(20);
		query->window_us = query->slide_us = 0;
	} else if (chance(30)) {
		query->start_offset_us =
			pick(2 * query->slide_us / NAIVE_STEP_US - 1) * NAIVE_STEP_US -
			(query->slide_us - NAIVE_STEP_US);
	}
	query->output_mode = (enum output_mode)pick(3);
	if (query->session_us > 0 && query->output_mode == OUTPUT_UPDATE)
		query->output_mode = OUTPUT_APPEND;
	query->watermark_us = chance(60) || query->output_mode == OUTPUT_APPEND
				      ? pick(spread_us / NAIVE_STEP_US) * NAIVE_STEP_US
				      : -1;
	query->retention_us = chance(25) ? pick(2 * spread_us / NAIVE_STEP_US) * NAIVE_STEP_US : -1;
	query->max_groups = chance(25) ? 1 + pick(30) : 10000000;
}

static const char *const spaces[] = {"", "", "", " ", "  ", "\t"};

static const char *name_text(struct round *round, char text[16], bool *is_null)
{
	int64_t at = pick((int64_t)round->n_names + 2);

	*is_null = at == 0;
	if (at <= 1)
		text[0] = '\0';
	else
		(void)snprintf(text, 16, "n%d", (int)at);
	return text;
}

/* Kept for the whole run: facts point to them. */
static const char *keep(const char *text)
{
	static char *kept[64];
	size_t i = 0;

	for (; i < 64 && kept[i] != NULL; i++) {
		if (strcmp(kept[i], text) == 0)
			return kept[i];
	}
	must(i < 64);
	kept[i] = mem_copy_text(text, strlen(text));
	return kept[i];
}

static void add_object(struct round *round, struct doc *doc, struct naive_event *event)
{
	static const char *const paths[] = {"action", "user"};
	struct buf *text = &doc->text;
	bool time_first = chance(70);

	event->time_us = round->base_us + pick(round->spread_us) - round->spread_us / 2;
	/* Most lie where windows begin and gaps end. */
	if (chance(70))
		event->time_us = event->time_us / NAIVE_STEP_US * NAIVE_STEP_US;
	buf_printf(text, "{%s", one_of(spaces, 6));
	if (time_first)
		buf_printf(text, "\"time\":%s%lld", one_of(spaces, 6), (long long)event->time_us);
	else
		buf_add_text(text, "\"x\":[1,{\"time\":3}]");
	for (int i = 0; i < NAIVE_FIELDS; i++) {
		char name[16];
		bool is_null;

		event->fields[i] = keep(name_text(round, name, &is_null));
		if (is_null)
			event->fields[i] = NULL;
		if (is_null && chance(50))
			continue;
		buf_printf(text, ",%s\"%s\"%s:", one_of(spaces, 6), paths[i], one_of(spaces, 6));
		if (is_null)
			buf_add_text(text, "null");
		else
			buf_printf(text, "\"%s\"", event->fields[i]);
	}
	if (!time_first)
		buf_printf(text, ",\"time\":%lld", (long long)event->time_us);
	buf_add_char(text, '}');
}

static void add_fact(struct doc *doc, const struct naive_event *event)
{
	must(mem_grow(&doc->facts, &doc->cap, doc->n_facts + 1, sizeof(*doc->facts)));
	doc->facts[doc->n_facts++] = (struct fact){.end = (int64_t)doc->text.len, .event = *event};
}

static void add_reject(struct doc *doc)
{
	must(mem_grow(&doc->rejects, &doc->rejects_cap, doc->n_rejects + 1, sizeof(*doc->rejects)));
	doc->rejects[doc->n_rejects++] = doc->n_lines;
}

static void add_array(struct round *round, struct doc *doc)
{
	struct naive_event events[5];
	int64_t n = 1 + pick(5);

	buf_add_char(&doc->text, '[');
	for (int64_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(&doc->text, ',');
		add_object(round, doc, &events[i]);
	}
	buf_add_char(&doc->text, ']');
	for (int64_t i = 0; i < n; i++)
		add_fact(doc, &events[i]);
}

static void add_line(struct round *round, struct doc *doc)
{
	static const char *const bad[] = {"garbage", "{\"time\":1,", "[{\"time\":1},", "17",
		"\"x\"", "{\"action\":\"a\"}", "{\"time\":true}", "", "  "};
	struct naive_event event;

	doc->n_lines++;
	if (chance(7)) {
		const char *line = one_of(bad, 9);

		buf_add_text(&doc->text, line);
		if (line[0] > ' ')
			add_reject(doc);
	} else if (chance(6)) {
		add_array(round, doc);
	} else {
		do {
			add_object(round, doc, &event);
			add_fact(doc, &event);
		} while (chance(8));
	}
	buf_add_char(&doc->text, '\n');
	/* Time goes on, and now and then it jumps. */
	round->base_us += pick(round->spread_us / 20 + 1);
	if (chance(1))
		round->base_us += 3 * round->spread_us;
}

static void write_doc(struct round *round, struct doc *doc, size_t n)
{
	if (n > doc->text.len - doc->n_written)
		n = doc->text.len - doc->n_written;
	if (n == 0 && doc->n_written > 0)
		return;
	bench_append(&round->bench, doc->name, doc->text.data + doc->n_written, n);
	doc->n_written += n;
}

static void grow_some(struct round *round)
{
	struct doc *doc;
	int64_t n;

	if (round->n_docs < MAX_DOCS && !round->is_quiet && (round->n_docs == 0 || chance(40))) {
		doc = &round->docs[round->n_docs++];
		(void)snprintf(doc->name, sizeof(doc->name), "f-%zu", round->n_docs);
		doc->id = -1;
		if (chance(10))
			buf_add_text(&doc->text, "\xEF\xBB\xBF");
	} else {
		doc = &round->docs[pick((int64_t)round->n_docs)];
	}
	for (n = pick(25); n > 0; n--)
		add_line(round, doc);
	write_doc(round, doc, chance(50) ? doc->text.len : (size_t)pick(600));
}

static struct doc *doc_of(struct round *round, int64_t file_id)
{
	const struct store_copy *store = &round->bench.store;

	for (size_t i = 0; i < store->n_files; i++) {
		if (store->files[i].file.id != file_id)
			continue;
		for (size_t j = 0; j < round->n_docs; j++) {
			if (strcmp(round->docs[j].name, store->files[i].file.path) == 0)
				return &round->docs[j];
		}
	}
	ck_abort_msg("seed %u: no file %lld", round->seed, (long long)file_id);
}

static int64_t position_of(const struct round *round, int64_t prefix_id, int64_t file_id)
{
	const struct store_copy *store = &round->bench.store;

	for (size_t i = 0; i < store->n_offsets; i++) {
		const struct offset_change *offset = &store->offsets[i].offset;

		if (offset->prefix_id == prefix_id && offset->file_id == file_id)
			return offset->at.offset;
	}
	return 0;
}

/* The events between where the prefix stood and where the changes put it, in the order of the
 * files. */
static struct naive_event *events_of(
	struct round *round, const struct changes *changes, int64_t prefix_id, size_t *n)
{
	struct naive_event *events = NULL;
	size_t cap = 0;

	*n = 0;
	for (size_t i = 0; i < changes->n_offsets; i++) {
		const struct offset_change *to = &changes->offsets[i];
		struct doc *doc = doc_of(round, to->file_id);
		int64_t from = position_of(round, prefix_id, to->file_id);

		if (to->prefix_id != prefix_id)
			continue;
		must(to->at.offset >= from);
		for (size_t j = 0; j < doc->n_facts; j++) {
			const struct fact *fact = &doc->facts[j];

			if (fact->end <= from || fact->end > to->at.offset)
				continue;
			must(mem_grow(&events, &cap, *n + 1, sizeof(*events)));
			events[(*n)++] = fact->event;
		}
	}
	return events;
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a table in an order that both sides agree on. */
static void sort_lines(const char *table, struct buf *sorted)
{
	char *copy = mem_copy_text(table, strlen(table));
	char **lines = NULL;
	size_t n = 0;
	size_t cap = 0;

	for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		must(mem_grow(&lines, &cap, n + 1, sizeof(*lines)));
		lines[n++] = line;
	}
	if (n > 0)
		qsort(lines, n, sizeof(*lines), by_line);
	buf_clear(sorted);
	for (size_t i = 0; i < n; i++)
		buf_printf(sorted, "%s\n", lines[i]);
	buf_add_char(sorted, '\0');
	free(lines);
	free(copy);
}

static void compare_texts(const struct round *round, size_t query, const char *what, const char *is,
	const char *expected)
{
	struct buf one = {0};
	struct buf two = {0};

	sort_lines(is, &one);
	sort_lines(expected, &two);
	must_msg(strcmp(one.data, two.data) == 0,
		"seed %u, query %zu, %s:\n%.1500s--- not\n%.1500s", round->seed, query, what,
		one.data, two.data);
	buf_fini(&one);
	buf_fini(&two);
}

static void compare_query(struct round *round, size_t query)
{
	const struct query_totals *totals = &round->bench.store.queries[query].totals;
	struct naive *naive = &round->naives[query];
	struct buf is = {0};
	struct buf expected = {0};

	compare_texts(round, query, "table", bench_rows(&round->bench, query, false, &is),
		naive_text(naive, false, &expected));
	compare_texts(round, query, "open rows", bench_rows(&round->bench, query, true, &is),
		naive_text(naive, true, &expected));
	must_msg(totals->n_late == naive->n_late && totals->n_refused == naive->n_refused &&
			 totals->n_events == naive->n_events &&
			 totals->watermark_us == naive->watermark_us &&
			 totals->max_time_us == naive->max_time_us &&
			 totals->retention_end_us == naive->horizon_us &&
			 totals->n_groups == naive_n_groups(naive),
		"seed %u, query %zu: late %lld not %lld, refused %lld not %lld, events %lld not "
		"%lld, watermark %lld not %lld, groups %lld not %lld",
		round->seed, query, (long long)totals->n_late, (long long)naive->n_late,
		(long long)totals->n_refused, (long long)naive->n_refused,
		(long long)totals->n_events, (long long)naive->n_events,
		(long long)totals->watermark_us, (long long)naive->watermark_us,
		(long long)totals->n_groups, (long long)naive_n_groups(naive));
	buf_fini(&is);
	buf_fini(&expected);
}

/* Files first, so that ids have names; then what the batch means by the rules; then the rest. */
static void follow(struct round *round, const struct changes *changes)
{
	struct bench *bench = &round->bench;
	struct naive_event *events[8] = {NULL};
	size_t n_events[8] = {0};
	struct changes files = *changes;

	files.n_queries = files.n_offsets = files.n_dropped_prefixes = files.n_rejects = 0;
	bench_apply(bench, &files);
	for (size_t i = 0; i < changes->n_queries; i++) {
		const struct query_change *change = &changes->queries[i];

		if (change->has_progress)
			events[i] =
				events_of(round, changes, change->totals.prefix_id, &n_events[i]);
	}
	bench_apply(bench, changes);
	for (size_t i = 0; i < changes->n_queries; i++) {
		const struct query_change *change = &changes->queries[i];
		struct naive *naive = &round->naives[change->query];

		if (change->has_progress) {
			/* Windows that append has to show come before any other bytes. */
			must(!naive_has_closed(naive) || n_events[i] == 0);
			naive_batch(naive, events[i], n_events[i]);
			ck_assert_int_eq(change->progress.n_rows, (int64_t)n_events[i]);
		}
		free(events[i]);
		compare_query(round, change->query);
	}
}

/* False: nothing to do. */
static bool run_batch(struct round *round, bool may_abandon)
{
	struct bench *bench = &round->bench;
	struct batch *batch = NULL;
	struct err err = ERR_INIT;
	int rc;

	bench->now_us += 10 * US_PER_S;
	must(stream_scan(bench->stream, 0, true, bench->now_us, &err) == 0);
	rc = stream_batch(bench->stream, 0, bench->now_us, &batch, &err);
	must_msg(rc >= 0, "seed %u: %s", round->seed, err.text);
	if (rc == 0)
		return false;
	if (may_abandon && chance(20)) {
		batch_abandon(batch);
		return true;
	}
	follow(round, batch_changes(batch));
	batch_accept(batch, chance(50), bench->now_us);
	return true;
}

static void set_slices(struct round *round)
{
	round->bench.stream->slice_bytes = 40 + pick(2000);
	if (chance(30))
		round->bench.stream->level = SCAN_JUDGE;
}

/* A query the checkpoint does not know starts from the files that are there. */
static void forget_query(struct round *round, size_t query)
{
	struct kept_query *kept = &round->bench.store.queries[query];

	kept->is_known = false;
	kept->totals = (struct query_totals){.batch_id = -1};
	naive_fini(&round->naives[query]);
	naive_init(&round->naives[query], &round->bench.queries[query]);
}

static void step(struct round *round)
{
	struct bench *bench = &round->bench;
	size_t query = (size_t)pick((int64_t)bench->spec.n_queries);
	int64_t what = pick(100);
	struct err err = ERR_INIT;

	bench->sources[0].max_files_per_trigger = pick(4);
	bench->sources[0].max_bytes_per_trigger = chance(50) ? 1 + pick(1500) : 0;
	if (what < 45) {
		grow_some(round);
	} else if (what < 90) {
		(void)run_batch(round, true);
	} else if (what < 94) {
		if (chance(30))
			forget_query(round, query);
		bench->spec.threads = 1 + (int)pick(4);
		bench_restart(bench);
		set_slices(round);
	} else if (what < 97) {
		must(stream_stop_query(bench->stream, query, &err) == 0);
	} else {
		must(stream_start_query(bench->stream, query, &err) == 0);
	}
}

static void open_round(struct round *round, unsigned seed)
{
	struct bench *bench = &round->bench;

	*round = (struct round){.seed = seed};
	srand(seed);
	bench_init(bench);
	bench->sources[0].time_unit = TIME_UNIT_US;
	bench->spec.threads = 1 + (int)pick(4);
	round->spread_us = (2 + pick(60)) * NAIVE_STEP_US;
	round->base_us = chance(30) ? -round->spread_us * 3 : pick(1000000);
	round->n_names = (size_t)(1 + pick(8));
	for (int64_t n = pick(4); n > 0; n--)
		(void)bench_add_query(bench, "more");
	for (size_t i = 0; i < bench->spec.n_queries; i++) {
		random_query(&bench->queries[i], round->spread_us);
		naive_init(&round->naives[i], &bench->queries[i]);
	}
	bench_open(bench);
	set_slices(round);
}

static void close_round(struct round *round)
{
	for (size_t i = 0; i < round->bench.spec.n_queries; i++)
		naive_fini(&round->naives[i]);
	for (size_t i = 0; i < round->n_docs; i++) {
		buf_fini(&round->docs[i].text);
		free(round->docs[i].facts);
		free(round->docs[i].rejects);
	}
	bench_close(&round->bench);
}

/*
 * Every malformed line has one reject, whoever read
 * it first and however often it was read again.
 */
static void compare_rejects(struct round *round)
{
	const struct store_copy *store = &round->bench.store;
	size_t n = 0;
	int64_t total = 0;

	for (size_t i = 0; i < round->n_docs; i++) {
		const struct doc *doc = &round->docs[i];
		size_t at = 0;

		for (size_t j = 0; j < store->n_rejects; j++) {
			if (strcmp(store->rejects[j].path, doc->name) != 0)
				continue;
			must_msg(at < doc->n_rejects && store->rejects[j].line == doc->rejects[at],
				"seed %u: a reject in %s, line %lld", round->seed, doc->name,
				(long long)store->rejects[j].line);
			at++;
		}
		ck_assert_uint_eq(at, doc->n_rejects);
		n += doc->n_rejects;
	}
	for (int i = 0; i < REJECT_REASONS; i++)
		total += store->reject_totals[0][i];
	ck_assert_int_eq(total, (int64_t)n);
	for (size_t i = 0; i < round->bench.spec.n_queries; i++)
		ck_assert_int_eq(store->queries[i].totals.n_rejects, (int64_t)n);
}

/* Everything written and read: all queries have seen all events, and share a prefix again. */
static void catch_up(struct round *round)
{
	struct bench *bench = &round->bench;
	struct err err = ERR_INIT;
	size_t n_batches = 0;

	bench->sources[0].max_files_per_trigger = pick(3);
	for (size_t i = 0; i < round->n_docs; i++)
		write_doc(round, &round->docs[i], SIZE_MAX);
	for (size_t i = 0; i < bench->spec.n_queries; i++)
		must(stream_start_query(bench->stream, i, &err) == 0);
	while (run_batch(round, false)) {
		n_batches++;
		must_msg(n_batches < 5000, "seed %u: never idle", round->seed);
	}
	for (size_t i = 0; i < bench->spec.n_queries; i++) {
		int64_t n = 0;

		for (size_t j = 0; j < round->n_docs; j++)
			n += (int64_t)round->docs[j].n_facts;
		must_msg(round->naives[i].n_events == n, "seed %u, query %zu: %lld events of %lld",
			round->seed, i, (long long)round->naives[i].n_events, (long long)n);
		must_msg(bench->store.queries[i].totals.prefix_id ==
				 bench->store.queries[0].totals.prefix_id,
			"seed %u: prefixes are not merged", round->seed);
		ck_assert_int_eq(bench->store.queries[i].totals.n_files, (int64_t)round->n_docs);
	}
	compare_rejects(round);
}

static void run_round(unsigned seed)
{
	struct round *round = &round_;

	open_round(round, seed);
	for (int i = 0; i < STEPS; i++)
		step(round);
	catch_up(round);
	close_round(round);
}

START_TEST(every_table_equals_a_naive_recount_after_every_batch)
{
	const char *seed = getenv("TALLYD_SEED");
	const char *rounds = getenv("TALLYD_ROUNDS");
	unsigned n = rounds != NULL ? (unsigned)strtoul(rounds, NULL, 10) : 50;

	if (seed != NULL) {
		run_round((unsigned)strtoul(seed, NULL, 10));
		return;
	}
	for (unsigned i = 1; i <= n; i++)
		run_round(i);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");

	if (argc > 1 && strcmp(argv[1], "--long") == 0) {
		must(setenv("TALLYD_ROUNDS", "20000", 0) == 0);
		must(setenv("CK_FORK", "no", 0) == 0);
	}
	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, every_table_equals_a_naive_recount_after_every_batch);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
