/* Real files and a real stream. */
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

static void open_stream(struct bench *bench)
{
	struct err err = ERR_INIT;
	int rc = stream_open(&bench->stream, &bench->spec, &err);

	must_msg(rc == 0, "stream_open: %s", err.text);
}

void bench_open(struct bench *bench)
{
	struct err err = ERR_INIT;

	kept_init(&bench->store, bench->spec.n_sources);
	open_stream(bench);
	must(stream_restored(bench->stream, &err) == 0);
}

void bench_restart(struct bench *bench)
{
	stream_close(bench->stream);
	open_stream(bench);
	kept_restore(&bench->store, bench->stream, bench->spec.n_queries);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

void bench_close(struct bench *bench)
{
	stream_close(bench->stream);
	kept_fini(&bench->store);
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

void bench_write_events(struct bench *bench, const char *name, int first, int n)
{
	struct buf lines = {0};

	for (int i = first; i < first + n; i++)
		buf_printf(&lines, "{\"time\":%d,\"action\":\"a%d\"}\n", i % 3600, i % 3);
	bench_append(bench, name, lines.data, lines.len);
	buf_fini(&lines);
}

void bench_apply(struct bench *bench, const struct changes *changes)
{
	kept_apply(&bench->store, &bench->spec, changes);
}

void bench_look(struct bench *bench)
{
	struct err err = ERR_INIT;

	bench->now_us += 10 * US_PER_S;
	must_msg(stream_scan(bench->stream, 0, true, bench->now_us, &err) == 0, "%s", err.text);
}

struct batch *bench_begin(struct bench *bench)
{
	struct batch *batch = NULL;
	struct err err = ERR_INIT;
	int rc = stream_batch(bench->stream, 0, bench->now_us, &batch, &err);

	must_msg(rc >= 0, "%s", err.text);
	return rc == 1 ? batch : NULL;
}

void bench_finish(struct bench *bench, struct batch *batch, bool is_synced)
{
	bench_apply(bench, batch_changes(batch));
	batch_accept(batch, is_synced, bench->now_us);
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

void bench_expect_rows(const struct bench *bench, size_t query, const char *expected)
{
	struct buf text = {0};

	ck_assert_str_eq(bench_rows(bench, query, false, &text), expected);
	buf_fini(&text);
}
