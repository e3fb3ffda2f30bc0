/*
 * gen_events: fills a directory with made event files, for benchmarks, tests
 * and the demonstration. The same options give the same bytes. The named sets
 * are the ones that measured figures are quoted for; every option behind a
 * name changes that set.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/quantity.h"
#include "base/timestamp.h"
#include "bench/gen_lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_S      INT64_C(1469501107) /* 2016-07-26 02:45:07: where the notebook's stream begins */
#define BUFFER_BYTES (1u << 20)
#define WEEK_S       INT64_C(604800)
#define HOUR_S       INT64_C(3600)

/* How much goes into which files. */
struct volume {
	int64_t total_bytes; /* 0: lines_per_file decides */
	int64_t n_files;
	int64_t lines_per_file;
	bool is_open_ended; /* the last line of each file has no newline */
	bool is_notebook;   /* pairs of Open and Close instead of the plan's lines */
};

struct set {
	const char *name;
	const char *what;
	struct line_plan plan;
	struct volume volume;
};

static const struct set sets[] = {
	{"v0", "50 files of 2,000 lines, ascending times (3.65 MB)",
		{SHAPE_NARROW, 1, 2, START_S, 190000, false, 0}, {0, 50, 2000, true, false}},
	{"v1", "200 files of 10 MB, 2 actions, ascending times over a week (2 GB)",
		{SHAPE_NARROW, 1, 2, START_S, WEEK_S, false, 0},
		{2000000000, 200, 0, false, false}},
	{"v1r", "100 files of 10 MB, as v1 but in random order of times (1 GB)",
		{SHAPE_NARROW, 1, 2, START_S, WEEK_S, true, 0}, {1000000000, 100, 0, false, false}},
	{"v2", "100 files of 10 MB, wide lines of 135 bytes (1 GB)",
		{SHAPE_WIDE, 1, 2, START_S, WEEK_S, false, 0}, {1000000000, 100, 0, false, false}},
	{"v3", "100 files of 10 MB, 100 actions, 10,000 hours in random order (1 GB)",
		{SHAPE_NARROW, 1, 100, START_S, 10000 * HOUR_S, true, 0},
		{1000000000, 100, 0, false, false}},
	{"v4", "100,000 files of 20 lines (73 MB)", {SHAPE_NARROW, 1, 2, START_S, WEEK_S, false, 0},
		{0, 100000, 20, false, false}},
	{"notebook", "50 files of 2,000 lines over 2.2 days, each Close after its Open",
		{SHAPE_NARROW, 1, 2, START_S, 190000, false, 0}, {0, 50, 2000, true, true}},
};

#define N_SETS (sizeof(sets) / sizeof(sets[0]))

/* The files of one run: written through one buffer, each a little younger than the one before. */
struct writer {
	const char *dir;
	char *buffer;
	size_t used;
	int dir_fd;
	int fd;
	int64_t n_files;
	int64_t number; /* of the open file */
	struct timespec now;
};

static void print_help(void)
{
	size_t i;

	printf("Usage: gen_events [OPTION]... DIR\n"
	       "Fills DIR, which must be empty or missing, with event files file-0.json and so "
	       "on.\n\n"
	       "      --set NAME         begin with the options of a named set (default v0)\n"
	       "      --notebook         the same as --set notebook\n"
	       "      --shape SHAPE      narrow or wide\n"
	       "      --bytes SIZE       of all files together, such as 256 MiB\n"
	       "      --files N          how many files\n"
	       "      --lines N          lines of each file, instead of --bytes\n"
	       "      --actions N        how many actions (1 to 456976)\n"
	       "      --start SECONDS    the first time\n"
	       "      --span DURATION    from the first to the last time, such as \"7 days\"\n"
	       "      --order ORDER      of times: ascending or random\n"
	       "      --malformed PPM    lines in a million that are malformed\n"
	       "      --no-final-newline the last line of each file has none\n"
	       "      --final-newline    it has one\n"
	       "      --seed N           another number gives other events\n"
	       "      --help\n\nSets:\n");
	for (i = 0; i < N_SETS; i++)
		printf("  %-9s %s\n", sets[i].name, sets[i].what);
}

static int flush(struct writer *writer, struct err *err)
{
	int rc = file_write_all(writer->fd, writer->buffer, writer->used, err);

	writer->used = 0;
	return rc;
}

static int open_file(struct writer *writer, int64_t number, struct err *err)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "file-%lld.json", (long long)number);
	writer->number = number;
	writer->fd = openat(writer->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (writer->fd < 0)
		return err_set_errno(err, errno, "%s/%s: cannot make", writer->dir, name);
	return 0;
}

/* The files' times are a millisecond apart, so that their order does not depend on the clock's
 * steps. */
static int close_file(struct writer *writer, bool is_open_ended, struct err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, writer->now};
	int64_t ago_ms = writer->n_files - writer->number;
	int rc;

	if (is_open_ended && writer->used > 0 && writer->buffer[writer->used - 1] == '\n')
		writer->used--;
	rc = flush(writer, err);
	times[1].tv_sec -= ago_ms / 1000 + 1;
	times[1].tv_nsec += 1000000000 - ago_ms % 1000 * 1000000;
	if (times[1].tv_nsec >= 1000000000) {
		times[1].tv_sec++;
		times[1].tv_nsec -= 1000000000;
	}
	if (rc == 0 && futimens(writer->fd, times) != 0)
		rc = err_set_errno(err, errno, "cannot set the time");
	if (close(writer->fd) != 0 && rc == 0)
		rc = err_set_errno(err, errno, "cannot close");
	writer->fd = -1;
	if (rc != 0)
		err_prefix(err, "%s/file-%lld.json", writer->dir, (long long)writer->number);
	return rc;
}

static int write_planned_file(struct writer *writer, const struct volume *volume,
	struct lines *lines, uint64_t *done, struct err *err)
{
	uint64_t total = (uint64_t)volume->total_bytes;
	uint64_t end = (uint64_t)volume->total_bytes * (uint64_t)(writer->number + 1) /
		       (uint64_t)volume->n_files;
	bool counts_lines = total == 0;
	size_t len;
	int rc = 0;

	if (counts_lines) {
		total = (uint64_t)(volume->n_files * volume->lines_per_file);
		end = (uint64_t)((writer->number + 1) * volume->lines_per_file);
	}
	while (*done < end && rc == 0) {
		len = lines_next(lines, *done, total, writer->buffer + writer->used);
		writer->used += len;
		*done += counts_lines ? 1 : len;
		/* Not the last line: close_file may take its newline back. */
		if (writer->used > BUFFER_BYTES - 2 * LINE_MAX_BYTES && *done < end)
			rc = flush(writer, err);
	}
	return rc;
}

static int write_planned(struct writer *writer, const struct line_plan *plan,
	const struct volume *volume, struct err *err)
{
	struct lines *lines = lines_new(plan);
	uint64_t done = 0;
	int64_t i;
	int rc = 0;

	if (lines == NULL)
		return err_nomem(err);
	for (i = 0; i < volume->n_files && rc == 0; i++) {
		rc = open_file(writer, i, err);
		if (rc == 0)
			rc = write_planned_file(writer, volume, lines, &done, err);
		if (rc == 0)
			rc = close_file(writer, volume->is_open_ended, err);
	}
	lines_free(lines);
	return rc;
}

/* An event as one number: its second, and whether it is a Close; sorts by time. */
static int by_number(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/*
 * Pairs whose Close is 1 second to 2 hours behind its Open. In the order of
 * time every beginning of the stream therefore holds at least as many Opens
 * as Closes, also where it ends within a second.
 */
static void make_pairs(const struct line_plan *plan, int64_t *events, size_t n_pairs)
{
	const int64_t max_delay_s = plan->span_s / 2 < 7200 ? plan->span_s / 2 : 7200;
	uint64_t open_span = (uint64_t)(plan->span_s - max_delay_s);
	uint64_t random = plan->seed;
	int64_t open_s, delay_s;
	size_t i;

	for (i = 0; i < n_pairs; i++) {
		open_s = (int64_t)(random_next(&random) % open_span);
		delay_s = 1 + (int64_t)(random_next(&random) % (uint64_t)max_delay_s);
		if (i == 0)
			open_s = 0;
		events[2 * i] = 2 * open_s;
		events[2 * i + 1] = 2 * (open_s + delay_s) + 1;
	}
	qsort(events, 2 * n_pairs, sizeof(*events), by_number);
}

static int write_notebook(struct writer *writer, const struct line_plan *plan,
	const struct volume *volume, struct err *err)
{
	size_t n_events = (size_t)(volume->n_files * volume->lines_per_file);
	int64_t *events = calloc(n_events + 1, sizeof(*events));
	int64_t i, line;
	int64_t *event = events;
	int rc = 0;

	if (events == NULL)
		return err_nomem(err);
	make_pairs(plan, events, (n_events + 1) / 2);
	for (i = 0; i < volume->n_files && rc == 0; i++) {
		rc = open_file(writer, i, err);
		for (line = 0; line < volume->lines_per_file && rc == 0; line++, event++) {
			writer->used += line_write_narrow(writer->buffer + writer->used,
				plan->start_s + *event / 2, *event % 2 != 0 ? "Close" : "Open",
				*event % 2 != 0 ? 5 : 4);
			if (writer->used > BUFFER_BYTES - 2 * LINE_MAX_BYTES &&
				line + 1 < volume->lines_per_file)
				rc = flush(writer, err);
		}
		if (rc == 0)
			rc = close_file(writer, volume->is_open_ended, err);
	}
	free(events);
	return rc;
}

enum option_id {
	OPTION_SET = 256,
	OPTION_NOTEBOOK,
	OPTION_SHAPE,
	OPTION_BYTES,
	OPTION_FILES,
	OPTION_LINES,
	OPTION_ACTIONS,
	OPTION_START,
	OPTION_SPAN,
	OPTION_ORDER,
	OPTION_MALFORMED,
	OPTION_NO_FINAL_NEWLINE,
	OPTION_FINAL_NEWLINE,
	OPTION_SEED,
	OPTION_HELP,
};

static const struct option options[] = {
	{"set", required_argument, NULL, OPTION_SET},
	{"notebook", no_argument, NULL, OPTION_NOTEBOOK},
	{"shape", required_argument, NULL, OPTION_SHAPE},
	{"bytes", required_argument, NULL, OPTION_BYTES},
	{"files", required_argument, NULL, OPTION_FILES},
	{"lines", required_argument, NULL, OPTION_LINES},
	{"actions", required_argument, NULL, OPTION_ACTIONS},
	{"start", required_argument, NULL, OPTION_START},
	{"span", required_argument, NULL, OPTION_SPAN},
	{"order", required_argument, NULL, OPTION_ORDER},
	{"malformed", required_argument, NULL, OPTION_MALFORMED},
	{"no-final-newline", no_argument, NULL, OPTION_NO_FINAL_NEWLINE},
	{"final-newline", no_argument, NULL, OPTION_FINAL_NEWLINE},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static int read_int(const char *text, int64_t min, int64_t max, int64_t *n, struct err *err)
{
	char *end;
	long long read;

	errno = 0;
	read = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || read < min || read > max)
		return err_set(err, ERR_USAGE, "\"%s\" is no number from %lld to %lld", text,
			(long long)min, (long long)max);
	*n = read;
	return 0;
}

/* The index of a text among two; others are refused. */
static int read_choice(
	const char *text, const char *first, const char *second, bool *is_second, struct err *err)
{
	*is_second = strcmp(text, second) == 0;
	if (!*is_second && strcmp(text, first) != 0)
		return err_set(err, ERR_USAGE, "\"%s\" is neither %s nor %s", text, first, second);
	return 0;
}

static int take_set(const char *name, struct set *set, struct err *err)
{
	size_t i;

	for (i = 0; i < N_SETS; i++) {
		if (strcmp(sets[i].name, name) == 0) {
			*set = sets[i];
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "there is no set \"%s\"; --help lists them", name);
}

static int take_span(const char *text, struct line_plan *plan, struct err *err)
{
	int64_t us;
	int rc = duration_parse(text, &us, err);

	if (rc != 0)
		return rc;
	if (us < 2 * US_PER_S)
		return err_set(err, ERR_USAGE, "a span of less than two seconds: \"%s\"", text);
	plan->span_s = us / US_PER_S;
	return 0;
}

static int take_option(int id, const char *text, struct set *set, struct err *err)
{
	int64_t n = 0;
	bool is_second = false;
	int rc;

	switch (id) {
	case OPTION_SET: return take_set(text, set, err);
	case OPTION_NOTEBOOK: return take_set("notebook", set, err);
	case OPTION_SHAPE:
		rc = read_choice(text, "narrow", "wide", &is_second, err);
		set->plan.shape = is_second ? SHAPE_WIDE : SHAPE_NARROW;
		return rc;
	case OPTION_BYTES: return size_parse(text, &set->volume.total_bytes, err);
	case OPTION_FILES: return read_int(text, 1, 10000000, &set->volume.n_files, err);
	case OPTION_LINES:
		set->volume.total_bytes = 0;
		return read_int(text, 0, 1000000000, &set->volume.lines_per_file, err);
	case OPTION_ACTIONS:
		rc = read_int(text, 1, 456976, &n, err);
		if (rc == 0)
			set->plan.n_actions = (uint64_t)n;
		return rc;
	case OPTION_START:
		return read_int(text, TIMESTAMP_MIN_US / US_PER_S, TIMESTAMP_MAX_US / US_PER_S,
			&set->plan.start_s, err);
	case OPTION_SPAN: return take_span(text, &set->plan, err);
	case OPTION_ORDER:
		return read_choice(text, "ascending", "random", &set->plan.is_random_order, err);
	case OPTION_MALFORMED:
		rc = read_int(text, 0, 1000000, &n, err);
		if (rc == 0)
			set->plan.malformed_ppm = (uint32_t)n;
		return rc;
	case OPTION_NO_FINAL_NEWLINE: set->volume.is_open_ended = true; return 0;
	case OPTION_FINAL_NEWLINE: set->volume.is_open_ended = false; return 0;
	case OPTION_SEED:
		rc = read_int(text, 0, INT64_MAX, &n, err);
		if (rc == 0)
			set->plan.seed = (uint64_t)n;
		return rc;
	default: return err_set(err, ERR_USAGE, "gen_events --help tells the options");
	}
}

static int check_empty(const char *dir, struct err *err)
{
	DIR *stream = opendir(dir);
	int n = 0;

	if (stream == NULL)
		return err_set_errno(err, errno, "%s: cannot open", dir);
	while (readdir(stream) != NULL)
		n++;
	(void)closedir(stream);
	if (n > 2)
		return err_set(err, ERR_USAGE, "%s: the directory is not empty", dir);
	return 0;
}

static int generate(const struct set *set, const char *dir, struct err *err)
{
	struct writer writer = {.dir = dir, .fd = -1, .n_files = set->volume.n_files};
	int rc = file_make_dirs(dir, 0755, err);

	if (rc == 0)
		rc = check_empty(dir, err);
	if (rc != 0)
		return rc;
	(void)clock_gettime(CLOCK_REALTIME, &writer.now);
	writer.buffer = malloc(BUFFER_BYTES);
	if (writer.buffer == NULL)
		return err_nomem(err);
	writer.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer.dir_fd < 0)
		rc = err_set_errno(err, errno, "%s: cannot open", dir);
	else if (set->volume.is_notebook)
		rc = write_notebook(&writer, &set->plan, &set->volume, err);
	else
		rc = write_planned(&writer, &set->plan, &set->volume, err);
	if (writer.fd >= 0)
		(void)close(writer.fd);
	if (writer.dir_fd >= 0)
		(void)close(writer.dir_fd);
	free(writer.buffer);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct set set = sets[0];
	int id;
	int rc = 0;

	while (rc == 0 && (id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == OPTION_HELP) {
			print_help();
			return 0;
		}
		rc = take_option(id, optarg, &set, &err);
	}
	if (rc == 0 && optind != argc - 1)
		rc = err_set(
			&err, ERR_USAGE, "one directory is expected; --help tells the options");
	if (rc == 0)
		rc = generate(&set, argv[optind], &err);
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "gen_events: %s\n", err.text);
	return rc == ERR_USAGE || rc == ERR_INVALID ? 64 : 1;
}
