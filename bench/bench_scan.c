/*
 * How fast files become counts on one thread, in the thread's own time: a loop
 * that only reads 256 KiB at a time, and the scan on each level, in turn. The first pass is thrown
 * away (it measures the disk); the medians of the others are printed, and
 * each level's share of the reading's speed. With --memory only the first
 * 256 KiB of the first file are scanned, again and again: the kernel alone.
 */
#include "base/err.h"
#include "base/quantity.h"
#include "base/timestamp.h"
#include "stream/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES   ((size_t)256 * 1024)
#define MAX_PASSES   99
#define MAX_FIELDS   8
#define N_CANDIDATES (SCAN_AVX512 + 1) /* SCAN_AUTO's place is the reading loop's */

struct job {
	char **files;
	int n_files;
	int64_t bucket_us;
	int n_passes;
	bool in_memory;
	bool is_wanted[N_CANDIDATES];
	struct event_shape shape;
	const char *fields[MAX_FIELDS];
};

struct measured {
	double seconds[MAX_PASSES];
	int64_t n_bytes, n_events, n_rejects, n_in_kernel, n_matched;
	uint32_t n_groups;
};

/* The thread's own time: with all bytes in the cache it waits for nothing, and others may be at
 * work. */
static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static _Noreturn void die(const char *what, const char *name)
{
	fprintf(stderr, "bench_scan: %s: %s\n", name, what);
	exit(1);
}

static int open_or_die(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(strerror(errno), path);
	return fd;
}

static void read_all(const struct job *job, struct measured *measured)
{
	static _Alignas(4096) char buffer[READ_BYTES];

	for (int i = 0; i < job->n_files; i++) {
		int fd = open_or_die(job->files[i]);
		ssize_t n;

		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			measured->n_bytes += n;
		close(fd);
	}
}

static void add_result(struct scan *scan, struct measured *measured)
{
	struct scan_result result;
	struct err err = ERR_INIT;

	if (scan_result(scan, &result, &err) != 0)
		die(err.text, "scan");
	measured->n_bytes += result.settled;
	measured->n_events += result.n_events;
	measured->n_in_kernel += result.n_in_kernel;
	measured->n_matched += result.n_matched;
	for (int i = 0; i < REJECT_REASONS; i++)
		measured->n_rejects += result.rejects->totals[i];
}

static void scan_file(struct scan *scan, const char *path, struct measured *measured)
{
	struct err err = ERR_INIT;
	int fd = open_or_die(path);
	bool done = false;
	ssize_t n;

	scan_begin(scan, &POSITION_START, 0, -1);
	do {
		size_t room;
		char *data = scan_room(scan, &room, &err);

		n = data != NULL ? read(fd, data, room) : -1;
		if (n < 0 || scan_fed(scan, (size_t)n, n == 0, &done, &err) != 0)
			die(err.text, path);
	} while (n > 0);
	close(fd);
	add_result(scan, measured);
}

/* As many bytes as a buffer holds, from memory, so often that it takes as long as some files. */
static void scan_memory(struct scan *scan, const char *path, struct measured *measured)
{
	static char bytes[READ_BYTES];
	struct err err = ERR_INIT;
	int fd = open_or_die(path);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	bool done = false;

	close(fd);
	while (n > 0 && bytes[n - 1] != '\n')
		n--;
	if (n <= 0)
		die("no line in its first bytes", path);
	scan_begin(scan, &POSITION_START, 0, -1);
	for (int i = 0; i < 1000; i++) {
		size_t room;
		char *data = scan_room(scan, &room, &err);

		/* The bytes lie there from the time before. */
		if (i < 2)
			memcpy(data, bytes, (size_t)n);
		if (scan_fed(scan, (size_t)n, false, &done, &err) != 0)
			die(err.text, path);
	}
	add_result(scan, measured);
}

static void run_pass(
	const struct job *job, enum scan_level level, int pass, struct measured *measured)
{
	struct scan *scan = NULL;
	double start;

	*measured = (struct measured){0};
	start = now_s();
	if (level == SCAN_AUTO) {
		read_all(job, measured);
	} else {
		scan = scan_new(&job->shape, job->bucket_us, level);
		if (scan == NULL)
			die("out of memory", "scan");
		for (int i = 0; i < (job->in_memory ? 1 : job->n_files); i++)
			(job->in_memory ? scan_memory : scan_file)(scan, job->files[i], measured);
		measured->n_groups = cells_n_groups(scan_cells(scan));
	}
	measured->seconds[pass] = now_s() - start;
	scan_free(scan);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct measured *measured, int n)
{
	double sorted[MAX_PASSES];

	memcpy(sorted, measured->seconds, sizeof(sorted));
	qsort(sorted, (size_t)n, sizeof(sorted[0]), compare_doubles);
	return sorted[n / 2];
}

static void print_measured(const struct job *job, const struct measured *all, enum scan_level level)
{
	const struct measured *measured = &all[level];
	double seconds = median(measured, job->n_passes);
	double speed = (double)measured->n_bytes / seconds;
	double limit = (double)all[SCAN_AUTO].n_bytes / median(&all[SCAN_AUTO], job->n_passes);

	printf("%-9s %7.2f GB/s  %5.3f of reading",
		level == SCAN_AUTO ? "read" : scan_level_name(level), speed / 1e9, speed / limit);
	if (level != SCAN_AUTO)
		printf("  %8.1f M events/s  %lld events (%.2f %% in the kernel, %.2f %% matched), "
		       "%lld rejects, %u groups",
			(double)measured->n_events / seconds / 1e6, (long long)measured->n_events,
			(double)measured->n_in_kernel * 100 / (double)measured->n_events,
			(double)measured->n_matched * 100 / (double)measured->n_events,
			(long long)measured->n_rejects, measured->n_groups);
	printf("\n");
}

static void run_job(const struct job *job)
{
	static struct measured measured[N_CANDIDATES];

	for (int pass = -1; pass < job->n_passes; pass++) {
		for (enum scan_level level = SCAN_AUTO; level < N_CANDIDATES; level++) {
			struct measured one;

			if (!job->is_wanted[level])
				continue;
			run_pass(job, level, 0, &one);
			if (pass < 0)
				continue;
			memcpy(one.seconds + 1, measured[level].seconds,
				sizeof(one.seconds) - sizeof(one.seconds[0]));
			measured[level] = one;
		}
	}
	for (enum scan_level level = SCAN_AUTO; level < N_CANDIDATES; level++) {
		if (job->is_wanted[level])
			print_measured(job, measured, level);
	}
}

static void choose_levels(struct job *job, char *names)
{
	for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
		enum scan_level level = SCAN_JUDGE;

		while (level < N_CANDIDATES && strcmp(name, scan_level_name(level)) != 0)
			level++;
		if (level == N_CANDIDATES)
			die("no such level", name);
		if (scan_level_is_available(level))
			job->is_wanted[level] = true;
		else
			printf("%-9s not on this processor\n", name);
	}
}

static void parse_unit(struct job *job, const char *name)
{
	for (enum time_unit unit = TIME_UNIT_S; unit <= TIME_UNIT_NS; unit++) {
		if (strcmp(name, time_unit_name(unit)) == 0)
			job->shape.time_unit = unit;
	}
}

static void print_help(void)
{
	printf("Usage: bench_scan [OPTION]... FILE...\n"
	       "  --levels LIST    of judge,portable,avx2,avx512 (default: all there are)\n"
	       "  --passes N       how many are measured (default 5)\n"
	       "  --bucket TEXT    a duration (default 1 hour)\n"
	       "  --time FIELD     (default time)\n"
	       "  --unit UNIT      of a number: s, ms, us, ns (default s)\n"
	       "  --group FIELD    may be given several times (default action)\n"
	       "  --no-group\n"
	       "  --memory         one buffer of the first file, again and again\n");
}

static void parse_options(struct job *job, int argc, char **argv)
{
	static const struct option options[] = {{"levels", required_argument, NULL, 'l'},
		{"passes", required_argument, NULL, 'p'}, {"bucket", required_argument, NULL, 'b'},
		{"time", required_argument, NULL, 't'}, {"unit", required_argument, NULL, 'u'},
		{"group", required_argument, NULL, 'g'}, {"no-group", no_argument, NULL, 'n'},
		{"memory", no_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'}, {0}};
	char all[] = "judge,portable,avx2,avx512";
	char *levels = all;
	bool has_groups = false;
	struct err err = ERR_INIT;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l': levels = optarg; break;
		case 'p': job->n_passes = atoi(optarg); break;
		case 'b':
			if (duration_parse(optarg, &job->bucket_us, &err) != 0)
				die(err.text, optarg);
			break;
		case 't': job->shape.time_field = optarg; break;
		case 'u': parse_unit(job, optarg); break;
		case 'g':
			if (job->shape.n_fields == MAX_FIELDS)
				die("too many fields", optarg);
			job->fields[job->shape.n_fields++] = optarg;
			has_groups = true;
			break;
		case 'n': has_groups = true; break;
		case 'm': job->in_memory = true; break;
		case 'h': print_help(); exit(0);
		default: exit(64);
		}
	}
	if (!has_groups)
		job->fields[job->shape.n_fields++] = "action";
	if (job->n_passes < 1 || job->n_passes > MAX_PASSES || optind == argc)
		die("a number of passes from 1 to 99 and files are expected", "arguments");
	choose_levels(job, levels);
}

int main(int argc, char **argv)
{
	struct job job = {.bucket_us = US_PER_HOUR,
		.n_passes = 5,
		.shape = {.time_field = "time", .max_event_bytes = 16 << 20}};

	job.shape.fields = job.fields;
	job.is_wanted[SCAN_AUTO] = true;
	parse_options(&job, argc, argv);
	job.files = argv + optind;
	job.n_files = argc - optind;
	run_job(&job);
	return 0;
}
