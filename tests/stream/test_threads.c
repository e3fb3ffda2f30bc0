/*
 * One answer, whatever reads the files: any number of threads, any level of
 * the fast path, slices of any size, files that come in one piece or in two,
 * batches cut anywhere. The files are lines of every kind with bytes changed.
 * SCAN_SEED in the environment chooses other random inputs; it is printed.
 */
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/corpora.h"
#include "tests/stream/dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define N_FILES 3

/* How the files are read. */
struct way {
	int threads;
	enum scan_level level;
	int64_t slice_bytes;
	int64_t max_bytes; /* per trigger; 0: no limit */
	size_t cut;        /* every file comes in two appends, the first so long; 0: in one */
	bool is_gzip;
};

struct input {
	const struct corpus *corpus;
	struct buf files[N_FILES];
};

struct answer {
	struct buf text;
	char **rejects;
	size_t n_rejects, cap_rejects;
};

static void make_input(struct input *input, const struct corpus *corpus, int n_lines, int n_changes)
{
	*input = (struct input){.corpus = corpus};
	for (int i = 0; i < N_FILES; i++) {
		corpus_add_lines(&input->files[i], corpus, n_lines / (i + 1));
		for (int j = 0; j < n_changes; j++)
			corpus_change_byte(&input->files[i]);
	}
}

static void free_input(struct input *input)
{
	for (int i = 0; i < N_FILES; i++)
		buf_fini(&input->files[i]);
}

/* A gzip member behind what is there. */
static void add_member(struct buf *to, const char *bytes, size_t len)
{
	z_stream z = {0};

	must(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = (Bytef *)bytes;
	z.avail_in = (uInt)len;
	z.avail_out = (uInt)deflateBound(&z, (uLong)len);
	z.next_out = (Bytef *)buf_reserve(to, z.avail_out);
	must(deflate(&z, Z_FINISH) == Z_STREAM_END);
	to->len += z.total_out;
	must(deflateEnd(&z) == Z_OK);
}

static void append(
	struct bench *bench, const char *name, const char *bytes, size_t len, const struct way *way)
{
	struct buf zipped = {0};

	if (!way->is_gzip) {
		bench_append(bench, name, bytes, len);
		return;
	}
	add_member(&zipped, bytes, len);
	bench_append(bench, name, zipped.data, zipped.len);
	buf_fini(&zipped);
}

static void write_files(struct bench *bench, struct input *input, const struct way *way)
{
	static const char *const names[N_FILES] = {"a", "b", "c"};

	for (int i = 0; i < N_FILES; i++) {
		const struct buf *file = &input->files[i];
		size_t cut = way->cut < file->len ? way->cut : file->len;

		if (file->len == 0)
			continue;
		if (cut > 0) {
			append(bench, names[i], file->data, cut, way);
			(void)bench_batch(bench);
		}
		append(bench, names[i], file->data + cut, file->len - cut, way);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Batches may bring the files' rejects in any order; sorted, they tell the same. */
static void add_rejects(struct answer *answer, const struct store_copy *store)
{
	for (size_t i = 0; i < store->n_rejects; i++) {
		const struct kept_reject *row = &store->rejects[i];
		struct buf text = {0};

		buf_printf(&text, "%s line %09" PRId64 " offset %09" PRId64 " %s %s", row->path,
			row->line, row->offset, reject_reason_name(row->reason), row->text);
		buf_add_char(&text, '\0');
		must(buf_ok(&text) && mem_grow(&answer->rejects, &answer->cap_rejects,
					      answer->n_rejects + 1, sizeof(char *)));
		answer->rejects[answer->n_rejects++] = text.data;
	}
	if (answer->n_rejects > 0)
		qsort(answer->rejects, answer->n_rejects, sizeof(char *), by_text);
	for (size_t i = 0; i < answer->n_rejects; i++) {
		buf_printf(&answer->text, "%s\n", answer->rejects[i]);
		free(answer->rejects[i]);
	}
	free(answer->rejects);
}

static char *read_answer(const struct bench *bench)
{
	struct answer answer = {0};
	struct buf rows = {0};

	for (size_t i = 0; i < bench->spec.n_queries; i++) {
		const struct query_totals *totals = &bench->store.queries[i].totals;

		buf_printf(&answer.text,
			"%s\n%s%" PRId64 " events, %" PRId64 " rejects, newest %" PRId64 "\n",
			bench->queries[i].name, bench_rows(bench, i, false, &rows),
			totals->n_events, totals->n_rejects, totals->max_time_us);
	}
	buf_fini(&rows);
	for (int i = 0; i < REJECT_REASONS; i++)
		buf_printf(&answer.text, "%s: %" PRId64 "\n",
			reject_reason_name((enum reject_reason)i),
			bench->store.reject_totals[0][i]);
	add_rejects(&answer, &bench->store);
	buf_add_char(&answer.text, '\0');
	must(buf_ok(&answer.text));
	return answer.text.data;
}

static void open_bench(struct bench *bench, const struct input *input, const struct way *way)
{
	const struct corpus *corpus = input->corpus;
	struct query_spec *second;

	bench_init(bench);
	free((char *)bench->sources[0].time_field);
	bench->sources[0].time_field =
		mem_copy_text(corpus->time_field, strlen(corpus->time_field));
	bench->sources[0].time_unit = corpus->unit;
	bench->sources[0].max_bytes_per_trigger = way->max_bytes;
	bench_set_fields(&bench->queries[0], corpus->fields, corpus->n_fields);
	second = bench_add_query(bench, "sliding");
	bench_set_fields(second, corpus->fields, corpus->n_fields > 0 ? 1 : 0);
	second->window_us = 90 * 60 * US_PER_S;
	second->slide_us = 20 * 60 * US_PER_S;
	bench->spec.threads = way->threads;
	bench_open(bench);
	bench->stream->slice_bytes = way->slice_bytes;
	bench->stream->level = way->level;
}

static char *read_in_way(struct input *input, const struct way *way)
{
	struct bench bench;
	char *text;

	open_bench(&bench, input, way);
	write_files(&bench, input, way);
	(void)bench_run(&bench);
	text = read_answer(&bench);
	bench_close(&bench);
	return text;
}

static void ck_way(struct input *input, const struct way *way, const char *expected)
{
	char *is = read_in_way(input, way);
	size_t i = 0;

	if (strcmp(is, expected) != 0) {
		while (is[i] == expected[i])
			i++;
		while (i > 0 && is[i - 1] != '\n')
			i--;
		ck_abort_msg("%s (seed %" PRIu64 "): %d threads, %s, slices of %" PRId64
			     ", %" PRId64 " bytes a batch, cut %zu, gzip %d:\n%.300s\ninstead "
			     "of\n%.300s",
			input->corpus->name, draw_state(), way->threads,
			scan_level_name(way->level), way->slice_bytes, way->max_bytes, way->cut,
			way->is_gzip, is + i, expected + i);
	}
	free(is);
}

static const int n_threads[] = {1, 2, 4};

static void read_in_every_way(const struct corpus *corpus)
{
	struct way way = {.threads = 1, .level = SCAN_JUDGE, .slice_bytes = INT64_C(8) << 20};
	struct input input;
	char *expected;

	make_input(&input, corpus, 300 + (int)draw(300), (int)draw(40));
	expected = read_in_way(&input, &way);
	for (int level = SCAN_JUDGE; level <= SCAN_AVX512; level++) {
		if (!scan_level_is_available((enum scan_level)level))
			continue;
		for (size_t i = 0; i < 3; i++) {
			way = (struct way){.threads = n_threads[i],
				.level = (enum scan_level)level,
				.slice_bytes = 1 + (int64_t)draw(9000),
				.max_bytes = draw(2) ? 0 : 1 + (int64_t)draw(20000),
				.cut = draw(2) ? 0 : draw(input.files[0].len),
				.is_gzip = draw(4) == 0};
			ck_way(&input, &way, expected);
		}
	}
	free(expected);
	free_input(&input);
}

START_TEST(tables_and_rejects_are_the_same_for_all_threads_and_levels)
{
	read_in_every_way(&corpora[_i]);
}
END_TEST

/* The levels in turn, of those that there are. */
static enum scan_level level_in_turn(size_t turn)
{
	enum scan_level level = (enum scan_level)(SCAN_JUDGE + turn % SCAN_AVX512);

	return scan_level_is_available(level) ? level : SCAN_AUTO;
}

/*
 * One file of a few lines, cut at each place in turn: appended in two pieces
 * with a batch in between, and by the limit of a batch. It is read by four
 * threads in slices that are shorter than a line.
 */
START_TEST(a_cut_anywhere_into_two_batches_changes_nothing)
{
	struct way way = {.threads = 1, .level = SCAN_JUDGE, .slice_bytes = INT64_C(8) << 20};
	struct input input = {.corpus = &corpora[_i]};
	struct buf *file = &input.files[0];
	char *expected;

	while (file->len < 180)
		corpus_add_lines(file, &corpora[_i], 1);
	corpus_change_byte(file);
	expected = read_in_way(&input, &way);
	for (size_t cut = 1; cut < file->len; cut++) {
		way = (struct way){.threads = 4,
			.level = level_in_turn(cut),
			.slice_bytes = 16,
			.cut = cut,
			.is_gzip = cut % 5 == 0};
		ck_way(&input, &way, expected);
		way = (struct way){.threads = 2,
			.level = level_in_turn(cut / 3),
			.slice_bytes = 100,
			.max_bytes = (int64_t)cut};
		if (cut % 3 == 0)
			ck_way(&input, &way, expected);
	}
	free(expected);
	free_input(&input);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("threads");
	Suite *suite = suite_create("stream/threads");
	const char *chosen = getenv("SCAN_SEED");

	if (chosen != NULL)
		draw_seed(strtoull(chosen, NULL, 10));
	printf("SCAN_SEED=%" PRIu64 "\n", draw_state());
	tcase_set_timeout(tcase, 600);
	tcase_add_loop_test(
		tcase, tables_and_rejects_are_the_same_for_all_threads_and_levels, 0, N_CORPORA);
	tcase_add_loop_test(tcase, a_cut_anywhere_into_two_batches_changes_nothing, 0, N_CORPORA);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
