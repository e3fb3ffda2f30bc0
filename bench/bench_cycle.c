/*
 * What each part of the engine's path costs, over the files of one directory:
 * the read() loop, counting alone (a batch made and thrown away each time
 * costs nothing else), counting into the mirror, and into mirror and
 * checkpoint. One turn of each after the other; the first turn is thrown away,
 * the medians of the others are printed, in wall time and in CPU time of all
 * threads, since only the latter means something on a busy machine.
 *
 *	bench_cycle [--turns N] [--threads N] [--state DIR] DIR
 *
 * DIR for the checkpoint: /tmp unless told. Events are grouped by `action` in
 * windows of an hour.
 */
#include "sql/store.h"
#include "stream/stream.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 * 1024)
#define MAX_TURNS  99

enum way { READ, COUNT, MIRROR, CHECKPOINT, N_WAYS };

static const char *const names[N_WAYS] = {
	"read() loop", "counting", "  and mirror", "  and checkpoint, synced"};

struct cost {
	double wall_s, cpu_s;
};

struct job {
	const char *dir, *state;
	int n_turns;
	struct spec *spec;
	int64_t n_bytes, n_events, n_changed; /* of one turn */
	double store_s;                       /* of the last turn: in store_commit, CPU */
	size_t mirror_bytes;
	int64_t checkpoint_bytes;
	struct cost costs[N_WAYS][MAX_TURNS];
};

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct cost cost_now(void)
{
	return (struct cost){seconds_of(CLOCK_MONOTONIC), seconds_of(CLOCK_PROCESS_CPUTIME_ID)};
}

static void must(int rc, const struct err *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench_cycle: %s\n", err->text);
	exit(1);
}

static struct spec *make_spec(const char *dir, int n_threads)
{
	struct spec *spec = calloc(1, sizeof(*spec));
	struct source_spec *source = calloc(1, sizeof(*source));
	struct query_spec *query = calloc(1, sizeof(*query));

	*source = (struct source_spec){.name = "events",
		.path = realpath(dir, NULL),
		.glob = strdup("*"),
		.time_field = strdup("time"),
		.max_event_bytes = 16 << 20,
		.max_bytes_per_trigger = 256 << 20,
		.max_file_age_us = -1};
	*query = (struct query_spec){.name = "counts",
		.group_by = calloc(1, sizeof(struct field_spec)),
		.n_group_by = 1,
		.window_us = INT64_C(3600000000),
		.slide_us = INT64_C(3600000000),
		.watermark_us = -1,
		.retention_us = -1,
		.max_groups = 10000000};
	query->group_by[0] = (struct field_spec){strdup("action"), strdup("action")};
	*spec = (struct spec){.sources = source,
		.n_sources = 1,
		.queries = query,
		.n_queries = 1,
		.threads = n_threads};
	return spec;
}

static void read_all(struct job *job)
{
	char *buffer = aligned_alloc(4096, READ_BYTES);
	DIR *dir = opendir(job->dir);
	struct dirent *entry;

	job->n_bytes = 0;
	while (dir != NULL && buffer != NULL && (entry = readdir(dir)) != NULL) {
		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t n;

		while (fd >= 0 && (n = read(fd, buffer, READ_BYTES)) > 0)
			job->n_bytes += n;
		if (fd >= 0)
			(void)close(fd);
	}
	if (dir != NULL)
		(void)closedir(dir);
	free(buffer);
}

/* The batches of one run; without a store each is accepted as it is. */
static void count_all(struct job *job, struct stream *stream, struct store *store)
{
	struct err err = ERR_INIT;
	struct batch *batch;

	must(stream_scan(stream, 0, true, 0, &err), &err);
	job->n_changed = 0;
	job->n_events = 0;
	job->store_s = 0;
	for (;;) {
		int rc = stream_batch(stream, 0, 0, &batch, &err);
		const struct changes *changes;
		double begun;

		must(rc, &err);
		if (rc == 0)
			return;
		changes = batch_changes(batch);
		for (size_t i = 0; i < changes->n_queries; i++) {
			job->n_changed += (int64_t)changes->queries[i].n_rows;
			job->n_events = changes->queries[i].totals.n_events;
		}
		begun = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
		if (store != NULL)
			must(store_commit(store, changes, &err), &err);
		job->store_s += seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begun;
		batch_accept(batch, false, 0);
	}
}

static int64_t size_of(const char *dir, const char *name)
{
	struct stat status;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

static void count_into(struct job *job, enum way way)
{
	char made[256], command[300];
	struct store_options options = {0};
	struct err err = ERR_INIT;
	struct stream *stream;
	struct store *store = NULL;

	(void)snprintf(made, sizeof(made), "%s/bench_cycle.XXXXXX", job->state);
	if (way == CHECKPOINT)
		options.state_dir = mkdtemp(made);
	must(stream_open(&stream, job->spec, &err), &err);
	if (way == COUNT) {
		must(stream_restored(stream, &err), &err);
	} else {
		must(store_open(&store, &options, &err), &err);
		must(store_load(store, job->spec, stream, &err), &err);
	}
	count_all(job, stream, store);
	if (store != NULL)
		must(store_sync(store, &err), &err);
	if (way == CHECKPOINT) {
		job->mirror_bytes = snapshot_bytes(store_snapshots(store));
		job->checkpoint_bytes = size_of(made, "checkpoint");
	}
	stream_close(stream);
	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", made);
	if (way == CHECKPOINT && system(command) != 0)
		exit(1);
}

static int by_number(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return (one > two) - (one < two);
}

static struct cost median(const struct cost *costs, int n)
{
	double wall_s[MAX_TURNS], cpu_s[MAX_TURNS];

	for (int i = 0; i < n; i++) {
		wall_s[i] = costs[i].wall_s;
		cpu_s[i] = costs[i].cpu_s;
	}
	qsort(wall_s, (size_t)n, sizeof(*wall_s), by_number);
	qsort(cpu_s, (size_t)n, sizeof(*cpu_s), by_number);
	return (struct cost){wall_s[n / 2], cpu_s[n / 2]};
}

static void report(const struct job *job)
{
	struct cost cost[N_WAYS];

	printf("%lld bytes, %lld events, %lld rows changed\n", (long long)job->n_bytes,
		(long long)job->n_events, (long long)job->n_changed);
	printf("%-26s %8s %8s %8s %9s %9s\n", "", "wall s", "CPU s", "GB/s CPU", "of wall",
		"of CPU");
	for (int i = 0; i < N_WAYS; i++) {
		cost[i] = median(job->costs[i], job->n_turns);
		printf("%-26s %8.3f %8.3f %8.2f %9.3f %9.3f\n", names[i], cost[i].wall_s,
			cost[i].cpu_s, (double)job->n_bytes / cost[i].cpu_s / 1e9,
			cost[READ].wall_s / cost[i].wall_s, cost[READ].cpu_s / cost[i].cpu_s);
	}
	printf("the checkpoint takes %.1f %% of the throughput (CPU: %.1f %%)\n",
		100 * (1 - cost[MIRROR].wall_s / cost[CHECKPOINT].wall_s),
		100 * (1 - cost[MIRROR].cpu_s / cost[CHECKPOINT].cpu_s));
	printf("mirror %.2f MB, checkpoint file %.2f MB: %.2f x\n", (double)job->mirror_bytes / 1e6,
		(double)job->checkpoint_bytes / 1e6,
		(double)job->checkpoint_bytes / (double)job->mirror_bytes);
	printf("both databases: %.0f rows a second of CPU time\n",
		(double)job->n_changed / job->store_s);
}

static void run(struct job *job)
{
	for (int turn = 0; turn <= job->n_turns; turn++) {
		for (int way = 0; way < N_WAYS; way++) {
			struct cost begun = cost_now(), ended;

			if (way == READ)
				read_all(job);
			else
				count_into(job, (enum way)way);
			ended = cost_now();
			if (turn > 0)
				job->costs[way][turn - 1] = (struct cost){
					ended.wall_s - begun.wall_s, ended.cpu_s - begun.cpu_s};
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"turns", required_argument, NULL, 'n'},
		{"threads", required_argument, NULL, 't'}, {"state", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0}};
	static struct job job = {.state = "/tmp", .n_turns = 3};
	int n_threads = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n': job.n_turns = atoi(optarg); break;
		case 't': n_threads = atoi(optarg); break;
		case 's': job.state = optarg; break;
		default: return 64;
		}
	}
	if (optind + 1 != argc || job.n_turns < 1 || job.n_turns > MAX_TURNS || n_threads < 1) {
		fprintf(stderr, "Usage: bench_cycle [--turns N] [--threads N] [--state DIR] DIR\n");
		return 64;
	}
	job.dir = argv[optind];
	job.spec = make_spec(job.dir, n_threads);
	run(&job);
	report(&job);
	return 0;
}
